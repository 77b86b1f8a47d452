"""HEAD with `Tus-Resumable`: how far an upload got."""

import time
from datetime import timedelta

import pytest
from flask import Flask

from tests.conftest import Clock, Device
from tests.web.conftest import signed_in
from tests.web.uploads.bench import ROOT, UNKNOWN, Tus, id_of, left_on, metadata, receiving
from transfer_service.services.uploads.lookup import TAKE_OVER_SECONDS
from transfer_service.wire.conditions import format_http_date

DEFERRED = {"Upload-Length": None, "Upload-Defer-Length": "1"}
STATE = {"Upload-Offset", "Upload-Length", "Upload-Defer-Length", "Upload-Metadata", "Upload-Concat", "Upload-Expires"}


@pytest.mark.parametrize(
    ("headers", "data", "expected"),
    [
        pytest.param({}, None, {"Upload-Offset": "0", "Upload-Length": "5"}, id="new"),
        pytest.param({}, b"hel", {"Upload-Offset": "3", "Upload-Length": "5"}, id="begun"),
        pytest.param({}, b"hello", {"Upload-Offset": "5", "Upload-Length": "5"}, id="finished"),
        pytest.param({"Upload-Length": "0"}, None, {"Upload-Offset": "0", "Upload-Length": "0"}, id="finished-empty"),
        pytest.param(DEFERRED, b"hel", {"Upload-Offset": "3", "Upload-Defer-Length": "1"}, id="no-length-yet"),
        pytest.param(
            {"Upload-Concat": "partial"},
            b"hello",
            {"Upload-Offset": "5", "Upload-Length": "5", "Upload-Concat": "partial"},
            id="whole-part",
        ),
        pytest.param(
            {"Upload-Metadata": "filename YS5iaW4=,is_confidential,x-y "},
            None,
            {
                "Upload-Offset": "0",
                "Upload-Length": "5",
                "Upload-Metadata": "filename YS5iaW4=,is_confidential,x-y",
            },
            id="metadata-as-they-came",
        ),
    ],
)
def test_the_answer_has_everything_that_is_known(
    tus: Tus, headers: dict[str, str | None], data: bytes | None, expected: dict[str, str]
) -> None:
    response = tus.head(tus.begin(headers, data))
    told = {name: value for name, value in response.headers if name in STATE - {"Upload-Expires"}}
    assert (response.status_code, response.data, told) == (200, b"", expected)
    assert (response.headers["Cache-Control"], response.headers["Tus-Resumable"]) == ("no-store", "1.0.0")


def test_only_an_unfinished_upload_expires(device: Device, clock: Clock) -> None:
    tus = Tus(device)
    location = tus.begin()
    expires = format_http_date(clock.at + timedelta(hours=24))
    assert tus.head(location).headers["Upload-Expires"] == expires
    tus.patch(location)
    assert "Upload-Expires" not in tus.head(location).headers


def test_a_finished_upload_names_its_file(device: Device) -> None:
    tus = Tus(device)
    location = tus.begin(metadata(filename="文件 100%.bin"), b"hello")
    headers = tus.head(location).headers
    assert headers["X-File-Id"] == str(id_of(location))
    assert headers["X-File-Name"] == "%E6%96%87%E4%BB%B6%20100%25.bin"
    assert device.get(f"/api/files/{headers['X-File-Id']}/download").data == b"hello"


def test_a_trailing_slash_and_capitals_name_the_same_upload(tus: Tus) -> None:
    location = tus.begin(None, b"hel")
    spellings = [f"{location}/", ROOT + location.removeprefix(ROOT).upper()]
    assert [tus.offset(each) for each in spellings] == ["3", "3"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param(UNKNOWN, 404, id="unknown"),
        pytest.param(f"{ROOT}/nonsense", 404, id="no-id"),
        pytest.param(f"{ROOT}/%FF", 400, id="no-utf-8"),
        pytest.param(f"{UNKNOWN}/more", 404, id="longer-path"),
    ],
)
def test_what_is_no_upload_has_no_offset(tus: Tus, path: str, status: int) -> None:
    response = tus.head(path)
    assert (response.status_code, response.data, response.headers["Tus-Resumable"]) == (status, b"", "1.0.0")
    assert not STATE & set(response.headers.keys())


