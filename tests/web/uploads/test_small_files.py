"""Small files: all of the body is there at once, or only a part of it."""

import hashlib
import io
from dataclasses import dataclass
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.conftest import Device, frame
from tests.web.forms import file_form
from tests.web.uploads.bench import DRAFT_BYTES, ROOT, TUS, TUS_BYTES, b64, digest, left_on, metadata
from transfer_service.wire.chunk_frames import SHORT_FRAME

DATA = b"hello, small world"
SHA1 = f"sha1 {b64(hashlib.sha1(DATA, usedforsecurity=False).digest())}"


class Trickle(io.RawIOBase):
    """A body that comes in pieces of some bytes; after `stop` of them the connection is lost."""

    def __init__(self, data: bytes, *, piece: int, stop: int | None = None) -> None:
        self._left = data if stop is None else data[:stop]
        self._piece = piece
        self._breaks = stop is not None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._left and self._breaks:
            raise ConnectionResetError
        count = min(len(buffer), self._piece, len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count


@dataclass
class Door:
    """A way in: a request whose body is `sent`, and where the file is then."""

    method: str
    path: str
    headers: dict[str, str]
    sent: bytes = DATA

    def send(self, device: Device, body: Trickle) -> TestResponse:
        told = {"CONTENT_TYPE": self.headers["Content-Type"], "CONTENT_LENGTH": str(len(self.sent))}
        environ = {"wsgi.input": body, **told}
        return device.request(self.method, self.path, headers=self.headers, environ_overrides=environ)


CREATION = {**TUS, "Upload-Length": str(len(DATA)), "Content-Type": TUS_BYTES, **metadata(filename="a.bin")}
DRAFT = {
    "Upload-Complete": "?1",
    "Content-Disposition": 'attachment; filename="a.bin"',
    "Content-Type": "application/octet-stream",
}
FORM = file_form(DATA, b"a.bin")
OCTETS = {"Content-Type": "application/octet-stream"}
DOORS = [
    pytest.param(Door("POST", "/api/files?filename=a.bin", OCTETS), id="raw"),
    pytest.param(Door("PUT", "/api/files/a.bin", OCTETS), id="put"),
    pytest.param(Door("POST", "/api/files", {"Content-Type": FORM["content_type"]}, FORM["data"]), id="form"),
    pytest.param(Door("POST", "/api/files/upload?filename=a.bin", OCTETS, frame(0, DATA)), id="17-byte-frame"),
    pytest.param(
        Door(
            "POST",
            "/upload/a.bin",
            {**OCTETS, "Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}"},
            SHORT_FRAME.format(0, DATA),
        ),
        id="12-byte-frame",
    ),
    pytest.param(Door("POST", ROOT, CREATION), id="tus"),
    pytest.param(Door("POST", ROOT, {**CREATION, "Upload-Checksum": SHA1}), id="tus-checked"),
    pytest.param(Door("POST", ROOT, DRAFT), id="draft"),
    pytest.param(
        Door("POST", ROOT, {**DRAFT, "Repr-Digest": digest(DATA, "sha-512"), "Content-Digest": digest(DATA)}),
        id="draft-checked",
    ),
]


@pytest.mark.parametrize("piece", [pytest.param(1 << 20, id="at-once"), pytest.param(7, id="in-pieces")])
@pytest.mark.parametrize("door", DOORS)
def test_the_file_is_the_same_however_its_bytes_come(device: Device, door: Door, piece: int) -> None:
    response = door.send(device, Trickle(door.sent, piece=piece))
    assert response.status_code in {200, 201}, response.text
    status = device.get("/api/files/status/a.bin").get_json()
    assert (status["status"], status["sha256"]) == ("complete", hashlib.sha256(DATA).hexdigest())
    assert device.get("/api/files/download/a.bin").data == DATA
    assert (left_on(device).files, left_on(device).used_bytes) == (1, len(DATA))


@pytest.mark.parametrize("door", DOORS)
def test_half_a_body_makes_no_file(device: Device, door: Door) -> None:
    response = door.send(device, Trickle(door.sent, piece=5, stop=10))
    assert response.status_code == 400
    assert device.get("/api/files/download/a.bin").status_code == 404


@pytest.mark.parametrize(
    "headers", [pytest.param(CREATION, id="tus"), pytest.param({**DRAFT, "Content-Type": DRAFT_BYTES}, id="draft")]
)
def test_what_came_before_a_resumable_body_broke_off_counts(device: Device, headers: dict[str, str]) -> None:
    Door("POST", ROOT, headers).send(device, Trickle(DATA, piece=5, stop=10))
    (upload,) = device.get(ROOT).get_json()["uploads"]
    assert (upload["offset"], upload["length"]) == (10, len(DATA))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({**CREATION, "Upload-Checksum": f"sha1 {b64(bytes(20))}"}, 460, id="tus-checksum"),
        pytest.param({**DRAFT, "Content-Digest": digest(b"other")}, 400, id="content-digest"),
        pytest.param({**DRAFT, "Repr-Digest": digest(b"other")}, 400, id="repr-digest"),
        pytest.param({**DRAFT, "Repr-Digest": digest(b"other", "sha-512")}, 400, id="another-algorithm"),
    ],
)
def test_wrong_bytes_leave_nothing(device: Device, headers: dict[str, str], status: int) -> None:
    before = left_on(device)
    response = Door("POST", ROOT, headers).send(device, Trickle(DATA, piece=1 << 20))
    assert (response.status_code, left_on(device)) == (status, before)


def test_a_finished_creation_is_told_like_any_other_upload(device: Device) -> None:
    created = Door("POST", ROOT, CREATION).send(device, Trickle(DATA, piece=1 << 20))
    assert created.headers["Upload-Offset"] == str(len(DATA))
    look = device.request("HEAD", created.headers["Location"], headers=TUS)
    assert (look.headers["Upload-Offset"], look.headers["Upload-Length"]) == (str(len(DATA)),) * 2
    assert look.headers["X-File-Id"] == created.headers["X-File-Id"] == created.headers["Location"].rpartition("/")[2]
