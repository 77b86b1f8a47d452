"""`/api/downloads`: archives of games that the server fetches in the background (docs/remote-downloads.md)."""

from http import HTTPStatus

from flask import Blueprint, Response, current_app, jsonify, request

from transfer_service.errors import InvalidRequest, NotFound
from transfer_service.services.files.files import parse_file_id
from transfer_service.services.games.job_rows import DownloadRecord
from transfer_service.web.context import actor_of, current, guard, require_permission, services, token_expires_at
from transfer_service.web.games.printing import download_json, event_id_of
from transfer_service.web.games.progress_feed import FEED, ProgressFeed
from transfer_service.web.query import MAX_PAGE, PAGING, read_page, takes
from transfer_service.web.requests import game_id_of, json_object
from transfer_service.wire.game_catalogue import MAX_DATA_ID

DOWNLOAD_PERMISSION = "games.download"
STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

blueprint = Blueprint("remote_downloads", __name__, url_prefix="/api/downloads")
blueprint.before_request(guard)


@blueprint.before_request
def _require_permission() -> None:
    is_removal = request.method == "DELETE" and request.endpoint == f"{blueprint.name}.{remove_archive.__name__}"
    if is_removal or request.method == "POST":
        require_permission(DOWNLOAD_PERMISSION)


@blueprint.post("/<game_id>/download")
def start(game_id: str) -> tuple[Response, int]:
    """Begin to fetch an archive of a game."""
    game_data_id = _game_data_id(json_object().get("gameDataId"))
    parsed = game_id_of(game_id)
    services().remote_downloads.start(actor_of(current()), parsed, game_data_id)
    answer = {"success": True, "message": "Download started", "gameId": str(parsed), "gameDataId": game_data_id}
    return jsonify(answer), HTTPStatus.ACCEPTED


@blueprint.delete("/<game_id>/download")
def cancel(game_id: str) -> Response:
    """End a download that is active."""
    may_cancel_any = services().accounts.has_permission(current().account_id, DOWNLOAD_PERMISSION)
    services().remote_downloads.cancel(actor_of(current()), parse_file_id(game_id), may_cancel_any=may_cancel_any)
    return jsonify({"success": True, "message": "Download cancelled"})


@blueprint.delete("/<game_id>/archive/<game_data_id>")
def remove_archive(game_id: str, game_data_id: str) -> tuple[str, int]:
    """Remove an archive that was downloaded."""
    services().remote_downloads.remove_archive(game_id_of(game_id), _data_id_of(game_data_id))
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("")
@takes(*PAGING)
def list_downloads() -> Response:
    """Every download, the active ones first; without `limit` the first thousand."""
    page = read_page(_place, bool, int, default=MAX_PAGE)
    shown, next_cursor = page.cut(services().remote_downloads.list_downloads(limit=page.wanted, after=page.after))
    listed = [download_json(each) for each in shown]
    return jsonify({"success": True, "downloads": listed, "next_cursor": next_cursor})


def _place(download: DownloadRecord) -> tuple[bool, int]:
    return not download.state.is_active, download.job_id


@blueprint.get("/<game_id>/download/progress")
@takes("lastEventId")
def progress(game_id: str) -> Response:
    """A stream of events until the download has ended.

    A client that connects again after the last one gets 204: nothing else keeps EventSource from coming back for ever.
    What it saw last is in `Last-Event-ID`, or in `lastEventId` of the query, for clients that make a new EventSource;
    the header counts first, because it is of the stream that has just ended.
    """
    parsed = game_id_of(game_id)
    download = services().remote_downloads.find_progress([parsed]).get(parsed)
    if download is None:
        raise NotFound("This game was never downloaded")
    if not download.state.is_active and _last_event_id() == event_id_of(download):
        return Response(status=HTTPStatus.NO_CONTENT, headers=STREAM_HEADERS)
    feed: ProgressFeed = current_app.extensions[FEED]
    stream = feed.follow(download, sign_in_id=current().sign_in_id, expires_at=token_expires_at())
    return Response(stream, mimetype="text/event-stream", headers=STREAM_HEADERS)


def _last_event_id() -> str | None:
    return request.headers.get("Last-Event-ID") or request.args.get("lastEventId")


def _data_id_of(text: str) -> int:
    """The id of an archive in a path. Raises NotFound: what is no number is the id of none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= MAX_DATA_ID):
        raise NotFound("Game data not found")
    return int(text)


def _game_data_id(value: object) -> int:
    """Raises InvalidRequest."""
    if value is None:
        raise InvalidRequest("gameDataId is required")
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_DATA_ID:
        raise InvalidRequest("gameDataId must be a whole number from 0 on")
    return value
