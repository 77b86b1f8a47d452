"""Read-only mode at every route of openapi.yaml, event and command: what changes is refused, what reads goes on."""

import json
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from benchmarks.object_store import ObjectStoreServer
from config import Settings
from tests.conftest import Clock, Device, signed_in
from tests.everything import PHOTO, UPLOADED, Everything, fill
from tests.web.chat import socket_client
from tests.web.conftest import MakeApp
from tests.web.test_openapi import operations
from tests.web.uploads.bench import TUS
from transfer_service.app import begin_serving, create_app, end_serving
from transfer_service.cli.read_only import MOVING, READING, commands_of
from transfer_service.errors import InstallationMismatch, ReadOnly
from transfer_service.moves import build_move
from transfer_service.storage.s3.objects import Objects
from transfer_service.web.chat.socket import CHANGING, EVENTS
from transfer_service.web.context import EXTENSION
from transfer_service.wire.error_bodies import format_error, is_uploads_path
from transfer_service.wire.store_addresses import StoreAddress

SAFE = {"get", "head"}
KEEPING_NOTHING = {"/api/files/{file_id}/url", "/messages/{message_id}/url"}
SIGNING_IN = {"/auth/oidc/login", "/auth/oidc/callback"}
READING_ROUTES = [
    (path, method)
    for path, method, _ in operations()
    if path not in SIGNING_IN and (method in SAFE or path in KEEPING_NOTHING)
]
CHANGING_ROUTES = [(path, method) for path, method, _ in operations() if (path, method) not in READING_ROUTES]
QUERIES = {
    "/accounts": "search=ali",
    "/s/{token}/files/{file_id}/thumbnail": "size=160",
    "/api/files/{file_id}/thumbnail": "size=160",
    "/uploads/chats/{message_id}/thumbnail": "size=160",
    "/conversations/info": "conversation_id={conversation_id}",
    "/messages/get": "conversation_id={conversation_id}",
    "/messages/changes": "conversation_id={conversation_id}",
}


@pytest.fixture(scope="module", params=["disk", "object store"])
def everything(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, prepared_database: Path
) -> Iterator[Everything]:
    """A full installation, and after the app that made it the same one as an app in read-only mode."""
    data_dir = tmp_path_factory.mktemp("full") / "data"
    settings = Settings(data_dir=data_dir, secret_key="a test secret of at least thirty-two bytes", trash_days=30)  # type: ignore[arg-type]
    data_dir.mkdir()
    (data_dir / "transfer.sqlite3").write_bytes(prepared_database.read_bytes())
    writing = create_app(settings, now=Clock())
    writing.testing = True
    there = fill(writing, data_dir)
    there.services.recovery.note_flushed()
    there.services.database.dispose()
    changes: dict[str, Any] = {"read_only": True}
    if request.param == "object store":
        server: ObjectStoreServer = request.getfixturevalue("object_store_server")
        changes["storage_url"] = server.new_url()
        move = build_move(settings, f"file:{settings.blob_dir}", changes["storage_url"])
        assert move.run().is_settled
        move.finish(nobody_writes=True)
    app = create_app(settings.model_copy(update=changes), now=Clock())
    app.testing = True
    begin_serving(app)
    there.app = app
    there.device, there.admin = (
        Device(app.test_client(use_cookies=False), each.headers) for each in (there.device, there.admin)
    )
    yield there
    end_serving(app)
    there.services.database.dispose()


@cache
def objects_at(address: StoreAddress) -> Objects:
    """What is asked about the store."""
    return Objects(address)


def state_of(settings: Settings) -> dict[str, str]:
    """All there is: each file's digest and time, the objects of the store, and the rows of the database."""
    data_dir = settings.data_dir
    database = data_dir / "transfer.sqlite3"
    found = {
        str(path.relative_to(data_dir)): f"{path.stat().st_mtime_ns} {sha256(path.read_bytes()).hexdigest()}"
        for path in sorted(data_dir.rglob("*"))
        if path.is_file() and not path.name.startswith(database.name)
    }
    if settings.store_address is not None:
        objects = objects_at(settings.store_address)  # making a client takes longer than to ask it
        found |= {each.name: each.etag for batch in objects.list(settings.store_address.prefix) for each in batch}
    with closing(sqlite3.connect(database)) as connection:
        return {**found, "rows": "\n".join(connection.iterdump())}


