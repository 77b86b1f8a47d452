"""DELETE with `Tus-Resumable`: ending an upload."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.conftest import Clock, Device
from tests.web.conftest import MakeApp, SignIn, signed_in
from tests.web.uploads.bench import ROOT, UNKNOWN, Headers, Tus, id_of, left_on, receiving, tus_refusal


@pytest.mark.parametrize("data", [None, b"hel"], ids=["new", "begun"])
@pytest.mark.parametrize("headers", [{}, {"Upload-Concat": "partial"}], ids=["whole", "partial"])
def test_an_unfinished_upload_is_freed(tus: Tus, headers: Headers, data: bytes | None) -> None:
    before = left_on(tus.device)
    location = tus.begin(headers, data)
    response = tus.delete(location)
    assert (response.status_code, response.data, response.headers["Tus-Resumable"]) == (204, b"", "1.0.0")
    assert left_on(tus.device) == before
    assert [tus_refusal(send(location))[0] for send in (tus.patch, tus.delete)] == [410, 410]


def test_room_is_there_again_at_once(make_app: MakeApp, sign_in: SignIn) -> None:
    tus = Tus(sign_in(make_app(quota_bytes=5), "alice"))
    location = tus.begin(None, b"hel")
    assert tus.post().status_code == 413
    tus.delete(location)
    assert tus.post().status_code == 201


def test_a_finished_upload_is_forgotten_and_its_file_stays(tus: Tus) -> None:
    location = tus.begin(None, b"hello")
    before = left_on(tus.device)
    assert tus.delete(location).status_code == 204
    assert tus.head(location).status_code == 404
    assert left_on(tus.device) == before._replace(uploads=before.uploads - 1)
    assert tus.device.get(f"/api/files/{id_of(location)}/download").data == b"hello"


def test_an_upload_ends_with_its_file(tus: Tus) -> None:
    location = tus.begin(None, b"hello", filename="short-lived.bin")
    assert tus.device.delete("/api/files/short-lived.bin").status_code == 200
    assert tus_refusal(tus.delete(location)) == (410, "The upload has ended")
    assert tus.head(location).status_code == 404


def gone(tus: Tus) -> str:
    location = tus.begin(None, b"hel")
    tus.delete(location)
    return location


@pytest.mark.parametrize(
    ("make", "who", "headers", "status", "reason"),
    [
        pytest.param(lambda _: UNKNOWN, "alice", {}, 404, "Upload not found", id="unknown"),
        pytest.param(lambda _: f"{ROOT}/nonsense", "alice", {}, 404, "Upload not found", id="no-id"),
        pytest.param(lambda tus: tus.begin(), "bob", {}, 404, "Upload not found", id="another-account's"),
        pytest.param(lambda tus: tus.begin(), "root", {}, 404, "Upload not found", id="as-an-administrator"),
        pytest.param(gone, "alice", {}, 410, "The upload has ended", id="gone"),
        pytest.param(gone, "bob", {}, 404, "Upload not found", id="another-account's-gone"),
        pytest.param(
            lambda tus: tus.begin(), "alice", {"Tus-Resumable": "0.2.2"}, 412, "Only version 1.0.0", id="older-version"
        ),
        pytest.param(
            lambda tus: tus.begin(),
            "alice",
            {"Authorization": "Bearer nonsense"},
            401,
            "Could not validate credentials",
            id="bad-token",
        ),
        pytest.param(lambda _: ROOT, "alice", {}, 405, "Method not allowed", id="the-collection"),
    ],
)
def test_a_refused_delete_ends_nothing(
    tus: Tus,
    shared_app: Flask,
    make: Callable[[Tus], str],
    who: str,
    headers: Headers,
    status: int,
    reason: str,
) -> None:
    location = make(tus)
    before = left_on(tus.device)
    asking = tus if who == "alice" else Tus(signed_in(shared_app, who))
    response = asking.delete(location, headers)
    told, text = tus_refusal(response)
    assert (told, reason in text) == (status, True)
    assert left_on(tus.device) == before
    assert response.headers.get("Tus-Version") == ("1.0.0" if status == 412 else None)


def test_an_expired_upload_is_gone_already(device: Device, clock: Clock) -> None:
    tus = Tus(device)
    location = tus.begin(None, b"hel")
    clock.advance(hours=24)
    assert tus_refusal(tus.delete(location)) == (410, "The upload has ended")


def test_an_upload_that_another_request_holds_is_ended_at_once(tus: Tus) -> None:
    location = tus.begin(None, b"hel")
    with receiving(tus.device, location, 3):
        response = tus.delete(location)
    assert response.status_code == 204
    assert tus.head(location).status_code == 404