@pytest.mark.parametrize("data", [b"hel", b"hello"], ids=["unfinished", "finished"])
def test_another_account_s_upload_is_unknown(tus: Tus, shared_app: Flask, data: bytes) -> None:
    location = tus.begin(None, data)
    response = Tus(signed_in(shared_app, "bob")).head(location)
    assert (response.status_code, STATE & set(response.headers.keys())) == (404, set())
    assert "X-File-Id" not in response.headers


def test_an_administrator_is_another_account_too(tus: Tus, shared_app: Flask) -> None:
    location = tus.begin()
    assert Tus(signed_in(shared_app, "root")).head(location).status_code == 404


@pytest.mark.parametrize("data", [b"hel", b"hello"], ids=["unfinished", "finished"])
def test_a_deleted_upload_is_gone(tus: Tus, data: bytes) -> None:
    location = tus.begin(None, data)
    tus.delete(location)
    response = tus.head(location)
    assert (response.status_code, STATE & set(response.headers.keys())) == (404, set())


@pytest.mark.parametrize("swept", [False, True], ids=["not-yet-swept", "swept"])
def test_an_expired_upload_is_gone(device: Device, admin: Device, clock: Clock, swept: bool) -> None:
    tus = Tus(device)
    location = tus.begin(None, b"hel")
    clock.advance(hours=23, minutes=59)
    assert tus.offset(location) == "3"
    clock.advance(minutes=1)
    removed = admin_cleanup(admin) if swept else None
    assert (tus.head(location).status_code, tus.offset(location)) == (404, None)
    assert removed in {None, 200}


def admin_cleanup(admin: Device) -> int:
    """Sweep, with a token that has not expired."""
    return admin.post("/cleanup").status_code


@pytest.mark.parametrize("version", ["0.2.2", "1.0.1", "", "1.0.0, 0.2.2"])
def test_another_version_is_412(tus: Tus, version: str) -> None:
    location = tus.begin(None, b"hel")
    response = tus.head(location, {"Tus-Resumable": version})
    assert (response.status_code, response.headers["Tus-Version"]) == (412, "1.0.0")
    assert (response.headers["Tus-Resumable"], "Upload-Offset" in response.headers) == ("1.0.0", False)


@pytest.mark.parametrize("authorization", [None, "Bearer nonsense", "Basic YTpi"])
def test_nobody_learns_anything(tus: Tus, authorization: str | None) -> None:
    location = tus.begin(None, b"hel")
    headers = {"Tus-Resumable": "1.0.0"} | ({} if authorization is None else {"Authorization": authorization})
    response = tus.device.client.head(location, headers=headers)
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert not STATE & set(response.headers.keys())


def test_where_a_request_does_not_give_way_nothing_is_told(tus: Tus) -> None:
    location = tus.begin(None, b"hel")
    began_at = time.monotonic()
    with receiving(tus.device, location, 3):
        response = tus.head(location)
    assert (response.status_code, response.headers["Retry-After"]) == (423, "1")
    assert not STATE & set(response.headers.keys())
    # What is promised is 2 s; the wait is one of them, and the machine may have other things to do.
    assert time.monotonic() - began_at < 5 * TAKE_OVER_SECONDS
    assert TAKE_OVER_SECONDS < 2
    assert tus.offset(location) == "3"


def test_looking_changes_nothing(tus: Tus) -> None:
    location = tus.begin(None, b"hel")
    before = left_on(tus.device)
    assert [tus.offset(location) for _ in range(3)] == ["3"] * 3
    assert left_on(tus.device) == before


def test_an_upload_of_the_draft_can_be_looked_at_too(tus: Tus) -> None:
    created = tus.device.post(ROOT, data=b"hel", headers={"Upload-Complete": "?0", "Upload-Length": "5"})
    response = tus.head(created.headers["Location"])
    assert (response.status_code, response.headers["Upload-Offset"], response.headers["Upload-Length"]) == (
        200,
        "3",
        "5",
    )
