"""`/api/downloads`: starting, cancelling and listing remote downloads."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from tests.conftest import PASSWORD, Device
from tests.remote_jobs import SIZE, Jobs
from tests.web.conftest import MakeApp, SignIn, signed_in
from transfer_service.bootstrap import Services
from transfer_service.models.events import Activity
from transfer_service.models.games import DownloadState, RemoteDownload
from transfer_service.web.context import EXTENSION
from transfer_service.wire.instants import parse_instant

FORBIDDEN = {"error": {"message": "Insufficient permissions", "statusCode": 403}}
UNKNOWN = str(uuid.UUID(int=0))
LISTED = [
    "gameId", "gameDataId", "title", "status", "progress", "bytesDownloaded", "totalBytes", "speed", "error",
    "startedAt", "finishedAt",
]  # fmt: skip


@pytest.fixture
def starter(services: Services, device: Device) -> Device:
    """`alice`, who may start downloads."""
    services.accounts.grant("alice", "games.download")
    return device


def start(device: Device, game_id: object, game_data_id: object) -> TestResponse:
    return device.post(f"/api/downloads/{game_id}/download", json={"gameDataId": game_data_id})


def cancel(device: Device, game_id: object) -> TestResponse:
    return device.delete(f"/api/downloads/{game_id}/download")


def outcome(response: TestResponse) -> tuple[int, Any]:
    return response.status_code, response.get_json()


def refusal(status: int, detail: str) -> tuple[int, Any]:
    return status, {"success": False, "error": detail}


def states(services: Services) -> list[str]:
    """The states of all jobs, the oldest first."""
    with services.database.read() as session:
        return list(session.scalars(select(RemoteDownload.state).order_by(RemoteDownload.id)))


def test_a_started_download_is_pending(starter: Device, services: Services, jobs: Jobs) -> None:
    game_id = jobs.add_game()
    answer = start(starter, game_id, 1)
    body = {"success": True, "message": "Download started", "gameId": str(game_id), "gameDataId": 1}
    assert outcome(answer) == (202, body)
    assert states(services) == ["pending"]


def test_the_activity_names_who_started_it_and_from_where(starter: Device, services: Services, jobs: Jobs) -> None:
    game_id = jobs.add_game()
    start(starter, game_id, 1)
    with services.database.read() as session:
        activity = session.scalars(select(Activity).where(Activity.resource == "games")).one()
    assert (activity.username, activity.action, activity.ip_address) == ("alice", "download.started", "127.0.0.1")
    assert (activity.resource_id, activity.details["gameDataId"]) == (str(game_id), 1)


def test_the_id_may_be_in_capital_letters(starter: Device, jobs: Jobs) -> None:
    game_id = jobs.add_game()
    assert start(starter, str(game_id).upper(), 1).get_json()["gameId"] == str(game_id)


@pytest.mark.parametrize("body", [
    pytest.param({"data": b""}, id="no body"),
    pytest.param({"data": b"{"}, id="broken"),
    pytest.param({"json": []}, id="no object"),
    pytest.param({"json": {}}, id="missing"),
    pytest.param({"data": b'{"gameDataId": ' + b"9" * 5000 + b"}"}, id="thousands of digits"),
    *(pytest.param({"json": {"gameDataId": value}}, id=repr(value)) for value in (
        None, "1", True, False, 1.0, 1.5, -1, 2**63, [1], {"id": 1},
    )),
])  # fmt: skip
@pytest.mark.parametrize("game", ["a game's", UNKNOWN, "no-id"])
def test_a_body_without_a_number_is_400(
    starter: Device, services: Services, jobs: Jobs, game: str, body: dict[str, Any]
) -> None:
    game_id = jobs.add_game() if game == "a game's" else game
    answer = starter.post(f"/api/downloads/{game_id}/download", **body)
    assert (answer.status_code, answer.get_json()["success"]) == (400, False)
    assert states(services) == []


@pytest.mark.parametrize(("game", "game_data_id", "detail"), [
    pytest.param("no-id", 1, "Game not found", id="no UUID"),
    pytest.param(UNKNOWN.replace("-", ""), 1, "Game not found", id="UUID without hyphens"),
    pytest.param(UNKNOWN, 1, "Game not found", id="unknown game"),
    pytest.param("known", 2**63 - 1, "Game data not found", id="unknown data"),
    pytest.param("known", 2, "Game data not found", id="data of another game"),
])  # fmt: skip
def test_what_is_unknown_is_404(
    starter: Device, services: Services, jobs: Jobs, game: str, game_data_id: int, detail: str
) -> None:
    known, _ = jobs.add_game(), jobs.add_game("Another")
    assert outcome(start(starter, known if game == "known" else game, game_data_id)) == refusal(404, detail)
    assert states(services) == []


def test_a_game_in_progress_is_409(starter: Device, services: Services, jobs: Jobs) -> None:
    game_id, _ = jobs.add_job()
    assert outcome(start(starter, game_id, 1)) == refusal(409, "A download of this game is in progress")
    assert states(services) == ["pending"]


def test_what_is_downloaded_is_409(starter: Device, services: Services, jobs: Jobs, tmp_path: Path) -> None:
    game_id, job_id = jobs.add_job()
    jobs.change(job_id, DownloadState.COMPLETED)
    (tmp_path / "data/games/1.zip").write_bytes(bytes(SIZE))
    assert outcome(start(starter, game_id, 1)) == refusal(409, "This game data is already downloaded")
    assert states(services) == ["completed"]


def test_the_fourth_at_once_is_503(starter: Device, services: Services, jobs: Jobs) -> None:
    for _ in range(3):
        jobs.add_job()
    answer = start(starter, jobs.add_game(), 4)
    assert outcome(answer) == refusal(503, "Too many downloads are active, try again later")
    assert int(answer.headers["Retry-After"]) > 0
    assert states(services) == ["pending"] * 3


@pytest.mark.parametrize(("has_permission", "body", "game", "status"), [
    pytest.param(False, {}, UNKNOWN, 403, id="403 before 400"),
    pytest.param(True, {}, UNKNOWN, 400, id="400 before 404"),
    pytest.param(True, {"gameDataId": 1}, UNKNOWN, 404, id="404 before 503"),
    pytest.param(True, {"gameDataId": 1}, "in progress", 409, id="409 before 503"),
])  # fmt: skip
def test_the_order_of_checks(
    device: Device, services: Services, jobs: Jobs, has_permission: bool, body: dict[str, Any], game: str, status: int
) -> None:
    running = [jobs.add_job()[0] for _ in range(3)]
    if has_permission:
        services.accounts.grant("alice", "games.download")
    path = f"/api/downloads/{running[0] if game == 'in progress' else game}/download"
    assert device.client.post(path, json=body).status_code == 401
    assert device.post(path, json=body).status_code == status
    assert states(services) == ["pending"] * 3


@pytest.mark.parametrize("name", ["alice", "root"])
def test_starting_needs_the_permission_even_for_administrators(
    app: Flask, services: Services, jobs: Jobs, sign_in: SignIn, name: str
) -> None:
    assert outcome(start(sign_in(app, name), jobs.add_game(), 1)) == (403, FORBIDDEN)
    assert states(services) == []


def test_a_cookie_needs_its_csrf_token(app: Flask, services: Services, jobs: Jobs) -> None:
    services.accounts.grant("alice", "games.download")
    game_id, browser = jobs.add_game(), app.test_client()
    browser.post("/auth/login", json={"username": "alice", "password": PASSWORD})
    token = browser.get_cookie("csrf_access_token")
    assert token is not None
    for headers, status in (({}, 401), ({"X-CSRF-TOKEN": token.value}, 202)):
        answer = browser.post(f"/api/downloads/{game_id}/download", json={"gameDataId": 1}, headers=headers)
        assert answer.status_code == status
    assert states(services) == ["pending"]


def test_who_started_it_may_cancel_without_the_permission(starter: Device, services: Services, jobs: Jobs) -> None:
    game_id = jobs.add_game()
    start(starter, game_id, 1)
    services.accounts.revoke("alice", "games.download")
    assert outcome(cancel(starter, game_id)) == (200, {"success": True, "message": "Download cancelled"})
    assert states(services) == ["cancelled"]


@pytest.mark.parametrize(("has_permission", "status", "state"), [(True, 200, "cancelled"), (False, 403, "pending")])
def test_another_account_cancels_with_the_permission_only(
    app: Flask, starter: Device, services: Services, jobs: Jobs, has_permission: bool, status: int, state: str
) -> None:
    game_id = jobs.add_game()
    start(starter, game_id, 1)
    if has_permission:
        services.accounts.grant("bob", "games.download")
    assert cancel(signed_in(app, "bob"), game_id).status_code == status
    assert states(services) == [state]


@pytest.mark.parametrize("game", [UNKNOWN, "no-id", "never started", "ended"])
def test_cancelling_what_is_not_active_is_404(starter: Device, services: Services, jobs: Jobs, game: str) -> None:
    ended, job_id = jobs.add_job()
    jobs.change(job_id, DownloadState.ERROR, error="gone")
    game_id = {"never started": jobs.add_game(), "ended": ended}.get(game, game)
    assert outcome(cancel(starter, game_id)) == refusal(404, "No active download")
    assert states(services) == ["error"]


@pytest.mark.parametrize("game", [UNKNOWN, "no-id"])
def test_who_may_not_cancel_learns_nothing_of_what_there_is(device: Device, game: str) -> None:
    assert outcome(cancel(device, game)) == (403, FORBIDDEN)


def test_a_cancelled_download_may_start_again(starter: Device, services: Services, jobs: Jobs) -> None:
    game_id = jobs.add_game()
    start(starter, game_id, 1)
    cancel(starter, game_id)
    assert start(starter, game_id, 1).status_code == 202
    assert states(services) == ["cancelled", "pending"]


def test_everybody_sees_every_download_the_active_first(device: Device, jobs: Jobs) -> None:
    active, active_id = jobs.add_job()
    failed, failed_id = jobs.add_job()
    jobs.change(active_id, DownloadState.DOWNLOADING, bytes_downloaded=255, speed=12)
    jobs.change(failed_id, DownloadState.ERROR, bytes_downloaded=10, error="All sources failed")
    first, second = device.get("/api/downloads").get_json()["downloads"]
    running = [str(active), 1, "A game", "downloading", 25, 255, SIZE, 12, None]
    ended = [str(failed), 2, "A game", "error", 1, 10, SIZE, 0, "All sources failed"]
    assert [[each[name] for name in LISTED[:9]] for each in (first, second)] == [running, ended]
    assert first.keys() == second.keys() == set(LISTED)


def test_times_are_utc_and_nothing_has_ended_before_its_end(device: Device, jobs: Jobs) -> None:
    _, job_id = jobs.add_job()
    before = device.get("/api/downloads").get_json()["downloads"][0]
    jobs.change(job_id, DownloadState.CANCELLED)
    after = device.get("/api/downloads").get_json()["downloads"][0]
    assert before["finishedAt"] is None
    assert parse_instant(after["startedAt"]) <= parse_instant(after["finishedAt"])
    assert [after["startedAt"][-1], after["finishedAt"][-1]] == ["Z", "Z"]


def test_without_downloads_the_list_is_empty(shared_device: Device) -> None:
    assert outcome(shared_device.get("/api/downloads")) == (
        200,
        {"success": True, "downloads": [], "next_cursor": None},
    )


@pytest.mark.parametrize(("method", "path"), [
    ("POST", "/api/downloads/{}/download"), ("DELETE", "/api/downloads/{}/download"),
    ("GET", "/api/downloads"), ("GET", "/api/downloads/{}/download/progress"),
])  # fmt: skip
def test_nobody_gets_in_without_a_token(shared_app: Flask, method: str, path: str) -> None:
    answer = shared_app.test_client().open(path.format(UNKNOWN), method=method)
    assert outcome(answer) == (401, {"error": {"message": "Not authenticated", "statusCode": 401}})
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_address_behind_a_proxy_is_the_clients(make_app: MakeApp) -> None:
    app = make_app(trusted_proxies=1)
    services: Services = app.extensions[EXTENSION]
    services.accounts.grant("alice", "games.download")
    game_id = Jobs(services.database).add_game()
    headers = {"X-Forwarded-For": "203.0.113.7"}
    signed_in(app, "alice").post(f"/api/downloads/{game_id}/download", json={"gameDataId": 1}, headers=headers)
    with services.database.read() as session:
        assert session.scalars(select(RemoteDownload.ip_address)).one() == "203.0.113.7"