@pytest.fixture(autouse=True)
def unchanged(everything: Everything) -> Iterator[None]:
    """Whatever a test asks, nothing of the installation changes."""
    settings = everything.services.core.settings
    assert settings.read_only
    before = state_of(settings)
    yield
    assert state_of(settings) == before


def address(everything: Everything, path: str) -> str:
    """A path of openapi.yaml with the ids of what is there."""
    filled = {**everything.ids, "version": "1", "folder": "console", "place": "files"}
    if path == "/api/files/{name}":
        filled["name"] = everything.ids["file_id"]
    elif path.startswith("/api/trash/{file_id}"):
        filled["file_id"] = everything.ids["trashed_id"]
    elif path.startswith("/s/{token}/uploads"):
        filled |= {"token": everything.ids["upload_token"], "upload_id": everything.ids["link_upload_id"]}
    elif path.startswith("/api/admin/accounts/"):
        filled["name"] = "bob"
    elif "assets" in path:
        filled["filename"] = "swagger-ui.css" if "docs" in path else "css/base.css"
    query = QUERIES.get(path)
    return (path + (f"?{query}" if query else "")).format(**filled)


@pytest.mark.parametrize(("path", "method"), CHANGING_ROUTES, ids=lambda value: value)
@pytest.mark.parametrize("who", ["alice", "nobody"])
def test_what_would_change_something_is_503_in_its_doors_words(
    everything: Everything, path: str, method: str, who: str
) -> None:
    asked = address(everything, path)
    headers = everything.device.headers if who == "alice" else {}
    for more in ({}, TUS) if is_uploads_path(asked) else ({},):
        answer = everything.device.client.open(asked, method=method.upper(), data=b"{}", headers={**headers, **more})
        media_type, body = format_error(asked, 503, ReadOnly.detail, is_tus=bool(more))
        assert (answer.status_code, answer.headers["Content-Type"], answer.data) == (503, media_type, body)
        assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(("path", "method"), CHANGING_ROUTES, ids=lambda value: value)
def test_the_description_says_so(path: str, method: str) -> None:
    description = next(each for at, by, each in operations() if (at, by) == (path, method))
    assert "503" in description["responses"]


@pytest.mark.parametrize(("path", "method"), READING_ROUTES, ids=lambda value: value)
def test_reading_goes_on(everything: Everything, path: str, method: str) -> None:
    is_endless = path.endswith("/progress")
    device = everything.admin if path.startswith(("/api/admin/", "/api/webhooks")) else everything.device
    answer = device.request(method.upper(), address(everything, path), buffered=not is_endless)
    expected = {
        "/uploads/chats/{message_id}/thumbnail": 404,  # it is no picture
        "/api/account/export": 503,  # it is kept for a day
        "/game-zip/http://{location}": 404,
        "/game-zip/https://{location}": 404,
        "/api/uploads/{upload_id}": 204 if method == "head" else 200,
        "/s/{token}/uploads/{upload_id}": 204 if method == "head" else 200,
    }
    assert answer.status_code == expected.get(path, 200)
    answer.close()


def test_the_bytes_are_there(everything: Everything) -> None:
    assert everything.device.get(f"/api/files/{everything.ids['file_id']}/download").data == PHOTO


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("headers", [{}, TUS], ids=["draft", "tus"])
@pytest.mark.parametrize("name", ["due_upload_id", "tus_id", "upload_id"])
def test_a_look_takes_no_step_that_is_due(
    everything: Everything, name: str, method: str, headers: dict[str, str]
) -> None:
    answer = everything.device.request(method, f"/api/uploads/{everything.ids[name]}", headers=headers)
    assert answer.status_code in {200, 204}
    assert "X-File-Id" not in answer.headers
    if headers:
        expected = {"due_upload_id": 5, "tus_id": len(UPLOADED), "upload_id": len(UPLOADED)}[name]
        assert answer.headers["Upload-Offset"] == str(expected)


def test_a_file_whose_last_step_is_due_is_told_as_it_is(everything: Everything) -> None:
    status = everything.device.get(f"/api/files/{everything.ids['due_id']}").get_json()
    assert (status["status"], status["bytes_received"]) == ("partial", len(PHOTO))


