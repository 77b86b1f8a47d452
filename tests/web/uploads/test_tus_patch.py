"""PATCH with `Tus-Resumable`: continuing an upload."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Clock, Device
from tests.web.conftest import MakeApp, SignIn, signed_in
from tests.web.uploads.bench import (
    ROOT,
    TUS_BYTES,
    UNKNOWN,
    Draft,
    Headers,
    Tus,
    id_of,
    left_on,
    receiving,
    tus_refusal,
)
from transfer_service.wire.conditions import format_http_date

DEFERRED = {"Upload-Length": None, "Upload-Defer-Length": "1"}


def test_an_append_is_answered_with_the_new_offset(device: Device, clock: Clock) -> None:
    tus = Tus(device)
    location = tus.begin()
    clock.advance(minutes=10)
    response = tus.patch(location, b"hel")
    assert (response.status_code, response.data, response.headers["Upload-Offset"]) == (204, b"", "3")
    assert response.headers["Upload-Expires"] == format_http_date(clock.at + timedelta(hours=24))
    assert (response.headers["Tus-Resumable"], tus.offset(location)) == ("1.0.0", "3")


def test_the_last_bytes_make_a_file(tus: Tus) -> None:
    location = tus.begin(None, b"hel", filename="whole.bin")
    response = tus.patch(location, b"lo", offset=3)
    file_id = response.headers["X-File-Id"]
    assert (response.status_code, response.headers["Upload-Offset"], file_id) == (204, "5", str(id_of(location)))
    assert (response.headers["X-File-Name"], "Upload-Expires" in response.headers) == ("whole.bin", False)
    assert tus.device.get(f"/api/files/{file_id}/download").data == b"hello"


def test_an_unfinished_upload_is_no_file_yet(tus: Tus) -> None:
    location = tus.begin(None, b"hel", filename="unfinished.bin")
    assert "unfinished.bin" not in tus.device.names()
    assert tus.device.get(f"/api/files/{id_of(location)}/download").status_code == 404


def test_many_small_appends_make_the_same_file(tus: Tus) -> None:
    data = bytes(range(64))
    location = tus.begin({"Upload-Length": "64"})
    statuses = [tus.patch(location, data[at : at + 1], offset=at).status_code for at in range(64)]
    assert (set(statuses), tus.offset(location)) == ({204}, "64")
    assert tus.device.get(f"/api/files/{id_of(location)}/download").data == data


@pytest.mark.parametrize(
    ("headers", "data", "offset"),
    [
        pytest.param({"Upload-Offset": " 3 "}, b"lo", "5", id="blanks"),
        pytest.param({"Upload-Offset": "0003"}, b"lo", "5", id="leading-zeros"),
        pytest.param({"Content-Type": f"{TUS_BYTES}; charset=x"}, b"lo", "5", id="type-parameter"),
        pytest.param({"Content-Type": TUS_BYTES.title()}, b"lo", "5", id="type-in-capitals"),
        pytest.param({"Upload-Length": "5"}, b"l", "4", id="the-length-again"),
        pytest.param({}, b"", "3", id="no-bytes"),
    ],
)
def test_an_append_in_other_words(tus: Tus, headers: Headers, data: bytes, offset: str) -> None:
    location = tus.begin(None, b"hel")
    response = tus.patch(location, data, headers, offset=3)
    assert (response.status_code, response.headers["Upload-Offset"]) == (204, offset)
    assert tus.offset(location) == offset


@pytest.mark.parametrize(
    ("headers", "data", "status", "reason"),
    [
        pytest.param({"Tus-Resumable": "0.2.2"}, b"lo", 412, "Only version 1.0.0", id="older-version"),
        pytest.param({"Tus-Resumable": ""}, b"lo", 412, "Only version 1.0.0", id="empty-version"),
        pytest.param({"Content-Type": None}, b"lo", 415, "Content-Type must be", id="no-type"),
        pytest.param({"Content-Type": "application/octet-stream"}, b"lo", 415, "Content-Type must be", id="octets"),
        pytest.param({"Content-Type": "application/partial-upload"}, b"lo", 415, "Content-Type must be", id="draft's"),
        pytest.param({"Content-Type": f"{TUS_BYTES}2"}, b"lo", 415, "Content-Type must be", id="longer-type"),
        pytest.param({"Upload-Offset": None}, b"lo", 400, "Upload-Offset is missing", id="no-offset"),
        pytest.param({"Upload-Offset": ""}, b"lo", 400, "Upload-Offset must", id="empty-offset"),
        pytest.param({"Upload-Offset": "-3"}, b"lo", 400, "Upload-Offset must", id="negative-offset"),
        pytest.param({"Upload-Offset": "3.0"}, b"lo", 400, "Upload-Offset must", id="fraction"),
        pytest.param({"Upload-Offset": "three"}, b"lo", 400, "Upload-Offset must", id="word"),
        pytest.param({"Upload-Offset": "0"}, b"hello", 409, "offset does not match", id="begins-before"),
        pytest.param({"Upload-Offset": "2"}, b"lo", 409, "offset does not match", id="begins-one-before"),
        pytest.param({"Upload-Offset": "4"}, b"o", 409, "offset does not match", id="begins-behind"),
        pytest.param({"Upload-Offset": "9" * 30}, b"o", 409, "offset does not match", id="thirty-digits"),
        pytest.param({"Upload-Offset": "4"}, b"", 409, "offset does not match", id="no-bytes-from-elsewhere"),
        pytest.param({}, b"lo!", 413, "", id="past-the-length"),
        pytest.param({"Upload-Length": "6"}, b"lo", 400, "length does not match", id="longer-length"),
        pytest.param({"Upload-Length": "3"}, b"", 400, "length does not match", id="shorter-length"),
        pytest.param({"Upload-Length": "-5"}, b"lo", 400, "Upload-Length must", id="negative-length"),
        pytest.param({"Upload-Checksum": "sha1"}, b"lo", 400, "20 bytes", id="checksum-of-nothing"),
        pytest.param({"Authorization": "Bearer nonsense"}, b"lo", 401, "Could not validate", id="bad-token"),
    ],
)
def test_a_refused_append_stores_nothing(tus: Tus, headers: Headers, data: bytes, status: int, reason: str) -> None:
    location = tus.begin(None, b"hel")
    before = left_on(tus.device)
    response = tus.patch(location, data, headers, offset=3)
    told, text = tus_refusal(response)
    assert (told, reason in text) == (status, True), text
    assert (left_on(tus.device), tus.offset(location)) == (before, "3")
    assert response.headers.get("Upload-Offset") == ("3" if status == 409 else None)
    assert response.headers.get("Tus-Version") == ("1.0.0" if status == 412 else None)
    assert response.headers.get("Accept-Patch") == (TUS_BYTES if status == 415 else None)
    assert response.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)


@pytest.mark.parametrize(
    ("headers", "data", "status", "reason"),
    [
        pytest.param({"Upload-Length": "2"}, b"lo", 413, "", id="shorter-than-what-is-there"),
        pytest.param({"Upload-Length": "4"}, b"lo", 413, "", id="shorter-than-what-comes"),
        pytest.param({"Upload-Length": str(10 * 1024**3 + 1)}, b"lo", 413, "maximum size", id="past-the-limit"),
        pytest.param({"Upload-Length": "x"}, b"lo", 400, "Upload-Length must", id="no-number"),
    ],
)
def test_a_length_that_comes_late_must_hold(tus: Tus, headers: Headers, data: bytes, status: int, reason: str) -> None:
    location = tus.begin(DEFERRED, b"hel")
    before = left_on(tus.device)
    told, text = tus_refusal(tus.patch(location, data, headers, offset=3))
    assert (told, reason in text) == (status, True), text
    assert (left_on(tus.device), tus.head(location).headers["Upload-Defer-Length"]) == (before, "1")


def test_a_length_comes_with_an_append_and_stays(tus: Tus) -> None:
    location = tus.begin(DEFERRED, b"hel")
    assert tus.patch(location, b"", {"Upload-Length": "5"}, offset=3).status_code == 204
    headers = tus.head(location).headers
    assert (headers["Upload-Length"], "Upload-Defer-Length" in headers) == ("5", False)
    assert tus.patch(location, b"lo", {"Upload-Length": "6"}, offset=3).status_code == 400


@pytest.mark.parametrize("data", [b"", b"lo"], ids=["no-bytes", "the-last-bytes"])
def test_an_upload_ends_with_the_append_that_tells_its_length(tus: Tus, data: bytes) -> None:
    location = tus.begin(DEFERRED, b"hel")
    response = tus.patch(location, data, {"Upload-Length": str(3 + len(data))}, offset=3)
    assert (response.status_code, response.headers["X-File-Id"]) == (204, str(id_of(location)))
    assert tus.head(location).headers["Upload-Length"] == str(3 + len(data))


@pytest.mark.parametrize(
    ("data", "offset", "status", "told"),
    [
        pytest.param(b"", 5, 204, "5", id="nothing-at-the-end"),
        pytest.param(b"lo", 3, 409, "5", id="the-last-append-again"),
        pytest.param(b"", 3, 409, "5", id="nothing-from-before"),
        pytest.param(b"!", 5, 413, None, id="more"),
    ],
)
def test_a_finished_upload_stays_as_it_is(tus: Tus, data: bytes, offset: int, status: int, told: str | None) -> None:
    location = tus.begin(None, b"hello")
    before = left_on(tus.device)
    response = tus.patch(location, data, offset=offset)
    assert (response.status_code, response.headers.get("Upload-Offset")) == (status, told)
    assert (left_on(tus.device), tus.offset(location)) == (before, "5")


def gone(tus: Tus) -> str:
    location = tus.begin(None, b"hel")
    tus.delete(location)
    return location


@pytest.mark.parametrize(
    ("make", "who", "status"),
    [
        pytest.param(lambda _: UNKNOWN, "alice", 404, id="unknown"),
        pytest.param(lambda _: f"{ROOT}/nonsense", "alice", 404, id="no-id"),
        pytest.param(lambda tus: tus.begin(), "bob", 404, id="another-account's"),
        pytest.param(lambda tus: tus.begin(), "root", 404, id="an-administrator's-view"),
        pytest.param(gone, "alice", 410, id="gone"),
        pytest.param(gone, "bob", 404, id="another-account's-gone"),
    ],
)
def test_what_is_not_there_takes_nothing(
    tus: Tus, shared_app: Flask, make: Callable[[Tus], str], who: str, status: int
) -> None:
    location = make(tus)
    before = left_on(tus.device)
    asking = tus if who == "alice" else Tus(signed_in(shared_app, who))
    response = asking.patch(location)
    assert (tus_refusal(response)[0], "Upload-Offset" in response.headers) == (status, False)
    assert left_on(tus.device) == before


def test_an_expired_upload_takes_nothing(device: Device, clock: Clock) -> None:
    tus = Tus(device)
    location = tus.begin(None, b"hel")
    clock.advance(hours=24)
    before = left_on(device)
    assert tus_refusal(tus.patch(location, b"lo", offset=3)) == (410, "The upload has ended")
    assert left_on(device) == before


def test_the_collection_cannot_be_patched(tus: Tus) -> None:
    response = tus.patch(ROOT)
    assert tus_refusal(response) == (405, "Method not allowed")
    assert "POST" in response.headers["Allow"]


def test_an_upload_that_another_request_holds_is_locked(tus: Tus) -> None:
    location = tus.begin(None, b"hel")
    with receiving(tus.device, location, 3):
        response = tus.patch(location, b"lo", offset=3)
    assert (tus_refusal(response)[0], int(response.headers["Retry-After"])) == (423, 1)
    assert tus.offset(location) == "3"
    assert tus.patch(location, b"lo", offset=3).status_code == 204


def test_a_body_cut_short_keeps_what_arrived(tus: Tus) -> None:
    location = tus.begin()
    response = tus.patch(location, b"hel", environ_overrides={"CONTENT_LENGTH": "5"})
    assert tus_refusal(response) == (400, "The request body ended early")
    assert tus.offset(location) == "3"
    assert tus.patch(location, b"lo", offset=3).headers["X-File-Id"] == str(id_of(location))


CHUNKED: dict[str, Any] = {"environ_overrides": {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}}


def test_a_chunked_body_needs_no_length(tus: Tus) -> None:
    location = tus.begin()
    response = tus.patch(location, b"hello", {"Transfer-Encoding": "chunked"}, **CHUNKED)
    assert (response.status_code, response.headers["Upload-Offset"]) == (204, "5")
    assert tus.device.get(f"/api/files/{id_of(location)}/download").data == b"hello"


def test_a_chunked_body_past_the_length_is_413_and_never_a_longer_file(tus: Tus) -> None:
    location = tus.begin()
    response = tus.patch(location, b"hello world", {"Transfer-Encoding": "chunked"}, **CHUNKED)
    assert tus_refusal(response)[0] == 413
    assert int(tus.offset(location) or "0") <= 5


def test_an_append_over_the_quota_can_be_made_again(make_app: MakeApp, sign_in: SignIn) -> None:
    tus = Tus(sign_in(make_app(quota_bytes=10), "alice"))
    other, location = tus.begin({"Upload-Length": "4"}), tus.begin(DEFERRED, b"hello")
    assert tus_refusal(tus.patch(location, b" world", offset=5)) == (413, "Storage quota exceeded")
    assert tus.offset(location) == "5"
    tus.delete(other)
    assert tus.patch(location, b"world", offset=5).status_code == 204


def test_an_upload_of_the_draft_that_goes_on_in_tus_is_finished_by_its_last_byte(device: Device) -> None:
    location = Draft(device).begin(b"he", {"Upload-Length": "5"})
    response = Tus(device).patch(location, b"llo", offset=2)
    assert (response.status_code, response.headers.get("X-File-Id")) == (204, str(id_of(location)))
    assert Draft(device).state(location) == ("5", True)


def test_a_refused_append_does_not_tell_the_length(device: Device) -> None:
    tus = Tus(device)
    location = tus.begin({"Upload-Length": None, "Upload-Defer-Length": "1"})
    response = tus.patch(location, b"hello", {"Upload-Length": "0"})
    assert tus_refusal(response)[0] == 413
    assert (tus.head(location).headers.get("Upload-Defer-Length"), tus.offset(location)) == ("1", "0")
