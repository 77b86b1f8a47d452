"""POST with `Tus-Resumable`: creating an upload, with or without its first bytes."""

import re
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Clock, Device
from tests.web.conftest import MakeApp, SignIn
from tests.web.uploads.bench import ROOT, TUS, TUS_BYTES, Headers, Tus, b64, id_of, left_on, metadata, tus_refusal
from transfer_service.wire.conditions import format_http_date

TOO_LONG = str(10 * 1024**3 + 1)


def test_the_answer_says_where_and_until_when(device: Device, clock: Clock) -> None:
    response = Tus(device).post()
    assert (response.status_code, response.data, response.headers["Tus-Resumable"]) == (201, b"", "1.0.0")
    assert re.fullmatch(rf"http://localhost{ROOT}/[0-9a-f-]{{36}}", response.headers["Location"])
    assert response.headers["Upload-Expires"] == format_http_date(clock.at + timedelta(hours=24))
    assert not {"Upload-Offset", "X-File-Id"} & set(response.headers.keys())


@pytest.mark.parametrize(
    ("headers", "data", "offset"),
    [
        pytest.param({"Upload-Length": "5"}, None, "0", id="nothing-yet"),
        pytest.param({"Upload-Length": " 5\t"}, None, "0", id="blanks"),
        pytest.param({"Upload-Length": "005"}, None, "0", id="leading-zeros"),
        pytest.param({"Upload-Length": "5"}, b"hel", "3", id="first-bytes"),
        pytest.param({"Upload-Length": "5", "Content-Type": f"{TUS_BYTES}; v=1"}, b"hel", "3", id="type-parameter"),
        pytest.param({"Upload-Length": "5", "Content-Type": TUS_BYTES.upper()}, b"hel", "3", id="type-in-capitals"),
        pytest.param({"Upload-Length": "5"}, b"", "0", id="a-type-but-no-bytes"),
        pytest.param({"Upload-Length": "5", "Content-Type": "text/plain"}, b"", "0", id="no-bytes-of-any-type"),
        pytest.param({"Upload-Length": None, "Upload-Defer-Length": "1"}, None, "0", id="length-later"),
        pytest.param({"Upload-Length": None, "Upload-Defer-Length": "1"}, b"hel", "3", id="first-bytes-length-later"),
        pytest.param({"Upload-Concat": "partial"}, b"hel", "3", id="partial"),
    ],
)
def test_an_upload_begins_with_the_bytes_that_came_along(
    tus: Tus, headers: Headers, data: bytes | None, offset: str
) -> None:
    response = tus.post(headers, data)
    assert (response.status_code, response.headers.get("Upload-Offset", "0")) == (201, offset)
    assert ("Upload-Offset" in response.headers) is bool(data)
    assert tus.offset(response.headers["Location"]) == offset


@pytest.mark.parametrize(("length", "data"), [("0", None), ("0", b""), ("5", b"hello")], ids=["zero", "empty", "whole"])
def test_an_upload_that_is_whole_is_a_file_at_once(tus: Tus, length: str, data: bytes | None) -> None:
    response = tus.post({"Upload-Length": length, **metadata(filename="photo ü.jpg")}, data)
    assert response.headers["X-File-Id"] == str(id_of(response.headers["Location"]))
    assert re.fullmatch(r"photo%20%C3%BC(%20%28\d%29)?\.jpg", response.headers["X-File-Name"])
    assert "Upload-Expires" not in response.headers
    assert tus.device.get(f"/api/files/{response.headers['X-File-Id']}/download").data == (data or b"")


def test_a_chunked_body_comes_along_too(tus: Tus) -> None:
    chunked = {"Transfer-Encoding": "chunked", "Upload-Length": "5", "Content-Type": TUS_BYTES}
    over = {"environ_overrides": {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}}
    response = tus.post(chunked, b"hel", **over)
    assert (response.status_code, response.headers.get("Upload-Offset")) == (201, "3")
    assert tus.offset(response.headers["Location"]) == "3"


