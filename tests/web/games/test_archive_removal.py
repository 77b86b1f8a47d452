"""`DELETE /api/downloads/{gameId}/archive/{gameDataId}`."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from benchmarks.object_store import ObjectStoreServer
from tests.conftest import Device
from tests.games import add_archive, add_game, make_zip
from tests.remote_jobs import Jobs
from tests.web.conftest import MakeApp, signed_in
from transfer_service.bootstrap import Services
from transfer_service.web.context import EXTENSION

LONG = bytes(range(256)) * 40_000
MEMBERS = {"content/example.com/index.html": b"<p>play", "long.bin": LONG}


@pytest.fixture(params=["disk", "object store"])
def any_app(request: pytest.FixtureRequest, make_app: MakeApp) -> Flask:
    """Both kinds of store; `alice` may start and remove."""
    settings: dict[str, Any] = {}
    if request.param == "object store":
        server: ObjectStoreServer = request.getfixturevalue("object_store_server")
        settings["storage_url"] = server.new_url()
    app = make_app(**settings)
    services_of(app).accounts.grant("alice", "games.download")
    return app


def services_of(app: Flask) -> Services:
    services: Services = app.extensions[EXTENSION]
    return services


def remove(device: Device, game_id: object, data_id: object = 1) -> tuple[int, Any]:
    response = device.delete(f"/api/downloads/{game_id}/archive/{data_id}")
    return response.status_code, response.get_json(silent=True)


def facts(device: Device, game_id: object) -> tuple[bool, bool, str | None]:
    """Whether a game and its archive are downloaded, and where it begins."""
    game = device.get(f"/api/games/{game_id}").get_json()
    listed = device.get("/api/games").get_json()["games"]
    assert game in listed
    launch = device.get(f"/api/games/{game_id}/launch").get_json()
    assert launch["downloaded"] == game["downloaded"]
    return game["downloaded"], game["gameData"][0]["downloaded"], launch["contentUrl"]


def test_a_removed_archive_is_gone_everywhere(any_app: Flask, tmp_path: Path) -> None:
    alice = signed_in(any_app, "alice")
    game_id = add_archive(services_of(any_app), tmp_path / "data", make_zip(MEMBERS))
    page = "/game-zip/http://example.com/index.html"
    assert (alice.get(page).status_code, facts(alice, game_id)[:2]) == (200, (True, True))
    assert remove(alice, game_id) == (204, None)
    assert [alice.get(path).status_code for path in (page, f"/game-zip/{game_id}/long.bin")] == [404, 404]
    assert facts(alice, game_id) == (False, False, None)
    assert services_of(any_app).core.games.stored_bytes("1.zip") is None
    assert remove(alice, game_id) == (404, {"success": False, "error": "This game data was not downloaded"})
    started = alice.post(f"/api/downloads/{game_id}/download", json={"gameDataId": 1})
    assert (started.status_code, remove(alice, game_id)[0]) == (202, 409)


def test_who_reads_a_member_at_this_moment_gets_no_wrong_byte(any_app: Flask, tmp_path: Path) -> None:
    alice = signed_in(any_app, "alice")
    game_id = add_archive(services_of(any_app), tmp_path / "data", make_zip(MEMBERS))
    with alice.get(f"/game-zip/{game_id}/long.bin", buffered=False) as response:
        blocks = response.iter_encoded()
        received = next(blocks)
        assert remove(alice, game_id) == (204, None)
        try:
            received += b"".join(blocks)
        except OSError:  # the server closes the connection
            assert len(received) < len(LONG)
        assert LONG.startswith(received)
        assert len(received) == len(LONG) or services_of(any_app).core.games.is_remote


def test_others_may_not(app: Flask, services: Services, tmp_path: Path) -> None:
    game_id = add_archive(services, tmp_path / "data", make_zip(MEMBERS))
    forbidden = {"error": {"message": "Insufficient permissions", "statusCode": 403}}
    for name in ("alice", "root"):
        assert remove(signed_in(app, name), game_id) == (403, forbidden)
    assert app.test_client().options(f"/api/downloads/{game_id}/archive/1").status_code == 200
    assert facts(signed_in(app, "alice"), game_id)[0]


@pytest.mark.parametrize("data_id", ["x", "-1", "1.0", "2", str(2**63), "9" * 40, "%D9%A1"])
def test_an_id_that_no_archive_of_the_game_has(device: Device, services: Services, data_id: str) -> None:
    services.accounts.grant("alice", "games.download")
    game_id = add_game(services, 1)
    assert remove(device, game_id, data_id) == (404, {"success": False, "error": "Game data not found"})
    assert remove(device, "x", 1) == (404, {"success": False, "error": "Game not found"})


def test_one_that_is_being_fetched_stays(device: Device, services: Services, jobs: Jobs) -> None:
    services.accounts.grant("alice", "games.download")
    game_id, job_id = jobs.add_job()
    refused = {"success": False, "error": "A download of this game is in progress"}
    assert remove(device, game_id, jobs.data_id(game_id)) == (409, refused)
    assert jobs.state_of(job_id).is_active
