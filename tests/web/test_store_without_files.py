"""The whole service on a store without files: whatever the rules ask of a store is in its Protocol."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Clock, Device, frame
from tests.games import add_archive, make_zip
from tests.storage.memory import MemoryStore
from tests.stores import put
from tests.web.forms import form, part
from transfer_service import bootstrap
from transfer_service.bootstrap import Services
from transfer_service.storage.rooms import Room
from transfer_service.web.context import EXTENSION

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {**TUS, "Content-Type": "application/offset+octet-stream"}
DATA = bytes(range(256)) * 3000


@pytest.fixture(params=["near", "remote"])
def device(
    request: pytest.FixtureRequest,
    make_app: Callable[..., Flask],
    sign_in: Callable[[Flask, str], Device],
    monkeypatch: pytest.MonkeyPatch,
) -> Device:
    """`alice`, on a service that would hand everything over to nginx if it could."""

    def in_memory(_root: Path, room: Room) -> MemoryStore:
        return MemoryStore(room, is_remote=request.param == "remote")

    monkeypatch.setattr(bootstrap, "DiskStore", in_memory)
    return sign_in(make_app(accel="nginx", durability="ack"), "alice")


def services_of(device: Device) -> Services:
    services: Services = device.client.application.extensions[EXTENSION]
    return services


def downloaded(device: Device, name: str = "log.bin", **headers: str) -> bytes:
    response = device.get(f"/download/{name}", headers=headers)
    assert response.status_code in {200, 206}
    assert "X-Accel-Redirect" not in response.headers
    return bytes(response.data)


def begin(device: Device, length: int, **headers: str) -> str:
    return device.post("/api/uploads", headers={**TUS, "Upload-Length": str(length), **headers}).headers["Location"]


def append(device: Device, location: str, offset: int, data: bytes) -> None:
    answer = device.request("PATCH", location, data=data, headers={**BYTES, "Upload-Offset": str(offset)})
    assert answer.status_code == 204


def test_chunks_in_any_order_become_a_file(device: Device) -> None:
    device.send(frame(400_000, DATA[400_000:]), query={"total_size": len(DATA)})
    device.send(frame(0, DATA[:250_000]), query={"total_size": len(DATA)})
    device.send(frame(200_000, DATA[200_000:400_000]), query={"total_size": len(DATA)})
    assert device.status()["sha256"] == hashlib.sha256(DATA).hexdigest()
    assert downloaded(device) == DATA


def test_a_whole_file_is_stored_replaced_and_sent_in_ranges(device: Device) -> None:
    device.store(b"old")
    device.store(DATA, query={"overwrite": "true"})
    assert downloaded(device, Range="bytes=100-299999") == DATA[100:300_000]
    several = downloaded(device, Range="bytes=5-9,0-1,-3")
    assert several.index(DATA[5:10]) < several.index(DATA[-3:])
    assert device.delete("/api/files/log.bin").status_code == 200
    assert [list(store.batches()) for store in (services_of(device).store,)] == [[]]


def test_an_upload_is_appended_to_and_joined(device: Device) -> None:
    parts = [begin(device, 300_000, **{"Upload-Concat": "partial"}) for _ in range(2)]
    for location in parts:
        append(device, location, 0, DATA[:100_000])
        append(device, location, 100_000, DATA[100_000:300_000])
    metadata = {"Upload-Metadata": "filename bG9nLmJpbg==", "Upload-Concat": f"final;{' '.join(parts)}"}
    assert device.post("/api/uploads", headers={**TUS, **metadata}).status_code == 201
    assert downloaded(device) == DATA[:300_000] * 2


def test_an_upload_is_cancelled_and_looked_at(device: Device) -> None:
    location = begin(device, 10)
    append(device, location, 0, b"hello")
    assert device.request("HEAD", location, headers=TUS).headers["Upload-Offset"] == "5"
    assert device.request("DELETE", location, headers=TUS).status_code == 204
    assert list(services_of(device).store.batches()) == []


def test_an_attachment_is_sent_and_goes_with_its_message(device: Device) -> None:
    conversation = device.post("/conversations/create", json={"email": "bob"}).get_json()["conversation_id"]
    body: dict[str, Any] = form(part("conversation_id", conversation.encode()), part("file", DATA, filename=b"a.bin"))
    message = device.post("/messages/upload", **body).get_json()["message"]["_id"]
    response = device.get(f"/uploads/chats/{message}/a.bin", headers={"Range": "bytes=3-9"})
    assert (response.status_code, response.data) == (206, DATA[3:10])
    assert device.delete(f"/messages/{message}").status_code == 200
    assert device.get(f"/uploads/chats/{message}/a.bin").status_code == 404
    assert list(services_of(device).core.attachments.batches()) == []


@pytest.mark.parametrize("method", [0, 8], ids=["stored", "deflated"])
def test_members_of_an_archive_are_read_by_ranges(device: Device, tmp_path: Path, method: int) -> None:
    services, archive = services_of(device), make_zip({"x/y.bin": DATA}, method)
    put(services.core.games, "1.zip", archive)
    game_id = add_archive(services, tmp_path / "elsewhere", archive)
    response = device.get(f"/game-zip/{game_id}/x/y.bin", headers={"Range": "bytes=200000-400000"})
    assert (response.status_code, response.data) == (206, DATA[200_000:400_001])


def test_cleanup_sets_orphans_aside_and_puts_them_back(device: Device, clock: Clock) -> None:
    services, orphan = services_of(device), "ab" * 16
    for number in range(20):
        device.store(b"x", f"{number}.txt")
    put(services.store, orphan, DATA)
    clock.advance(hours=2)
    report = services.cleanup.run()
    assert (report.removed.orphaned_blobs.count, report.in_quarantine.count, report.missing) == (1, 1, 0)
    services.store.delete(orphan)
    clock.advance(days=8)
    assert services.cleanup.run().removed.expired_quarantine.count == 1


def test_everything_is_verified_and_damage_is_named(device: Device) -> None:
    file_id = device.store(DATA)["file_id"]
    services = services_of(device)
    assert services.verification.run().faults == []
    put(services.store, file_id.replace("-", ""), b"other")
    assert [fault.id for fault in services.verification.run().faults] == [file_id]


def test_what_was_deleted_under_its_row_is_missing_and_what_is_short_a_failed_read(device: Device) -> None:
    file_id = device.store(DATA)["file_id"].replace("-", "")
    store = services_of(device).store
    assert isinstance(store, MemoryStore)
    del store.blobs[file_id].data[1000:]
    assert device.get("/download/log.bin").status_code == 500
    store.delete(file_id)
    assert device.get("/download/log.bin").status_code == 404


@pytest.mark.parametrize("device", ["remote"], indirect=True)
def test_nothing_counts_whose_claim_was_lost(device: Device) -> None:
    """Whatever comes in while another process has the claim is refused, and can be sent again."""
    store = services_of(device).store
    assert isinstance(store, MemoryStore)
    location = begin(device, 9)
    device.send(frame(0, b"one"), query={"total_size": 9})
    store.claims.are_lost = True
    chunk = device.send(frame(3, b"two"), query={"total_size": 9})
    whole = device.post("/api/files?filename=whole.bin", data=DATA)
    part = device.request("PATCH", location, data=b"abc", headers={**BYTES, "Upload-Offset": "0"})
    answers = [(each.status_code, "Retry-After" in each.headers) for each in (chunk, whole, part)]
    assert answers == [(503, True)] * 3
    store.claims.are_lost = False
    device.send(frame(3, b"twothr"), query={"total_size": 9})
    append(device, location, 0, b"abcdefghi")
    assert downloaded(device) == b"onetwothr"
