"""`GET /api/uploads` and `GET /api/uploads/{id}`: what is unfinished, whichever door it came through."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Clock, Device, frame
from tests.web.conftest import signed_in
from tests.web.uploads.bench import PLAIN_TEXT, ROOT, TUS, UNKNOWN, Draft, Tus, id_of, metadata, problem
from transfer_service.wire.instants import format_instant

PARTIAL = {"Upload-Concat": "partial"}


def listed(device: Device, **query: Any) -> list[dict[str, Any]]:
    """The uploads of one page."""
    uploads: list[dict[str, Any]] = device.get(ROOT, query_string=query).get_json()["uploads"]
    return uploads


def by_tus(device: Device) -> str:
    return str(id_of(Tus(device).begin(metadata(filename="log.bin"), b"hel")))


def by_the_draft(device: Device) -> str:
    return str(id_of(Draft(device).begin(b"hel", {"Content-Disposition": "a; filename=log.bin", "Upload-Length": "5"})))


def by_long_chunks(device: Device) -> str:
    return str(device.send(frame(0, b"hel"), query={"total_size": "5"}).get_json()["file_id"])


def by_short_chunks(device: Device) -> str:
    assert device.send_range("log.bin", 0, b"hel", 5).status_code == 200
    return str(device.status()["file_id"])


@pytest.mark.parametrize(
    ("begin", "protocol"),
    [
        pytest.param(by_tus, "tus", id="tus"),
        pytest.param(by_the_draft, "ietf", id="draft"),
        pytest.param(by_long_chunks, "chunks", id="17-byte-chunks"),
        pytest.param(by_short_chunks, "chunks", id="12-byte-chunks"),
    ],
)
def test_an_unfinished_upload_is_listed_whichever_door_it_came_through(
    device: Device, clock: Clock, begin: Callable[[Device], str], protocol: str
) -> None:
    expected = {
        "upload_id": begin(device),
        "filename": "log.bin",
        "status": "partial",
        "offset": 3,
        "length": 5,
        "expires_at": format_instant(clock.at + timedelta(hours=24)),
        "file_id": None,
        "protocol": protocol,
    }
    response = device.get(ROOT)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    assert response.get_json() == {"uploads": [expected], "next_cursor": None}
    assert device.get(f"{ROOT}/{expected['upload_id']}").get_json() == expected


class Watched(io.BytesIO):
    """A body that looks at the service before its last bytes are read."""

    def __init__(self, data: bytes, look: Callable[[], Any]) -> None:
        super().__init__(data)
        self._look = look
        self.seen: Any = None

    def readinto(self, buffer: Any, /) -> int:
        if self.seen is None and self.tell():
            self.seen = self._look()
        return super().readinto(memoryview(buffer)[:3])


def test_a_whole_file_on_its_way_is_listed_and_never_expires(device: Device) -> None:
    body = Watched(b"hello", lambda: listed(device))
    environ = {"wsgi.input": body, "CONTENT_LENGTH": "5"}
    assert device.post("/api/files?filename=log.bin", environ_overrides=environ).status_code == 201
    (upload,) = body.seen
    assert (upload["filename"], upload["protocol"], upload["expires_at"]) == ("log.bin", "whole", None)
    assert listed(device) == []


@pytest.mark.parametrize(
    ("begin", "status", "offset", "length"),
    [
        pytest.param(lambda device: Tus(device).begin(), "pending", 0, 5, id="new"),
        pytest.param(lambda device: Draft(device).begin(), "pending", 0, None, id="new-of-the-draft"),
        pytest.param(lambda device: Draft(device).begin(b"hel"), "partial", 3, None, id="no-length-yet"),
        pytest.param(
            lambda device: Draft(device).begin(b"hel", {"Upload-Length": "3"}), "partial", 3, 3, id="not-yet-said-so"
        ),
        pytest.param(lambda device: Tus(device).begin(PARTIAL, b"hello"), "partial", 5, 5, id="whole-part"),
        pytest.param(
            lambda device: device.send(frame(3, b"lo"), query={"total_size": "5"}), "pending", 0, 5, id="behind-a-gap"
        ),
    ],
)
def test_the_state_of_an_upload_is_told(
    device: Device, begin: Callable[[Device], Any], status: str, offset: int, length: int | None
) -> None:
    begin(device)
    (upload,) = listed(device)
    assert (upload["status"], upload["offset"], upload["length"]) == (status, offset, length)


def test_a_finished_upload_is_not_listed_but_told_with_its_file(device: Device) -> None:
    location = Tus(device).begin(metadata(filename="log.bin"), b"hello")
    upload = device.get(location).get_json()
    assert (listed(device), upload["status"], upload["file_id"]) == ([], "complete", str(id_of(location)))
    assert (upload["offset"], upload["length"], upload["expires_at"]) == (5, 5, None)
    assert device.get(f"/api/files/{upload['file_id']}/download").data == b"hello"


def test_a_finished_upload_is_told_by_its_new_name(device: Device) -> None:
    device.store(b"old", "log.bin")
    location = Draft(device).finish(b"hello", {"Content-Disposition": "attachment; filename=log.bin"})
    assert device.get(location).get_json()["filename"] == "log (2).bin"
    assert set(device.names()) == {"log.bin", "log (2).bin"}


def test_an_upload_that_ended_is_not_listed(device: Device, clock: Clock) -> None:
    tus = Tus(device)
    cancelled, expired = tus.begin(), tus.begin(None, b"hel")
    tus.delete(cancelled)
    clock.advance(hours=24)
    assert listed(device) == []
    assert [problem(device.get(each)) for each in (cancelled, expired)] == [(410, "about:blank")] * 2


def test_pages_go_from_the_newest_to_the_oldest(device: Device, clock: Clock) -> None:
    made = []
    for _ in range(5):
        made.append(str(id_of(Tus(device).begin())))
        clock.advance(seconds=1)
    found: list[str] = []
    cursor = None
    for size in (2, 2, 1):
        page = device.get(ROOT, query_string={"limit": 2} | ({"cursor": cursor} if cursor else {})).get_json()
        found += [each["upload_id"] for each in page["uploads"]]
        cursor = page["next_cursor"]
        assert (len(page["uploads"]), cursor is None) == (size, size == 1)
    assert found == made[::-1]


@pytest.mark.parametrize(("limit", "count"), [(None, 3), ("1", 1), ("3", 3), ("1000", 3)])
def test_a_page_has_as_many_as_asked_for(device: Device, limit: str | None, count: int) -> None:
    for _ in range(3):
        Tus(device).begin()
    page = device.get(ROOT, query_string={} if limit is None else {"limit": limit}).get_json()
    assert (len(page["uploads"]), page["next_cursor"] is None) == (count, count == 3)


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"limit": "0"}, id="none"),
        pytest.param({"limit": "-1"}, id="negative"),
        pytest.param({"limit": "1001"}, id="too-many"),
        pytest.param({"limit": "ten"}, id="a-word"),
        pytest.param({"limit": ""}, id="empty"),
        pytest.param({"cursor": "nonsense"}, id="malformed-cursor"),
        pytest.param({"cursor": "!"}, id="cursor-no-base64"),
    ],
)
def test_a_malformed_question_is_400(shared_device: Device, query: dict[str, str]) -> None:
    response = shared_device.get(ROOT, query_string=query)
    assert problem(response) == (400, "about:blank")
    assert shared_device.get(ROOT).status_code == 200


def test_everybody_sees_their_own(device: Device, other_device: Device, admin: Device) -> None:
    Tus(device).begin()
    theirs = Tus(other_device).begin()
    assert [each["upload_id"] for each in listed(other_device)] == [str(id_of(theirs))]
    assert listed(admin) == []


@pytest.mark.parametrize("begin", [by_tus, by_the_draft, by_long_chunks, by_short_chunks])
@pytest.mark.parametrize("who", ["bob", "root"])
def test_another_account_s_upload_is_unknown(
    app: Flask, device: Device, begin: Callable[[Device], str], who: str
) -> None:
    upload_id = begin(device)
    assert problem(signed_in(app, who).get(f"{ROOT}/{upload_id}")) == (404, "about:blank")
    assert device.get(f"{ROOT}/{upload_id}").status_code == 200


@pytest.mark.parametrize("path", [UNKNOWN, f"{ROOT}/nonsense"])
def test_what_is_no_upload_is_404(shared_device: Device, path: str) -> None:
    assert problem(shared_device.get(path)) == (404, "about:blank")


@pytest.mark.parametrize("headers", [TUS, {"Upload-Draft-Interop-Version": "6"}, {}], ids=["tus", "draft", "nothing"])
def test_a_get_is_answered_in_json_whoever_asks(device: Device, headers: dict[str, str]) -> None:
    location = Tus(device).begin()
    responses = [device.get(path, headers=headers) for path in (location, ROOT)]
    assert [each.headers["Content-Type"] for each in responses] == ["application/json"] * 2
    assert responses[0].get_json() == responses[1].get_json()["uploads"][0]


@pytest.mark.parametrize("path", [ROOT, UNKNOWN])
@pytest.mark.parametrize(
    ("headers", "content_type"), [({}, "application/problem+json"), (TUS, PLAIN_TEXT)], ids=["draft", "tus"]
)
def test_nobody_sees_anything(shared_app: Flask, path: str, headers: dict[str, str], content_type: str) -> None:
    response = shared_app.test_client().get(path, headers=headers)
    assert (response.status_code, response.headers["Content-Type"]) == (401, content_type)
    assert response.headers["WWW-Authenticate"] == "Bearer"
