"""Pages of every list that has them: `limit`, `cursor` and `next_cursor`."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Clock, Device, frame
from tests.remote_jobs import Jobs
from tests.web.conftest import SignIn
from transfer_service.bootstrap import Services
from transfer_service.models.games import DownloadState

LISTS = {
    "/api/files": "files",
    "/api/uploads": "uploads",
    "/conversations": "conversations",
    "/api/downloads": "downloads",
    "/auth/keys": "keys",
}


@pytest.fixture
def filled(services: Services, device: Device, clock: Clock) -> Device:
    """`alice`, with five of everything."""
    jobs = Jobs(services.database)
    for number in range(5):
        device.send(frame(0, b"x"), f"{number}.bin", query={"total_size": 9})
        services.accounts.create(f"person {number}", "correct horse")
        device.post("/conversations/create", json={"email": f"person {number}"})
        device.post("/auth/keys", json={"name": f"key {number}", "scopes": ["chat"]})
        jobs.change(jobs.add_job()[1], DownloadState.COMPLETED)
        clock.advance(seconds=number % 2)  # some at the same instant
    return device


def page(device: Device, path: str, **query: Any) -> tuple[list[Any], str | None]:
    answer = device.get(path, query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.get_json()[LISTS[path]], answer.get_json()["next_cursor"]


@pytest.mark.parametrize("path", LISTS)
def test_pages_together_are_the_whole(filled: Device, path: str) -> None:
    found, cursor = page(filled, path, limit=2)
    sizes = [len(found)]
    while cursor is not None:
        more, cursor = page(filled, path, limit=2, cursor=cursor)
        sizes.append(len(more))
        found += more
    assert sizes == [2, 2, 1]
    assert (found, None) == page(filled, path)


@pytest.mark.parametrize("path", LISTS)
def test_a_page_that_ends_with_the_list_has_no_next(filled: Device, path: str) -> None:
    assert page(filled, path, limit=5)[1] is None
    assert page(filled, path, limit=4)[1] is not None


@pytest.mark.parametrize("path", LISTS)
def test_a_cursor_counts_with_the_query_that_gave_it(filled: Device, app: Flask, sign_in: SignIn, path: str) -> None:
    cursor = page(filled, path, limit=2)[1]
    others = [(filled, other) for other in LISTS if other != path] + [(sign_in(app, "bob"), path)]
    answers = [device.get(other, query_string={"cursor": cursor}) for device, other in others]
    assert [answer.status_code for answer in answers] == [400] * len(LISTS)


def flipped(cursor: str, place: int) -> str:
    data = bytearray(base64.urlsafe_b64decode(cursor + "=="))
    data[place] ^= 1
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda _cursor: "", id="empty"),
        pytest.param(lambda cursor: cursor[:-1], id="cut"),
        pytest.param(lambda cursor: cursor[:10], id="cut-short"),
        pytest.param(lambda cursor: flipped(cursor, 0), id="other-code"),
        pytest.param(lambda cursor: flipped(cursor, -3), id="other-place"),
        pytest.param(lambda cursor: "\u0665" + cursor, id="beyond-ascii"),
    ],
)
def test_a_cursor_that_was_not_given_is_refused(filled: Device, change: Callable[[str], str]) -> None:
    cursor = page(filled, "/api/files", limit=2)[1]
    assert cursor is not None
    answer = filled.get("/api/files", query_string={"cursor": change(cursor)})
    assert (answer.status_code, answer.get_json()) == (400, {"detail": "Invalid cursor"})


@pytest.mark.parametrize("limit", ["0", "1001", "9" * 40])
@pytest.mark.parametrize("path", LISTS)
def test_a_limit_is_never_clamped(filled: Device, path: str, limit: str) -> None:
    answer = filled.get(path, query_string={"limit": limit})
    assert (answer.status_code, "limit must be 1 to 1000" in answer.text) == (400, True)


def test_active_downloads_come_first_on_every_page(services: Services, device: Device) -> None:
    jobs = Jobs(services.database)
    states = [DownloadState.COMPLETED, DownloadState.PENDING, DownloadState.COMPLETED, DownloadState.DOWNLOADING]
    for state in states:
        jobs.change(jobs.add_job()[1], state)
    found, cursor = page(device, "/api/downloads", limit=1)
    while cursor is not None:
        more, cursor = page(device, "/api/downloads", limit=1, cursor=cursor)
        found += more
    assert [each["status"] for each in found] == ["downloading", "pending", "completed", "completed"]
