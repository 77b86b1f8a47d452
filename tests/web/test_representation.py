"""Header fields that change what the bytes of a request mean are understood or refused, at every door."""

import gzip
import re

import pytest
from flask import Flask

from tests.conftest import Device
from tests.web.conftest import MakeApp, SignIn
from tests.web.uploads.bench import ROOT, Draft, Tus, left_on
from transfer_service.wire.chunk_frames import LONG_FRAME, SHORT_FRAME

READ_ONLY = {"GET", "HEAD", "OPTIONS"}
ZIPPED = gzip.compress(b"hello")
WHOLE = [
    pytest.param("POST", "/api/files?filename=a.txt", {}, id="whole-file"),
    pytest.param("POST", ROOT, {"Upload-Complete": "?1"}, id="draft"),
    pytest.param("POST", ROOT, {"Tus-Resumable": "1.0.0", "Upload-Length": "5"}, id="tus"),
    pytest.param("POST", "/conversations/create", {}, id="json"),
    pytest.param("POST", "/messages/upload", {"Content-Type": "multipart/form-data; boundary=x"}, id="form"),
    pytest.param("POST", "/auth/token", {}, id="sign-in"),
]


def doors(app: Flask) -> list[tuple[str, str]]:
    """Every route that is more than reading, with something in the place of its variables."""
    return sorted(
        (method, re.sub(r"<[^>]+>", "00000000-0000-0000-0000-000000000000", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - READ_ONLY
    )


def test_no_door_takes_a_body_that_is_coded(shared_app: Flask, shared_device: Device) -> None:
    before, found = left_on(shared_device), doors(shared_app)
    assert len(found) > 20
    for method, path in found:
        response = shared_device.request(method, path, data=ZIPPED, headers={"Content-Encoding": "gzip"})
        assert (response.status_code, response.headers["Accept-Encoding"]) == (415, "identity"), (method, path)
    assert left_on(shared_device) == before


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "identity, gzip", "aws-chunked", "x"])
@pytest.mark.parametrize(("method", "path", "headers"), WHOLE)
def test_a_coding_by_any_name_is_refused_in_the_words_of_the_door(
    shared_device: Device, method: str, path: str, headers: dict[str, str], coding: str
) -> None:
    before = left_on(shared_device)
    response = shared_device.request(method, path, data=ZIPPED, headers={**headers, "Content-Encoding": coding})
    assert response.status_code == 415
    assert "Content-Encoding must be identity" in response.text
    assert left_on(shared_device) == before


def test_an_empty_creation_that_says_what_will_come_is_coded_is_refused(shared_device: Device) -> None:
    response = Draft(shared_device).post(b"", {"Content-Encoding": "gzip", "Upload-Length": "100"})
    assert (response.status_code, response.headers["Upload-Complete"]) == (415, "?0")


@pytest.mark.parametrize("coding", ["identity", "Identity", "", " identity , "])
def test_identity_is_no_coding(device: Device, coding: str) -> None:
    response = device.post("/api/files?filename=a.txt", data=b"hello", headers={"Content-Encoding": coding})
    assert response.status_code == 201
    assert device.get("/download/a.txt").data == b"hello"


@pytest.mark.parametrize(("method", "path", "headers"), WHOLE)
@pytest.mark.parametrize("value", ["bytes 0-4/10", "bytes */5", "nonsense"])
def test_a_part_is_never_taken_for_the_whole(
    shared_device: Device, method: str, path: str, headers: dict[str, str], value: str
) -> None:
    before = left_on(shared_device)
    response = shared_device.request(method, path, data=b"hello", headers={**headers, "Content-Range": value})
    assert (response.status_code, "Content-Range is not taken here" in response.text) == (400, True)
    assert left_on(shared_device) == before


def test_an_append_says_where_it_begins_in_its_own_words(shared_device: Device) -> None:
    tus = Tus(shared_device)
    location = tus.begin()
    response = tus.patch(location, b"hello", {"Content-Range": "bytes 0-4/5"})
    assert (response.status_code, tus.offset(location)) == (400, "0")


@pytest.mark.parametrize(
    ("path", "frame"),
    [("/api/files/upload?filename=c.bin", LONG_FRAME), ("/upload/c.bin", SHORT_FRAME)],
    ids=["long", "short"],
)
def test_chunks_have_their_content_range(make_app: MakeApp, sign_in: SignIn, path: str, frame: object) -> None:
    device = sign_in(make_app(), "alice")
    data = LONG_FRAME.format(0, b"hello") if frame is LONG_FRAME else SHORT_FRAME.format(0, b"hello")
    assert device.post(path, data=data, headers={"Content-Range": "bytes 0-4/5"}).status_code == 200


def test_a_response_that_is_no_415_for_a_coding_names_none(shared_device: Device) -> None:
    response = Tus(shared_device).post({"Content-Type": "text/plain"}, b"hello")
    assert (response.status_code, "Accept-Encoding" in response.headers) == (415, False)