DEFERRED = {"Upload-Length": None, "Upload-Defer-Length": "1"}


@pytest.mark.parametrize(
    ("headers", "data", "status", "reason"),
    [
        pytest.param({"Tus-Resumable": "0.2.2"}, None, 412, "Only version 1.0.0", id="older-version"),
        pytest.param({"Tus-Resumable": "1.0"}, None, 412, "Only version 1.0.0", id="shorter-version"),
        pytest.param({"Tus-Resumable": ""}, None, 412, "Only version 1.0.0", id="empty-version"),
        pytest.param({"Upload-Length": None}, None, 400, "Either Upload-Length", id="no-length"),
        pytest.param({"Upload-Defer-Length": "1"}, None, 400, "Either Upload-Length", id="both-lengths"),
        pytest.param({"Upload-Length": "-1"}, None, 400, "Upload-Length must", id="negative"),
        pytest.param({"Upload-Length": "+5"}, None, 400, "Upload-Length must", id="plus"),
        pytest.param({"Upload-Length": "5.0"}, None, 400, "Upload-Length must", id="fraction"),
        pytest.param({"Upload-Length": "0x5"}, None, 400, "Upload-Length must", id="hexadecimal"),
        pytest.param({"Upload-Length": "5 5"}, None, 400, "Upload-Length must", id="two-numbers"),
        pytest.param({"Upload-Length": "five"}, None, 400, "Upload-Length must", id="word"),
        pytest.param({"Upload-Length": ""}, None, 400, "Upload-Length must", id="empty-length"),
        pytest.param({"Upload-Length": "\u0665".encode().decode("latin-1")}, None, 400, "Upload-Length", id="arabic"),
        pytest.param({**DEFERRED, "Upload-Defer-Length": "0"}, None, 400, "Upload-Defer-Length must be 1", id="not-1"),
        pytest.param({**DEFERRED, "Upload-Defer-Length": "true"}, None, 400, "Upload-Defer-Length", id="true"),
        pytest.param({"Upload-Length": TOO_LONG}, None, 413, "maximum size", id="past-the-limit"),
        pytest.param({"Upload-Length": "9" * 40}, None, 413, "maximum size", id="forty-digits"),
        pytest.param({"Upload-Length": "3"}, b"hello", 413, "", id="more-bytes-than-the-length"),
        pytest.param({"Upload-Length": "0"}, b"hello", 413, "", id="bytes-for-an-empty-file"),
        pytest.param({"Content-Type": None}, b"hel", 415, "Content-Type must be", id="no-type"),
        pytest.param({"Content-Type": "application/octet-stream"}, b"hel", 415, "Content-Type must be", id="octets"),
        pytest.param({"Content-Type": "application/partial-upload"}, b"hel", 415, "Content-Type must be", id="draft's"),
        pytest.param({"Upload-Metadata": "filename !!"}, None, 400, "not Base64", id="metadata-no-base64"),
        pytest.param({"Upload-Metadata": "filename YQ"}, None, 400, "not Base64", id="metadata-no-padding"),
        pytest.param({"Upload-Metadata": "a YQ==,a YQ=="}, None, 400, "a key twice", id="metadata-twice"),
        pytest.param({"Upload-Metadata": "a YQ==,"}, None, 400, "malformed key", id="metadata-empty-key"),
        pytest.param({"Upload-Metadata": "a YQ== b"}, None, 400, "not Base64", id="metadata-three-words"),
        pytest.param({"Upload-Metadata": f"filename {b64(b'%c' % 255)}"}, None, 400, "UTF-8", id="name-no-utf-8"),
        pytest.param(metadata(filename="a/"), None, 400, "", id="name-with-a-slash-behind"),
        pytest.param(metadata(filename="a\\b"), None, 400, "", id="name-with-a-backslash"),
        pytest.param(metadata(filename=".."), None, 400, "", id="name-of-dots"),
        pytest.param(metadata(filename=""), None, 400, "", id="empty-name"),
        pytest.param(metadata(filename="a\r\nX-Evil: 1"), None, 400, "", id="name-with-a-line-break"),
        pytest.param(metadata(filename="a\u202eb"), None, 400, "", id="name-with-a-bidi-control"),
        pytest.param(metadata(filename="a" * 256), None, 400, "", id="name-too-long"),
        pytest.param({"Upload-Checksum": "md5 YQ=="}, b"hel", 400, "algorithm of Upload-Checksum", id="checksum-md5"),
        pytest.param({"Upload-Checksum": "sha1 YQ=="}, b"hel", 400, "20 bytes", id="checksum-too-short"),
        pytest.param({"Upload-Checksum": f"sha1 {b64(b'x' * 20)}"}, b"hel", 460, "Checksum mismatch", id="checksum"),
        pytest.param({"Upload-Concat": "whole"}, None, 400, "Upload-Concat must be", id="concat-nonsense"),
        pytest.param({"Upload-Concat": ""}, None, 400, "Upload-Concat must be", id="concat-empty"),
        pytest.param({"Upload-Concat": "Partial"}, None, 400, "Upload-Concat must be", id="concat-in-capitals"),
    ],
)
def test_a_refused_creation_leaves_nothing(
    tus: Tus, headers: Headers, data: bytes | None, status: int, reason: str
) -> None:
    before = left_on(tus.device)
    response = tus.post(headers, data)
    told, text = tus_refusal(response)
    assert (told, reason in text) == (status, True), text
    assert left_on(tus.device) == before
    assert response.headers.get("Tus-Version") == ("1.0.0" if status == 412 else None)
    assert response.headers.get("Accept-Patch") == (TUS_BYTES if status == 415 else None)


