"""Who is told to have done something: a file that arrives at each door, and one that is deleted."""

from collections.abc import Callable
from io import BytesIO

import pytest
from flask import Flask

from tests.conftest import Device, frame
from tests.web.conftest import signed_in
from transfer_service.bootstrap import Services
from transfer_service.services.events.activities import ActivityRecord
from transfer_service.services.events.actors import NOBODY, present_actor
from transfer_service.services.files.small_files import SMALL_BYTES

LARGE = b"x" * (SMALL_BYTES + 1)


def told(services: Services) -> list[ActivityRecord]:
    """The log from its beginning, but for accounts and their sign-ins."""
    rows = reversed(services.activities.list_page(1, 200).rows)
    return [row for row in rows if row.resource != "accounts"]


def put(device: Device, data: bytes) -> None:
    """Send a whole file."""
    assert device.request("PUT", "/api/files/a.bin", data=data).status_code in {200, 201}


def send_form(device: Device, data: bytes) -> None:
    """Send it in a form."""
    assert device.post("/api/files", data={"file": (BytesIO(data), "a.bin")}).status_code == 201


def send_chunk(device: Device, data: bytes) -> None:
    """Send it as one chunk."""
    chunk = frame(0, data)
    assert device.send(chunk, filename="a.bin", query={"total_size": len(data)}).status_code == 200


def send_tus(device: Device, data: bytes) -> None:
    """Send it by tus, in one append."""
    head = {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(data)), "Upload-Metadata": "filename YS5iaW4="}
    upload = device.post("/api/uploads", headers=head).headers["Location"]
    head = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert device.request("PATCH", upload, data=data, headers=head).status_code == 204


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("send", [put, send_form, send_chunk, send_tus])
def test_a_file_is_told_once_of_who_has_sent_it(
    send: Callable[[Device, bytes], None], data: bytes, device: Device, services: Services
) -> None:
    send(device, data)
    (row,) = told(services)
    file = device.status("a.bin")
    assert (row.username, row.action, row.resource) == ("alice", "file.uploaded", "files")
    assert (row.resource_id, row.ip_address) == (file["file_id"], "127.0.0.1")
    assert row.details == {"filename": "a.bin", "size": len(data), "sha256": file["sha256"]}


def test_a_file_that_takes_the_place_of_another_is_one_change(device: Device, services: Services) -> None:
    put(device, b"old")
    before = device.status("a.bin")["file_id"]
    put(device, b"new")
    assert [row.action for row in told(services)] == ["file.uploaded"] * 2
    assert told(services)[1].details["replaced"] == before


def test_a_deleted_file_is_told_with_its_name(device: Device, services: Services) -> None:
    put(device, b"data")
    file = device.status("a.bin")
    assert device.delete("/api/files/a.bin").status_code in {200, 204}
    row = told(services)[-1]
    assert (row.username, row.action, row.resource_id) == ("alice", "file.deleted", file["file_id"])
    assert row.details == {"filename": "a.bin", "size": 4, "sha256": file["sha256"], "permanent": True}


def test_what_was_refused_leaves_nothing(app: Flask, device: Device, services: Services) -> None:
    put(device, b"data")
    assert signed_in(app, "bob").delete(f"/api/files/{device.status('a.bin')['file_id']}").status_code == 404
    assert [row.action for row in told(services)] == ["file.uploaded"]


def test_behind_a_request_nobody_acts(device: Device) -> None:
    put(device, b"data")
    assert present_actor() == NOBODY
