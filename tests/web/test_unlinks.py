"""Bytes go only after a commit that is on the disk, since a power loss may keep the unlink and nothing else."""

import base64
import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection

from tests.conftest import Clock, Device, frame
from tests.web.forms import form, part
from transfer_service.bootstrap import Services
from transfer_service.db.database import Database
from transfer_service.storage.blobs import Key
from transfer_service.storage.disk import DiskStore, DiskWriter
from transfer_service.web.context import EXTENSION

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}

Act = Callable[[Device], None]


class Events(list[str]):
    """`commit`, `durable commit`, `flush` and `unlink`, in their order."""

    def unlinks(self) -> list[str]:
        """The last commit before each unlink."""
        commits = [place for place, event in enumerate(self) if event.endswith("commit")]
        return [
            self[max((commit for commit in commits if commit < place), default=place)]
            for place, event in enumerate(self)
            if event == "unlink"
        ]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Events:
    noted = Events()
    write, delete, sync, flush = Database.write_rows, DiskStore.delete, DiskStore.sync, DiskWriter.sync

    @contextmanager
    def noted_write(self: Database, *, durable: bool = False, joins: bool = True) -> Iterator[Connection]:
        with write(self, durable=durable, joins=joins) as rows:
            yield rows
        noted.append("durable commit" if durable else "commit")

    def noted_delete(self: DiskStore, key: Key) -> int:
        noted.append("unlink")
        return delete(self, key)

    def noted_sync(self: DiskStore, key: Key) -> None:
        sync(self, key)
        noted.append("flush")

    def noted_flush(self: DiskWriter) -> None:
        flush(self)
        noted.append("flush")

    monkeypatch.setattr(Database, "write_rows", noted_write)
    monkeypatch.setattr(DiskStore, "delete", noted_delete)
    monkeypatch.setattr(DiskStore, "sync", noted_sync)
    monkeypatch.setattr(DiskWriter, "sync", noted_flush)
    return noted


def begin(device: Device, length: int, data: bytes = b"", **headers: str) -> str:
    location = device.post("/api/uploads", headers={**TUS, "Upload-Length": str(length), **headers}).headers["Location"]
    if data:
        assert device.request("PATCH", location, data=data, headers=BYTES).status_code == 204
    return location


def delete_a_file(device: Device) -> None:
    device.store(b"hello")
    assert device.delete("/api/files/log.bin").status_code == 200


def delete_a_folder(device: Device) -> None:
    for name in ("day/a", "day/night/b"):
        device.store(b"hello", name)
    begin(device, 10, b"hello", **{"Upload-Metadata": f"filename {base64.b64encode(b'day/c').decode()}"})
    assert device.delete("/api/folders/day?recursive=true").status_code == 204


def delete_an_upload(device: Device) -> None:
    device.send(frame(0, b"hello"), query={"total_size": 10})
    assert device.delete("/api/files/log.bin").status_code == 200


def replace_a_file(device: Device) -> None:
    device.store(b"hello")
    device.store(b"world", query={"overwrite": "true"})


def replace_a_file_by_tus(device: Device) -> None:
    device.store(b"hello")
    metadata = f"filename {base64.b64encode(b'log.bin').decode()},overwrite {base64.b64encode(b'true').decode()}"
    begin(device, 5, b"world", **{"Upload-Metadata": metadata})


def cancel_an_upload(device: Device) -> None:
    assert device.request("DELETE", begin(device, 10, b"hello"), headers=TUS).status_code == 204


def join_parts(device: Device) -> None:
    parts = [begin(device, 5, data, **{"Upload-Concat": "partial"}) for data in (b"hello", b"world")]
    headers = {**TUS, "Upload-Concat": f"final;{' '.join(parts)}"}
    assert device.post("/api/uploads", headers=headers).status_code == 201


def delete_a_message(device: Device) -> None:
    conversation = device.post("/conversations/create", json={"email": "bob"}).get_json()["conversation_id"]
    body: dict[str, Any] = form(part("conversation_id", conversation.encode()), part("file", b"hi", filename=b"a.bin"))
    message = device.post("/messages/upload", **body).get_json()["message"]["_id"]
    assert device.delete(f"/messages/{message}").status_code == 200


def let_uploads_expire(device: Device) -> None:
    begin(device, 10, b"hello")
    device.send(frame(0, b"hello"), query={"total_size": 10})
    services: Services = device.client.application.extensions[EXTENSION]
    clock = services.cleanup._now
    assert isinstance(clock, Clock)
    clock.advance(hours=25)
    services.cleanup.run()


CALLS = [
    pytest.param(delete_a_file, 1, id="deleted-file"),
    pytest.param(delete_a_folder, 3, id="deleted-folder"),
    pytest.param(delete_an_upload, 1, id="deleted-upload"),
    pytest.param(replace_a_file, 1, id="replaced"),
    pytest.param(replace_a_file_by_tus, 1, id="replaced-by-tus"),
    pytest.param(cancel_an_upload, 1, id="cancelled"),
    pytest.param(delete_a_message, 1, id="deleted-message"),
]
"""What removes bytes by the way, and the number of blobs."""


@pytest.mark.parametrize("level", ["process", "complete", "ack"])
@pytest.mark.parametrize(
    ("act", "unlinks"),
    [*CALLS, pytest.param(join_parts, 2, id="joined"), pytest.param(let_uploads_expire, 2, id="expired")],
)
def test_what_is_unlinked_is_forgotten_on_the_disk_before(
    make_app: Callable[..., Flask],
    sign_in: Callable[[Flask, str], Device],
    events: Events,
    level: str,
    act: Act,
    unlinks: int,
) -> None:
    act(sign_in(make_app(durability=level), "alice"))
    assert events.unlinks() == ["durable commit"] * unlinks


@pytest.mark.parametrize(("act", "left"), CALLS)
def test_what_is_done_is_said_where_the_disk_keeps_the_bytes(
    make_app: Callable[..., Flask], sign_in: Callable[[Flask, str], Device], act: Act, left: int
) -> None:
    """A disk that became read-only in between: a 503 would say that nothing was changed."""
    device = sign_in(make_app(), "alice")
    services: Services = device.client.application.extensions[EXTENSION]
    with pytest.MonkeyPatch.context() as broken:

        def refuse(*_: object) -> int:
            raise OSError(errno.EROFS, "read-only")

        broken.setattr(DiskStore, "delete", refuse)
        act(device)
    clock = services.cleanup._now
    assert isinstance(clock, Clock)
    clock.advance(hours=2)  # for so long an attachment might still be on its way
    assert services.cleanup.run().removed.unfinished_deletions.count == left


@pytest.mark.parametrize("level", ["complete", "ack"])
def test_the_copy_of_parts_is_flushed_before_the_parts_are_spent(
    make_app: Callable[..., Flask], sign_in: Callable[[Flask, str], Device], events: Events, level: str
) -> None:
    join_parts(sign_in(make_app(durability=level), "alice"))
    before = events[: events.index("unlink")]
    assert before[-2:] == ["flush", "durable commit"]
