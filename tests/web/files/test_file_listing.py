"""Looking at what is stored, and deleting it: listing, status and `DELETE /api/files/NAME`."""

import uuid
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import Clock, Device, frame
from tests.web.conftest import blobs

FIELDS = {
    "filename", "file_id", "status", "bytes_received", "total_bytes", "next_expected_byte", "sha256", "total_inferred",
    "content_type", "created_at", "updated_at",
}  # fmt: skip


def test_the_status_of_an_unknown_file_is_pending(shared_device: Device) -> None:
    response = shared_device.get("/api/files/status/none.bin")
    assert (response.status_code, response.get_json()) == (
        200,
        {
            "filename": "none.bin",
            "file_id": None,
            "status": "pending",
            "bytes_received": 0,
            "total_bytes": None,
            "next_expected_byte": 0,
            "sha256": None,
            "total_inferred": False,
            "content_type": None,
            "created_at": None,
            "updated_at": None,
            "missing": [],
        },
    )


def test_the_status_tells_what_is_missing_inclusive(device: Device) -> None:
    device.send(frame(2, b"ab"), query={"total_size": 10})
    device.send(frame(6, b"cd"))
    status = device.status()
    assert status["missing"] == [{"start": 0, "end": 1}, {"start": 4, "end": 5}, {"start": 8, "end": 9}]
    assert set(status) == FIELDS | {"missing"}


def test_the_status_of_a_complete_file_misses_nothing(device: Device) -> None:
    stored = device.store(b"hello")
    assert device.status() == {**stored, "missing": []}


def test_only_the_first_hundred_gaps_are_told(device: Device) -> None:
    for number in range(120):
        device.send(frame(2 * number + 1, b"x"), query={"total_size": 1000})
    missing = device.status()["missing"]
    assert missing == [{"start": 2 * number, "end": 2 * number} for number in range(100)]


def test_the_list_holds_finished_and_unfinished_files_newest_first(device: Device, clock: Clock) -> None:
    device.store(b"hello", "first.bin")
    clock.advance(seconds=1)
    device.send(frame(0, b"x"), "second.bin", query={"total_size": 5})
    clock.advance(seconds=1)
    device.send(frame(0, b"y"), "third.bin")
    answer = device.get("/api/files").get_json()
    assert [(file["filename"], file["status"]) for file in answer["files"]] == [
        ("third.bin", "complete"),
        ("second.bin", "partial"),
        ("first.bin", "complete"),
    ]
    assert (set(answer["files"][1]), answer["next_cursor"]) == (FIELDS, None)


def test_the_list_says_the_same_as_the_status(device: Device) -> None:
    device.send(frame(2, b"ab"), query={"total_size": 10})
    listed = device.get("/api/files").get_json()["files"][0]
    assert {**listed, "missing": [{"start": 0, "end": 1}, {"start": 4, "end": 9}]} == device.status()


def test_the_list_shows_own_files_only(device: Device, other_device: Device) -> None:
    device.store(b"hello")
    response = other_device.get("/api/files")
    assert (response.status_code, response.get_json()) == (200, {"files": [], "next_cursor": None})
    assert device.names() == ["log.bin"]


def test_the_cursor_leads_through_every_file_once(device: Device, clock: Clock) -> None:
    for number in range(7):
        device.store(b"x", f"{number}.bin")
        clock.advance(seconds=number % 2)  # some are made in the same instant
    pages: list[list[str]] = []
    query: dict[str, str] = {"limit": "3"}
    while len(pages) < 9:
        answer = device.get("/api/files", query_string=query).get_json()
        pages.append([file["filename"] for file in answer["files"]])
        if answer["next_cursor"] is None:
            break
        query["cursor"] = answer["next_cursor"]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert sum(pages, []) == device.names()  # noqa: RUF017 - nine names


def test_a_cursor_holds_its_place_when_files_come_and_go(device: Device, clock: Clock) -> None:
    for number in range(4):
        device.store(b"x", f"{number}.bin")
        clock.advance(seconds=1)
    cursor = device.get("/api/files?limit=2").get_json()["next_cursor"]
    device.store(b"x", "new.bin")
    device.delete("/api/files/2.bin")
    rest = device.get("/api/files", query_string={"cursor": cursor}).get_json()["files"]
    assert [file["filename"] for file in rest] == ["1.bin", "0.bin"]