def test_a_creation_without_a_token_is_401_in_the_words_of_tus(tus: Tus) -> None:
    before = left_on(tus.device)
    response = tus.post({"Authorization": "Bearer nonsense"}, b"hello")
    assert tus_refusal(response) == (401, "Could not validate credentials")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert left_on(tus.device) == before


@pytest.mark.parametrize(
    ("headers", "data"),
    [
        pytest.param({"Upload-Length": "11"}, None, id="length"),
        pytest.param({"Upload-Length": "11"}, b"hello", id="length-and-bytes"),
        pytest.param(DEFERRED, b"hello world", id="bytes-of-no-length"),
    ],
)
def test_a_creation_over_the_quota_leaves_nothing(
    make_app: MakeApp, sign_in: SignIn, headers: Headers, data: bytes | None
) -> None:
    tus = Tus(sign_in(make_app(quota_bytes=10), "alice"))
    before = left_on(tus.device)
    assert tus_refusal(tus.post(headers, data)) == (413, "Storage quota exceeded")
    assert left_on(tus.device) == before
    assert tus.post({"Upload-Length": "10"}).status_code == 201


def test_a_length_is_reserved_until_the_upload_ends(make_app: MakeApp, sign_in: SignIn) -> None:
    tus = Tus(sign_in(make_app(quota_bytes=10), "alice"))
    location = tus.begin({"Upload-Length": "8"})
    assert tus_refusal(tus.post({"Upload-Length": "3"})) == (413, "Storage quota exceeded")
    tus.delete(location)
    assert tus.post({"Upload-Length": "3"}).status_code == 201


def test_first_bytes_cut_short_count(device: Device) -> None:
    response = Tus(device).post(data=b"hel", environ_overrides={"CONTENT_LENGTH": "5"})
    uploads = device.get(ROOT).get_json()["uploads"]
    assert tus_refusal(response) == (400, "The request body ended early")
    assert [(each["offset"], each["length"]) for each in uploads] == [(3, 5)]


