"""HEAD without `Tus-Resumable`: how far an upload got, in the words of the IETF draft."""

import re

import pytest
from flask import Flask

from tests.conftest import Clock, Device
from tests.web.conftest import signed_in
from tests.web.uploads.bench import ROOT, UNKNOWN, Draft, Headers, Tus, digest, id_of, left_on, receiving

STATE = {"Upload-Offset", "Upload-Length", "Upload-Complete", "Upload-Incomplete", "Upload-Limit", "X-File-Id"}


@pytest.mark.parametrize(
    ("headers", "data", "length"),
    [
        pytest.param({}, b"", None, id="new"),
        pytest.param({}, b"hel", None, id="begun"),
        pytest.param({"Upload-Length": "5"}, b"hel", "5", id="begun-with-a-length"),
        pytest.param({"Upload-Length": "3"}, b"hel", "3", id="every-byte-but-not-the-last-word"),
    ],
)
def test_an_unfinished_upload_is_told(draft: Draft, headers: Headers, data: bytes, length: str | None) -> None:
    response = draft.head(draft.begin(data, headers))
    assert (response.status_code, response.data, response.headers["Cache-Control"]) == (204, b"", "no-store")
    assert (response.headers["Upload-Offset"], draft.told(response)) == (str(len(data)), False)
    assert (response.headers.get("Upload-Length"), "X-File-Id" in response.headers) == (length, False)


def test_a_finished_upload_is_told_with_its_file(draft: Draft) -> None:
    location = draft.finish(b"hello", {"Content-Disposition": "attachment; filename*=UTF-8''a%20%E6%96%87"})
    headers = draft.head(location).headers
    assert (headers["Upload-Offset"], headers["Upload-Length"], draft.told(draft.head(location))) == ("5", "5", True)
    assert headers["X-File-Id"] == str(id_of(location))
    assert headers["Repr-Digest"] == digest(b"hello")
    assert re.fullmatch(r"a%20%E6%96%87(%20%28\d\d?%29)?", headers["X-File-Name"])


def test_only_the_field_of_its_version_is_in_an_answer(draft: Draft) -> None:
    fields = set(draft.head(draft.begin(b"hel")).headers.keys())
    assert fields & {"Upload-Complete", "Upload-Incomplete"} == {draft.completeness_field}
    assert ("Upload-Limit" in fields) is (draft.version >= 6)


@pytest.mark.parametrize("finished", [False, True], ids=["unfinished", "finished"])
def test_a_get_says_all_that_a_head_does(draft: Draft, finished: bool) -> None:
    location = draft.finish() if finished else draft.begin(b"hel", {"Upload-Length": "5"})
    looked, got = draft.head(location), draft.send("GET", location)
    fields = STATE | {"Cache-Control", "X-File-Name"}
    assert {name: got.headers.get(name) for name in fields} == {name: looked.headers.get(name) for name in fields}
    assert (got.status_code, got.get_json()["offset"]) == (200, 5 if finished else 3)


def test_without_a_version_it_is_8(shared_device: Device) -> None:
    location = Draft(shared_device, 3).begin(b"hel")
    response = shared_device.request("HEAD", location)
    assert (response.status_code, response.headers["Upload-Complete"]) == (204, "?0")
    assert "Upload-Draft-Interop-Version" not in response.headers


@pytest.mark.parametrize(
    ("version", "field", "status"),
    [
        *[(version, "Upload-Offset", 400) for version in (3, 5, 6)],
        (3, "Upload-Incomplete", 400),
        *[(version, "Upload-Complete", 400) for version in (5, 6)],
        (6, "Upload-Length", 400),
        *[(8, field, 204) for field in ("Upload-Offset", "Upload-Complete", "Upload-Length")],
    ],
)
def test_a_question_that_tells_the_state_is_refused_before_8(
    shared_device: Device, version: int, field: str, status: int
) -> None:
    draft = Draft(shared_device, version)
    location = draft.begin(b"hel")
    response = draft.head(location, {field: "?0" if "omplete" in field else "3"})
    assert (response.status_code, response.data) == (status, b"")
    assert (response.headers.get("Upload-Offset"), draft.state(location)) == (
        "3" if status == 204 else None,
        ("3", False),
    )


