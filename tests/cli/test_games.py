"""The command line of the catalogue: `flask --app wsgi games import | list`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from tests.conftest import Clock
from transfer_service.app import create_app
from transfer_service.bootstrap import Services
from transfer_service.models.games import DownloadState, RemoteDownload
from transfer_service.services.games.catalogue import GameFacts
from transfer_service.web.context import EXTENSION

PONG, TETRIS = "0b8bd5ab-2f5c-4b3c-a3d5-2f2fd2c6d1f0", "1b8bd5ab-2f5c-4b3c-a3d5-2f2fd2c6d1f0"
GAMES = [{"id": PONG, "title": "Pong"}, {"id": TETRIS, "title": "Tetris"}]
DATA = {"id": 1, "gameId": PONG, "title": "1.0", "dateAdded": "2024-05-01", "sha256": "ab" * 32, "size": 1000}
NEWER = {**DATA, "id": 2, "title": "1.1 家", "dateAdded": "2025-05-01", "size": 2000}


def run(app: Flask, *arguments: str, stdin: bytes = b"") -> Result:
    return app.test_cli_runner().invoke(args=["games", *arguments], input=stdin)


def catalogue(*data: dict[str, Any], games: list[Any] = GAMES) -> bytes:
    return json.dumps({"games": games, "gameData": data}).encode()


def listed(services: Services) -> list[GameFacts]:
    return services.games.list_games()


def test_a_file_is_imported(app: Flask, services: Services, tmp_path: Path) -> None:
    path = tmp_path / "games.json"
    path.write_bytes(catalogue(DATA))
    result = run(app, "import", str(path))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "Imported: 2 games (2 new, 0 changed), 1 archive (1 new, 0 changed)\n"
    assert [game.title for game in listed(services)] == ["Pong", "Tetris"]


def test_standard_input_is_imported(app: Flask, services: Services) -> None:
    run(app, "import", "-", stdin=catalogue(DATA))
    result = run(app, "import", "-", stdin=catalogue({**DATA, "size": 5}, NEWER, games=GAMES[:1]))
    assert result.stdout == "Imported: 1 game (0 new, 0 changed), 2 archives (1 new, 1 changed)\n"
    assert [data.size for data in listed(services)[0].data] == [5, 2000]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(b"", "The catalogue is not JSON: line 1, column 1: Expecting value", id="empty"),
        pytest.param(
            catalogue({**DATA, "size": 0, "sha256": "x"}, games=[*GAMES, {"id": "x", "title": "\n"}]),
            "games[2].id: must be a UUID, such as 0b8bd5ab-2f5c-4b3c-a3d5-2f2fd2c6d1f0\n"
            "games[2].title: must be text that is not empty\n"
            "gameData[0].sha256: must be 64 hexadecimal digits\n"
            "gameData[0].size: must be a whole number from 1 to 9007199254740992",
            id="bad-rows",
        ),
        pytest.param(
            catalogue(DATA, NEWER, games=GAMES[1:]),
            f"gameData[0].gameId: there is no game {PONG}\ngameData[1].gameId: there is no game {PONG}",
            id="unknown-game",
        ),
    ],
)
def test_mistakes_are_named_and_nothing_is_imported(app: Flask, services: Services, text: bytes, message: str) -> None:
    result = run(app, "import", "-", stdin=text)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: Nothing was imported\n{message}\n"
    assert listed(services) == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("missing.json", "No such file or directory", id="missing"),
        pytest.param(".", "Is a directory", id="folder"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(app: Flask, services: Services, path: str, message: str) -> None:
    result = run(app, "import", path)
    assert result.exit_code != 0
    assert f"'{path}': {message}" in result.stderr
    assert listed(services) == []


def test_an_import_without_a_database_fails_in_a_sentence(make_settings: Callable[..., Any], tmp_path: Path) -> None:
    app = create_app(make_settings(database_url=f"sqlite:///{tmp_path / 'empty.sqlite3'}"))
    result = run(app, "import", "-", stdin=catalogue(DATA))
    app.extensions[EXTENSION].database.dispose()
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")


def test_the_list_has_a_line_for_every_archive(app: Flask, services: Services, clock: Clock) -> None:
    run(app, "import", "-", stdin=catalogue(DATA, NEWER))
    with services.database.write() as session:
        session.add(
            RemoteDownload(
                game_id=listed(services)[0].id,
                game_data_id=2,
                username="alice",
                state=DownloadState.COMPLETED,
                sha256="ab" * 32,
                total_bytes=2000,
                started_at=clock(),
                updated_at=clock(),
            )
        )
    result = run(app, "list")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.split("\t") for line in result.stdout.splitlines()] == [
        [PONG, "Pong", "1", "1.0", "1000", "-"],
        [PONG, "Pong", "2", "1.1 家", "2000", "downloaded"],
        [TETRIS, "Tetris", "-", "-", "-", "-"],
    ]


def test_the_list_of_nothing_is_empty(app: Flask) -> None:
    result = run(app, "list")
    assert (result.exit_code, result.output) == (0, "")