@pytest.mark.parametrize(
    ("values", "name", "media_type"),
    [
        pytest.param({"filename": "a.png"}, "a.png", "image/png", id="type-by-the-extension"),
        pytest.param({"filename": "a", "filetype": "text/csv"}, "a", "text/csv", id="type-told"),
        pytest.param({"name": "a", "type": "text/csv"}, "a", "text/csv", id="as-uppy-says-it"),
        pytest.param({"filename": "文件.bin"}, "文件.bin", "application/octet-stream", id="chinese"),
        pytest.param({"filename": "e\u0301.bin"}, "é.bin", "application/octet-stream", id="decomposed"),
        pytest.param({"filename": "a", "filetype": "text/html\r\nX-A: 1"}, "a", "application/octet-stream", id="evil"),
    ],
)
def test_the_metadata_name_the_file_and_its_type(
    device: Device, values: dict[str, str], name: str, media_type: str
) -> None:
    location = Tus(device).begin(metadata(**values), b"hello")
    file = device.get(f"/api/files/{id_of(location)}/download")
    assert (device.names(), file.headers["Content-Type"]) == ([name], media_type)


def test_an_upload_without_a_name_is_called_by_its_id(device: Device) -> None:
    location = Tus(device).begin(None, b"hello")
    assert device.names() == [str(id_of(location))]


@pytest.mark.parametrize(
    ("more", "names"),
    [
        pytest.param({}, {"log.bin", "log (2).bin"}, id="numbered"),
        pytest.param({"overwrite": "true"}, {"log.bin"}, id="replaced"),
        pytest.param({"overwrite": "false"}, {"log.bin", "log (2).bin"}, id="told-not-to"),
    ],
)
def test_a_taken_name_is_numbered_or_replaced_when_the_upload_is_whole(
    device: Device, more: dict[str, Any], names: set[str]
) -> None:
    device.store(b"old")
    tus = Tus(device)
    location = tus.begin(filename="log.bin", **more)
    assert device.get("/api/files/download/log.bin").data == b"old"
    tus.patch(location)
    assert set(device.names()) == names
    assert device.get("/api/files/download/log.bin").data == (b"hello" if len(names) == 1 else b"old")


def test_the_query_may_ask_for_a_replacement_too(device: Device) -> None:
    device.store(b"old")
    headers = {**TUS, "Upload-Length": "5", "Content-Type": TUS_BYTES, **metadata(filename="log.bin")}
    assert device.post("/api/uploads?overwrite=true", headers=headers, data=b"hello").status_code == 201
    assert (device.names(), device.get("/download/log.bin").data) == (["log.bin"], b"hello")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Upload-Defer-Length": "1"}, id="deferred-length"),
        pytest.param({"Upload-Length": "5", **metadata(filename="a")}, id="metadata"),
        pytest.param({"Upload-Length": "5", "Upload-Concat": "partial"}, id="part"),
        pytest.param({"Upload-Length": "5", "Content-Type": TUS_BYTES}, id="type"),
        pytest.param({"Upload-Length": "5", "Upload-Checksum": "sha1 x"}, id="checksum"),
    ],
)
def test_what_can_only_be_tus_must_name_the_version(shared_device: Device, headers: dict[str, str]) -> None:
    before = left_on(shared_device)
    data = b"hello" if "Content-Type" in headers else None
    response = shared_device.post(ROOT, headers=headers, data=data)
    assert tus_refusal(response) == (412, "Only version 1.0.0 of tus is supported")
    assert response.headers["Tus-Version"] == "1.0.0"
    assert left_on(shared_device) == before


def test_an_append_that_can_only_be_tus_must_name_the_version(shared_device: Device) -> None:
    tus = Tus(shared_device)
    location = tus.begin()
    headers = {"Upload-Offset": "0", "Content-Type": TUS_BYTES}
    response = shared_device.request("PATCH", location, headers=headers, data=b"hello")
    assert (tus_refusal(response)[0], tus.offset(location)) == (412, "0")


@pytest.mark.parametrize("field", ["Upload-Complete", "Upload-Draft-Interop-Version"])
def test_words_of_tus_in_the_draft_are_no_tus(shared_device: Device, field: str) -> None:
    said = {"Upload-Complete": "?1", "Upload-Draft-Interop-Version": "5"}[field]
    headers = {field: said, **metadata(filename="both")}
    assert shared_device.post(ROOT, headers=headers, data=b"hello").status_code == 201
