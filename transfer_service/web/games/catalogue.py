"""`/api/games`: the catalogue, for every account (docs/remote-downloads.md)."""

from typing import Any

from flask import Blueprint, Response, jsonify

from transfer_service.services.games.browsing import GameDataRecord, GameQuery, GameRecord, GameSort
from transfer_service.web.context import guard, services
from transfer_service.web.query import Order, choice_of, count_of, takes, text_of
from transfer_service.web.requests import game_id_of
from transfer_service.wire.instants import format_instant
from transfer_service.wire.launch_commands import can_play_in_browser, content_address

DEFAULT_LIMIT, MAX_LIMIT = 50, 100

blueprint = Blueprint("games", __name__, url_prefix="/api/games")
blueprint.before_request(guard)


@blueprint.get("")
@takes("search", "page", "limit", "sortBy", "sortOrder")
def list_games() -> Response:
    """A page of games, by title unless asked otherwise."""
    query = GameQuery(
        page=count_of("page", default=1),
        limit=count_of("limit", default=DEFAULT_LIMIT, most=MAX_LIMIT),
        sort=choice_of("sortBy", GameSort) or GameSort.TITLE,
        is_ascending=choice_of("sortOrder", Order) is not Order.DESCENDING,
        search=text_of("search"),
    )
    found = services().game_browsing.list_page(query)
    pagination = {
        "page": query.page, "limit": query.limit, "total": found.total, "totalPages": -(-found.total // query.limit),
    }  # fmt: skip
    return jsonify({"games": [_game_json(game) for game in found.games], "pagination": pagination})


@blueprint.get("/<game_id>")
def show_game(game_id: str) -> Response:
    """One of them."""
    return jsonify(_game_json(services().game_browsing.get(game_id_of(game_id))))


@blueprint.get("/<game_id>/launch")
def launch(game_id: str) -> Response:
    """Where the game begins."""
    game = services().game_browsing.get(game_id_of(game_id))
    address = content_address(game.launch_command, game.id) if game.is_downloaded else None
    return jsonify(
        {
            "gameId": str(game.id),
            "title": game.title,
            "platform": game.platform,
            "launchCommand": game.launch_command,
            "contentUrl": address,
            "downloaded": game.is_downloaded,
            "canPlayInBrowser": can_play_in_browser(game.launch_command, game.platform),
        }
    )


def _game_json(game: GameRecord) -> dict[str, Any]:
    return {
        "id": str(game.id),
        "title": game.title,
        "platform": game.platform,
        "developer": game.developer,
        "publisher": game.publisher,
        "releaseDate": game.release_date,
        "description": game.description,
        "tags": game.tags,
        "launchCommand": game.launch_command,
        "downloaded": game.is_downloaded,
        "downloading": game.is_downloading,
        "gameData": [_data_json(each) for each in game.data],
    }


def _data_json(data: GameDataRecord) -> dict[str, Any]:
    return {
        "id": data.id,
        "title": data.title,
        "dateAdded": format_instant(data.added_at),
        "size": data.size,
        "sha256": data.sha256,
        "downloaded": data.is_downloaded,
    }