def test_an_unlimited_list_has_a_hundred_files(device: Device) -> None:
    for number in range(101):
        device.send(frame(0, b"x"), f"{number}.bin", query={"total_size": 2})
    answer = device.get("/api/files").get_json()
    assert (len(answer["files"]), answer["next_cursor"] is None) == (100, False)
    assert len(device.get("/api/files?limit=1000").get_json()["files"]) == 101


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        pytest.param("limit=0", "limit must be 1 to 1000", id="zero"),
        pytest.param("limit=1001", "limit must be 1 to 1000", id="over-a-thousand"),
        pytest.param("limit=-1", "Invalid limit", id="negative"),
        pytest.param("limit=ten", "Invalid limit", id="letters"),
        pytest.param("limit=", "Invalid limit", id="empty"),
        pytest.param("cursor=nonsense", "Invalid cursor", id="nonsense-cursor"),
        pytest.param("cursor=%00", "Invalid cursor", id="nul-cursor"),
        pytest.param("cursor=%C3%A9", "Invalid cursor", id="cursor-with-letters-beyond-ascii"),
        pytest.param("cursor=" + "f" * 32, "Invalid cursor", id="cursor-far-in-the-past"),
    ],
)
def test_a_bad_limit_or_cursor_is_400(shared_device: Device, query: str, detail: str) -> None:
    response = shared_device.get(f"/api/files?{query}")
    assert (response.status_code, response.get_json()) == (400, {"detail": detail})


@pytest.mark.parametrize("total", [pytest.param(5, id="finished"), pytest.param(9, id="unfinished")])
def test_a_deleted_file_or_upload_is_gone_with_its_bytes(device: Device, tmp_path: Path, total: int) -> None:
    device.send(frame(0, b"hello"), query={"total_size": total})
    response = device.delete("/api/files/log.bin")
    assert (response.status_code, response.get_json()) == (200, {"detail": "File log.bin deleted successfully"})
    assert (device.status()["status"], device.names()) == ("pending", [])
    assert blobs(tmp_path / "data") == []


def test_a_second_delete_is_404(device: Device) -> None:
    device.store(b"hello")
    device.delete("/api/files/log.bin")
    response = device.delete("/api/files/log.bin")
    assert (response.status_code, response.get_json()) == (404, {"detail": "File log.bin not found"})


def test_another_accounts_file_cannot_be_deleted(device: Device, other_device: Device) -> None:
    device.store(b"hello")
    response = other_device.delete("/api/files/log.bin")
    assert (response.status_code, response.get_json()) == (404, {"detail": "File log.bin not found"})
    assert device.names() == ["log.bin"]


def test_a_new_file_of_an_old_name_has_a_new_id(device: Device) -> None:
    old = device.store(b"hello")
    device.delete("/api/files/log.bin")
    new = device.store(b"hello")
    assert uuid.UUID(new["file_id"]) != uuid.UUID(old["file_id"])
    assert device.get(f"/api/files/{old['file_id']}/download").status_code == 404


@pytest.mark.parametrize(
    ("query", "inferred"),
    [pytest.param({}, True, id="no-total"), pytest.param({"total_size": 5}, False, id="total")],
)
def test_a_guessed_total_is_told(device: Device, query: dict[str, int], inferred: bool) -> None:
    sent = device.send(frame(0, b"hello"), query=query).get_json()
    assert (sent["status"], sent["total_bytes"], sent["total_inferred"]) == ("complete", 5, inferred)
    device.send(frame(0, b"hello"), query={"total_size": 5})
    assert device.status()["total_inferred"] is False


def test_a_total_that_nobody_guesses_is_not_inferred(device: Device) -> None:
    device.send_range("log.bin", 0, b"hello", "*")
    assert (device.status()["total_bytes"], device.status()["total_inferred"]) == (None, False)


def test_the_type_and_the_times_of_a_file_are_told(device: Device, clock: Clock) -> None:
    device.send(frame(0, b"x"), "a.webp", query={"total_size": 2})
    clock.advance(seconds=90)
    facts = device.send(frame(1, b"y"), "a.webp").get_json()
    created, updated = (datetime.fromisoformat(facts[field]) for field in ("created_at", "updated_at"))
    assert (facts["content_type"], updated - created) == ("image/webp", timedelta(seconds=90))
    assert facts["created_at"].endswith("Z")
