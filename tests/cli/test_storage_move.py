"""`flask --app wsgi storage move`: from a folder to an object store, on to another one, and back to a folder."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select

from benchmarks.object_store import ObjectStoreServer
from config import Settings
from tests.conftest import Clock, Device, frame
from tests.everything import ATTACHED, MEMBER, PHOTO, UPLOADED, Everything, fill
from tests.web.conftest import MakeApp
from transfer_service.app import begin_serving, create_app
from transfer_service.bootstrap import build_compaction
from transfer_service.errors import InstallationMismatch
from transfer_service.models.pieces import StoredPiece
from transfer_service.web.context import EXTENSION

pytestmark = pytest.mark.long

Serve = Callable[..., Device]


@pytest.fixture
def there(make_app: MakeApp, make_settings: Callable[..., Settings]) -> Everything:
    """A full installation in a folder, which has stopped."""
    there = fill(make_app(trash_days=30), make_settings().data_dir)
    stop(there.app)
    return there


@pytest.fixture
def serve(there: Everything, make_settings: Callable[..., Settings], clock: Clock) -> Iterator[Serve]:
    """Start a service on the same database with other settings; the one before has stopped."""
    apps: list[Flask] = []

    def start(**settings: Any) -> Device:
        for app in apps:
            stop(app)
        apps[:] = [create_app(make_settings(trash_days=30, **settings), now=clock)]
        apps[0].testing = True
        begin_serving(apps[0])
        return Device(apps[0].test_client(use_cookies=False), there.device.headers)

    yield start
    for app in apps:
        stop(app)


def stop(app: Flask) -> None:
    services = app.extensions[EXTENSION]
    services.recovery.note_flushed()
    services.database.dispose()


def run(device: Device, *arguments: str, stdin: str = "") -> Result:
    app = device.client.application
    return app.test_cli_runner().invoke(args=arguments, input=stdin)


def assert_all_is_there(device: Device, ids: dict[str, str]) -> None:
    """Everything can be read, and goes on being written."""
    assert device.get("/readyz").status_code == 200
    verified = run(device, "verify")
    assert (verified.exit_code, "All is well" in verified.output) == (0, True), verified.output
    assert device.get(f"/api/files/{ids['file_id']}/download").data == PHOTO
    assert device.get(f"/uploads/chats/{ids['message_id']}/a.png").data == ATTACHED
    assert device.get(f"/game-zip/{ids['game_id']}/index.html").data == MEMBER


def assert_it_ends(device: Device, upload_id: str) -> None:
    """An upload that was begun in a folder ends in an object store, and the worker makes one object of it."""
    headers = {
        "Upload-Offset": str(len(UPLOADED)),
        "Upload-Complete": "?1",
        "Content-Type": "application/partial-upload",
    }
    ended = device.request("PATCH", f"/api/uploads/{upload_id}", headers=headers, data=PHOTO)
    assert (ended.status_code, ended.headers["Upload-Complete"]) == (200, "?1")
    services = device.client.application.extensions[EXTENSION]
    compact = build_compaction(services.core)
    assert compact is not None
    for is_in_pieces in (True, False):
        with services.database.read() as session:
            found = session.scalars(select(StoredPiece).where(StoredPiece.key == upload_id.replace("-", ""))).first()
        assert (found is not None) == is_in_pieces
        assert device.get(f"/api/files/{upload_id}/download").data == UPLOADED + PHOTO
        compact()


def go_on(device: Device, upload_id: str, sent: bytes, more: bytes) -> bytes:
    """Go on with an upload that was begun at another place: all of it that is sent by now."""
    headers = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
    headers["Upload-Offset"] = str(len(sent))
    assert device.request("HEAD", f"/api/uploads/{upload_id}", headers=headers).headers["Upload-Offset"] == str(
        len(sent)
    )
    assert device.request("PATCH", f"/api/uploads/{upload_id}", headers=headers, data=more).status_code == 204
    return sent + more


def test_to_an_object_store_on_to_another_one_and_back_to_a_folder(
    there: Everything, serve: Serve, object_store_server: ObjectStoreServer, make_settings: Any, tmp_path: Path
) -> None:
    folder = f"file:{make_settings().data_dir / 'blobs'}"
    first, second = object_store_server.new_url(), object_store_server.new_url()

    moved = run(serve(), "storage", "move", folder, first)
    assert (moved.exit_code, f"Set TRANSFER_STORAGE_URL={first}" in moved.output) == (0, True), moved.output
    device = serve(storage_url=first)
    assert_all_is_there(device, there.ids)
    sent = go_on(device, there.ids["tus_id"], UPLOADED, b"more of it")
    assert device.status("due.bin")["status"] == "complete"
    assert_it_ends(device, there.ids["upload_id"])

    refused = run(device, "storage", "move", folder, first)
    assert (refused.exit_code, "has its bytes already" in refused.output) == (1, True)
    refused = run(device, "storage", "move", first, second)
    assert (refused.exit_code, "TRANSFER_READ_ONLY=true" in refused.output) == (1, True)
    moved = run(serve(storage_url=first, read_only=True), "storage", "move", "-", "-", stdin=f"{first}\n{second}\n")
    assert moved.exit_code == 0, moved.output
    device = serve(storage_url=second)
    assert_all_is_there(device, there.ids)
    sent = go_on(device, there.ids["tus_id"], sent, b"and more")

    back = f"file:{tmp_path / 'back'}"
    (make_settings().data_dir / "uploads").rename(tmp_path / "old uploads")
    (make_settings().data_dir / "games").rename(tmp_path / "old games")
    moved = run(serve(storage_url=second, read_only=True), "storage", "move", second, back)
    assert moved.exit_code == 0, moved.output
    device = serve(storage_url=back)
    assert_all_is_there(device, there.ids)
    sent = go_on(device, there.ids["tus_id"], sent, bytes(1000 - len(sent)))
    assert device.get(f"/api/files/{there.ids['tus_id']}/download").data == sent
    # That of the first one stays, which was not in read-only mode.
    (journal,) = make_settings().data_dir.glob("storage-move-*.sqlite3")
    assert journal.stat().st_mode & 0o777 == 0o600


def test_an_upload_with_a_hole_moves_out_of_an_object_store(
    serve: Serve, object_store_server: ObjectStoreServer, make_settings: Any, tmp_path: Path
) -> None:
    folder, store = f"file:{make_settings().data_dir / 'blobs'}", object_store_server.new_url()
    assert run(serve(), "storage", "move", folder, store).exit_code == 0
    device, far = serve(storage_url=store), 40 * 1024**2
    for start, data in ((0, b"the start"), (far, b"the end")):  # several of the store's pieces lie between them
        assert device.send(frame(start, data), "far.bin", query={"total_size": far + 7}).status_code == 200
    back = f"file:{tmp_path / 'back'}"
    for room in ("uploads", "games"):
        (make_settings().data_dir / room).rename(tmp_path / f"old {room}")
    moved = run(serve(storage_url=store, read_only=True), "storage", "move", store, back)
    assert moved.exit_code == 0, moved.output
    blob = max((tmp_path / "back").glob("??/*"), key=lambda path: path.stat().st_size).read_bytes()
    assert (len(blob), blob[:9], blob[far:]) == (far + 7, b"the start", b"the end")


def test_from_a_folder_to_another_one_only_files_move(
    there: Everything, serve: Serve, make_settings: Any, tmp_path: Path
) -> None:
    old, new = f"file:{make_settings().data_dir / 'blobs'}", f"file:{tmp_path / 'new'}"
    moved = run(serve(read_only=True), "storage", "move", old, new)
    assert moved.exit_code == 0, moved.output
    assert_all_is_there(serve(storage_url=new), there.ids)
    assert list(make_settings().data_dir.glob("storage-move-*")) == []


def test_no_service_begins_where_a_move_has_not_ended(
    there: Everything, serve: Serve, make_settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transfer_service.services.upkeep.storage_move import StorageMove

    old, new = f"file:{make_settings().data_dir / 'blobs'}", f"file:{tmp_path / 'new'}"
    with monkeypatch.context() as patch:
        patch.setattr(StorageMove, "finish", _killed)
        assert run(serve(), "storage", "move", old, new).exit_code != 0
    with pytest.raises(InstallationMismatch, match="has not ended: call `storage move` again"):
        serve(storage_url=new)
    assert run(serve(), "storage", "move", old, new).exit_code == 0
    assert_all_is_there(serve(storage_url=new), there.ids)


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_what_is_damaged_is_named(there: Everything, serve: Serve, make_settings: Any, tmp_path: Path) -> None:
    blobs = make_settings().data_dir / "blobs"
    name = there.ids["file_id"].replace("-", "")
    (blobs / name[:2] / name).write_bytes(b"other bytes")
    moved = run(serve(), "storage", "move", f"file:{blobs}", f"file:{tmp_path / 'new'}")
    assert moved.exit_code == 1
    assert f"damaged: file day/photo 1.jpg ({there.ids['file_id']}) of alice" in moved.output


@pytest.mark.parametrize("way", [("file:/a", "file:/a"), ("ftp://a/b", "file:/b"), ("file:/a", "s3://x/y"), ("-", "-")])
def test_wrong_addresses_are_refused_in_words(serve: Serve, way: tuple[str, str]) -> None:
    result = run(serve(), "storage", "move", *way)
    assert (result.exit_code, result.output[:7], "Traceback" in result.output) == (1, "Error: ", False)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("s3://nobody-has-this/x?endpoint={endpoint}", "object store is not available: there is no such bucket"),
        ("s3://transfer/x?endpoint=http://127.0.0.1:1", "does not answer as it should (EndpointConnectionError)"),
        ("file:relative", "TO_URL must be file:/absolute/folder"),
    ],
)
def test_a_place_that_cannot_be_used_is_named_with_the_reason_and_leaves_nothing_behind(
    wrong: str, said: str, serve: Serve, object_store_server: ObjectStoreServer, make_settings: Any
) -> None:
    folder = f"file:{make_settings().data_dir / 'blobs'}"
    device = serve()
    result = run(device, "storage", "move", folder, wrong.format(endpoint=object_store_server.endpoint))
    assert (result.exit_code, said in result.output) == (1, True), result.output
    assert not list(make_settings().data_dir.glob("storage-move-*"))


def test_wrong_credentials_are_named_and_a_move_that_was_begun_is_remembered(
    serve: Serve, object_store_server: ObjectStoreServer, make_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = f"file:{make_settings().data_dir / 'blobs'}", object_store_server.new_url()
    device = serve()
    assert run(device, "storage", "move", folder, url).exit_code == 0
    (journal,) = make_settings().data_dir.glob("storage-move-*.sqlite3")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody-else")
    result = run(device, "storage", "move", folder, url)
    assert (result.exit_code, "it does not know the credentials" in result.output) == (1, True), result.output
    assert journal.exists()
    monkeypatch.undo()
    assert "Moved and verified: 0 blobs" in run(device, "storage", "move", folder, url).output
