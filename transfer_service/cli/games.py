"""The command line of the catalogue: `flask --app wsgi games import | list`."""

from typing import BinaryIO

import click
from flask import Flask
from flask.cli import AppGroup

from transfer_service.cli.accounts import plain_errors
from transfer_service.services.games.catalogue import GameFacts
from transfer_service.web.context import services
from transfer_service.wire.game_catalogue import InvalidCatalogue, parse_catalogue

games = AppGroup("games", help="The catalogue of games that may be downloaded.")


@games.command("import")
@click.argument("file", type=click.File("rb"))
@plain_errors
def import_games(file: BinaryIO) -> None:
    """Add the games of FILE, a catalogue in JSON (- is standard input), and change those that differ."""
    try:
        catalogue = parse_catalogue(file.read())
        report = services().games.import_catalogue(catalogue)
    except InvalidCatalogue as error:
        raise click.ClickException(f"Nothing was imported\n{error}") from error
    changes = (
        _counted(len(catalogue.games), "game", added=report.games_added, changed=report.games_changed),
        _counted(len(catalogue.game_data), "archive", added=report.data_added, changed=report.data_changed),
    )
    click.echo(f"Imported: {', '.join(changes)}")


@games.command("list")
@plain_errors
def list_games() -> None:
    """Show every game with its archives, one a line; the columns are separated by tabs."""
    for game in services().games.list_games():
        for line in _lines(game):
            click.echo("\t".join(line))


def _counted(count: int, noun: str, *, added: int, changed: int) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'} ({added} new, {changed} changed)"


def _lines(game: GameFacts) -> list[list[str]]:
    """Ids, titles, size and state of each archive; of a game without one dashes."""
    beginning = [str(game.id), game.title]
    archives = [
        [str(data.id), data.title, str(data.size), "downloaded" if data.is_downloaded else "-"] for data in game.data
    ]
    return [beginning + archive for archive in archives or [["-"] * 4]]


def init_game_commands(app: Flask) -> None:
    """Add the commands to `flask --app wsgi`."""
    app.cli.add_command(games)