@pytest.mark.parametrize("version", ["4", "7", "9", "x", ""])
def test_another_version_is_400(shared_device: Device, version: str) -> None:
    draft = Draft(shared_device)
    response = draft.head(draft.begin(b"hel"), {"Upload-Draft-Interop-Version": version})
    assert (response.status_code, STATE & set(response.headers.keys())) == (400, set())


@pytest.mark.parametrize("path", [UNKNOWN, f"{ROOT}/nonsense"])
def test_what_is_no_upload_is_404(draft: Draft, path: str) -> None:
    response = draft.head(path)
    assert (response.status_code, response.headers["Content-Type"]) == (404, "application/problem+json")
    assert not STATE & set(response.headers.keys())


@pytest.mark.parametrize("who", ["bob", "root"])
@pytest.mark.parametrize("finished", [False, True], ids=["unfinished", "finished"])
def test_another_account_s_upload_is_unknown(draft: Draft, shared_app: Flask, who: str, finished: bool) -> None:
    location = draft.finish() if finished else draft.begin(b"hel")
    response = Draft(signed_in(shared_app, who), draft.version).head(location)
    assert (response.status_code, STATE & set(response.headers.keys())) == (404, set())


@pytest.mark.parametrize("finished", [False, True], ids=["unfinished", "finished"])
def test_a_deleted_upload_is_gone(draft: Draft, finished: bool) -> None:
    location = draft.finish() if finished else draft.begin(b"hel")
    draft.delete(location)
    response = draft.head(location)
    assert (response.status_code, STATE & set(response.headers.keys())) == (410, set())


def test_an_expired_upload_is_gone_and_a_finished_one_never(device: Device, clock: Clock) -> None:
    draft = Draft(device)
    unfinished, finished = draft.begin(b"hel"), draft.finish()
    clock.advance(hours=24)
    assert (draft.head(unfinished).status_code, draft.head(finished).status_code) == (410, 204)
    assert draft.state(unfinished) == (None, None)


def test_the_time_left_shrinks(device: Device, clock: Clock) -> None:
    draft = Draft(device)
    clock.advance(hours=-23)
    location = draft.begin(b"hel")
    clock.advance(hours=23)
    limits = draft.head(location).headers["Upload-Limit"]
    left = int(limits.rpartition("max-age=")[2])
    assert 3590 <= left <= 3600


@pytest.mark.parametrize("authorization", [None, "Bearer nonsense"])
def test_nobody_learns_anything(draft: Draft, authorization: str | None) -> None:
    location = draft.begin(b"hel")
    headers = {} if authorization is None else {"Authorization": authorization}
    response = draft.device.client.head(location, headers=headers)
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert not STATE & set(response.headers.keys())


def test_where_a_request_does_not_give_way_nothing_is_told(shared_device: Device) -> None:
    draft = Draft(shared_device)
    location = draft.begin(b"hel")
    with receiving(draft.device, location, 3):
        response = draft.head(location)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert not STATE & set(response.headers.keys())
    assert draft.state(location) == ("3", False)


def test_looking_changes_nothing(draft: Draft) -> None:
    location = draft.begin(b"hel")
    before = left_on(draft.device)
    assert [draft.state(location) for _ in range(3)] == [("3", False)] * 3
    assert left_on(draft.device) == before


def test_an_upload_of_tus_can_be_looked_at_too(draft: Draft) -> None:
    location = Tus(draft.device).begin(None, b"hel")
    response = draft.head(location)
    assert (draft.state(location), response.headers["Upload-Length"]) == (("3", False), "5")