def test_it_is_ready(everything: Everything) -> None:
    assert everything.device.get("/readyz").get_json() == {"status": "ready"}


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_sockets_listen_and_say_nothing_that_stays(everything: Everything, event: str) -> None:
    socket = socket_client.connect(everything.app, everything.device.headers)
    assert socket.is_connected()
    token = everything.device.headers["Authorization"].removeprefix("Bearer ")
    data = {"conversation_id": everything.ids["conversation_id"], "content": "hello", "access_token": token}
    answer = socket.emit(event, data, callback=True)
    changes = f"on_{event}" in CHANGING
    assert answer == ({"success": False, "detail": ReadOnly.detail} if changes else {"success": True})
    assert changes == (event == "send_message")


def test_every_command_that_changes_something_refuses(everything: Everything) -> None:
    for words, command in commands_of(everything.app.cli):
        if words in READING | MOVING:
            continue
        arguments = ["x" for parameter in command.params if parameter.param_type_name == "argument"]
        if words == "games import":
            arguments = ["-"]
        result = everything.app.test_cli_runner().invoke(args=[*words.split(), *arguments])
        assert (result.exit_code, ReadOnly.detail in result.output) == (1, True), (words, result.output)


@pytest.mark.parametrize(
    "words",
    [
        "accounts list", "games list", "verify", "cleanup --dry-run", "database upgrade", "webhooks list",
        "webhooks failed",
    ],
)  # fmt: skip
def test_commands_that_read_go_on(everything: Everything, words: str) -> None:
    result = everything.app.test_cli_runner().invoke(args=words.split())
    assert result.exit_code == 0, result.output


def test_nothing_is_redelivered(everything: Everything) -> None:
    words = ["webhooks", "failed", "--redeliver", everything.ids["delivery_id"]]
    result = everything.app.test_cli_runner().invoke(args=words)
    assert (result.exit_code, ReadOnly.detail in result.output) == (1, True)


def test_an_abandoned_download_is_told_as_it_is(everything: Everything) -> None:
    told = everything.device.get("/api/downloads").get_json()["downloads"]
    assert [each["status"] for each in told if each["gameDataId"] == 2] == ["downloading"]


def test_what_no_door_refuses_the_database_does(everything: Everything) -> None:
    database = everything.app.extensions[EXTENSION].database
    with pytest.raises(ReadOnly), database.write():
        pass
    with pytest.raises(ReadOnly), database.write_rows():
        pass


def test_an_unknown_address_is_unknown_still(everything: Everything) -> None:
    assert everything.device.post("/no/such/thing").status_code == 404


def test_it_is_no_fault_of_the_machine(everything: Everything, capsys: pytest.CaptureFixture[str]) -> None:
    everything.device.post("/cleanup")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [line for line in lines if line.get("event") == "machine_fault"] == []


def test_a_store_that_was_never_joined_is_said_to_readyz(
    make_settings: Callable[..., Settings], make_app: MakeApp
) -> None:
    make_settings().data_dir.mkdir()  # so it is not that of the other tests, which is joined
    app = make_app(read_only=True)
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, "without TRANSFER_READ_ONLY" in answer.get_json()["detail"]) == (503, True)
    assert not (make_settings().data_dir / "blobs" / ".installation").exists()


def test_another_installations_store_ends_the_start(make_app: MakeApp, make_settings: Callable[..., Settings]) -> None:
    assert make_app().test_client().get("/readyz").status_code == 200
    (make_settings().data_dir / "blobs" / ".installation").write_text(str(uuid.uuid4()))
    with pytest.raises(InstallationMismatch):
        begin_serving(make_app(read_only=True))


def test_after_a_power_loss_nothing_is_told_that_may_not_be_there(make_app: MakeApp) -> None:
    first = make_app(boot="first", durability="process")
    device = signed_in(first, "alice")
    device.store(PHOTO)
    first.extensions[EXTENSION].database.dispose()
    later: Flask = make_app(boot="second", durability="process", read_only=True)
    reader = Device(later.test_client(), device.headers)
    answer: Any = reader.get("/download/log.bin")
    assert (answer.status_code, "without TRANSFER_READ_ONLY" in answer.get_json()["detail"]) == (503, True)
    assert reader.get("/readyz").status_code == 503
