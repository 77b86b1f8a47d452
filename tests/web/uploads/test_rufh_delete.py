"""DELETE without `Tus-Resumable`: ending an upload in the words of the IETF draft."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.conftest import Clock, Device
from tests.web.conftest import signed_in
from tests.web.uploads.bench import ROOT, UNKNOWN, Draft, Tus, id_of, left_on, problem, receiving


@pytest.mark.parametrize("data", [b"", b"hel"], ids=["new", "begun"])
def test_an_unfinished_upload_is_freed(draft: Draft, data: bytes) -> None:
    before = left_on(draft.device)
    location = draft.begin(data, {"Upload-Length": "5"})
    response = draft.delete(location)
    assert (response.status_code, response.data, "Tus-Resumable" in response.headers) == (204, b"", False)
    assert left_on(draft.device) == before
    assert [problem(send(location))[0] for send in (draft.patch, draft.delete)] == [410, 410]


def test_a_finished_upload_is_forgotten_and_its_file_stays(draft: Draft) -> None:
    location = draft.finish()
    before = left_on(draft.device)
    assert draft.delete(location).status_code == 204
    assert (left_on(draft.device), draft.head(location).status_code) == (
        before._replace(uploads=before.uploads - 1),
        410,
    )
    assert draft.device.get(f"/api/files/{id_of(location)}/download").data == b"hello"


@pytest.mark.parametrize(
    ("version", "field", "status"),
    [
        *[(version, "Upload-Offset", 400) for version in (3, 5, 6)],
        (3, "Upload-Incomplete", 400),
        *[(version, "Upload-Complete", 400) for version in (5, 6)],
        (8, "Upload-Offset", 204),
        (8, "Upload-Complete", 204),
    ],
)
def test_a_delete_that_tells_the_state_is_refused_before_8(
    shared_device: Device, version: int, field: str, status: int
) -> None:
    draft = Draft(shared_device, version)
    location = draft.begin(b"hel")
    response = draft.delete(location, {field: "?0" if "omplete" in field else "3"})
    assert response.status_code == status
    assert draft.state(location) == (("3", False) if status == 400 else (None, None))


def gone(draft: Draft) -> str:
    location = draft.begin(b"hel")
    draft.delete(location)
    return location


@pytest.mark.parametrize(
    ("make", "who", "headers", "status"),
    [
        pytest.param(lambda _: UNKNOWN, "alice", {}, 404, id="unknown"),
        pytest.param(lambda _: f"{ROOT}/nonsense", "alice", {}, 404, id="no-id"),
        pytest.param(lambda draft: draft.begin(b"hel"), "bob", {}, 404, id="another-account's"),
        pytest.param(lambda draft: draft.begin(b"hel"), "root", {}, 404, id="as-an-administrator"),
        pytest.param(lambda draft: draft.finish(), "bob", {}, 404, id="another-account's-finished"),
        pytest.param(gone, "alice", {}, 410, id="gone"),
        pytest.param(gone, "bob", {}, 404, id="another-account's-gone"),
        pytest.param(lambda _: ROOT, "alice", {}, 405, id="the-collection"),
        pytest.param(lambda draft: draft.begin(), "alice", {"Upload-Draft-Interop-Version": "4"}, 400, id="version-4"),
        pytest.param(lambda draft: draft.begin(), "alice", {"Authorization": "Bearer nonsense"}, 401, id="bad-token"),
    ],
)
def test_a_refused_delete_ends_nothing(
    draft: Draft,
    shared_app: Flask,
    make: Callable[[Draft], str],
    who: str,
    headers: dict[str, str],
    status: int,
) -> None:
    location = make(draft)
    before = left_on(draft.device)
    asking = draft if who == "alice" else Draft(signed_in(shared_app, who), draft.version)
    response = asking.delete(location, headers)
    assert problem(response) == (status, "about:blank")
    assert left_on(draft.device) == before
    assert response.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)


def test_an_expired_upload_is_gone_already(device: Device, clock: Clock) -> None:
    draft = Draft(device)
    location = draft.begin(b"hel")
    clock.advance(hours=24)
    assert problem(draft.delete(location)) == (410, "about:blank")


def test_an_upload_that_another_request_holds_is_ended_at_once(draft: Draft) -> None:
    location = draft.begin(b"hel")
    with receiving(draft.device, location, 3):
        response = draft.delete(location)
    assert (response.status_code, draft.head(location).status_code) == (204, 410)


def test_an_upload_of_tus_can_be_ended_too(draft: Draft) -> None:
    location = Tus(draft.device).begin(None, b"hel")
    assert draft.delete(location).status_code == 204
    assert Tus(draft.device).head(location).status_code == 404
