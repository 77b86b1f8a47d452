"""Files by their UUID: `GET`, `PATCH` and `DELETE /api/files/{uuid}`, and where a UUID stands for a name."""

import uuid
from typing import Any

import pytest

from tests.conftest import Clock, Device, frame
from tests.web.chat.bench import refusal

UNKNOWN = str(uuid.UUID(int=0, version=4))
NOT_FOUND = (404, "File not found")


@pytest.fixture
def file_id(device: Device) -> str:
    """A file of `alice`, `log.bin`."""
    return str(device.store(b"hello")["file_id"])


def rename(device: Device, file_id: str, filename: Any) -> Any:
    return device.request("PATCH", f"/api/files/{file_id}", json={"filename": filename})


def test_a_file_is_shown_with_the_fields_of_its_status_and_what_is_seen_in_it(device: Device, file_id: str) -> None:
    answer = device.get(f"/api/files/{file_id}")
    seen = dict.fromkeys(["width", "height", "duration", "blurhash"])
    assert (answer.status_code, answer.get_json()) == (200, {**device.status(), **seen})


def test_an_unfinished_file_is_shown_with_its_gaps(device: Device) -> None:
    sent = device.send(frame(2, b"ab"), query={"total_size": 5}).get_json()
    assert device.get(f"/api/files/{sent['file_id']}").get_json()["missing"] == [
        {"start": 0, "end": 1},
        {"start": 4, "end": 4},
    ]


@pytest.mark.usefixtures("file_id")
@pytest.mark.parametrize("path", [UNKNOWN, "log.bin", UNKNOWN.replace("-", "")])
def test_what_is_no_id_of_a_file_is_404(device: Device, path: str) -> None:
    assert refusal(device.get(f"/api/files/{path}")) == NOT_FOUND
    assert refusal(rename(device, path, "new.bin")) == NOT_FOUND
    assert device.names() == ["log.bin"]


def test_another_accounts_file_is_404(device: Device, other_device: Device, file_id: str) -> None:
    assert refusal(other_device.get(f"/api/files/{file_id}")) == NOT_FOUND
    assert refusal(rename(other_device, file_id, "new.bin")) == NOT_FOUND
    assert refusal(other_device.delete(f"/api/files/{file_id}")) == (404, f"File {file_id} not found")
    assert other_device.status(file_id)["status"] == "pending"
    assert other_device.get(f"/api/files/download/{file_id}").status_code == 404
    assert device.names() == ["log.bin"]


def test_a_uuid_stands_for_a_name(device: Device, file_id: str) -> None:
    assert device.status(file_id) == device.status()
    assert device.get(f"/api/files/download/{file_id}").data == b"hello"
    assert device.get(f"/status/{file_id.upper()}").get_json()["received_bytes"] == 5
    answer = device.delete(f"/api/files/{file_id}")
    assert (answer.status_code, answer.get_json()) == (200, {"detail": f"File {file_id} deleted successfully"})
    assert device.names() == []


def test_a_file_of_that_very_name_goes_first(device: Device, file_id: str) -> None:
    named = device.store(b"other", file_id)
    assert device.status(file_id)["file_id"] == named["file_id"]
    assert device.get(f"/api/files/download/{file_id}").data == b"other"
    device.delete(f"/api/files/{file_id}")
    assert device.names() == ["log.bin"]


def test_an_unfinished_upload_is_cancelled_by_its_id(device: Device) -> None:
    sent = device.send(frame(0, b"ab"), query={"total_size": 5}).get_json()
    assert device.get(f"/api/files/download/{sent['file_id']}").status_code == 404
    assert (device.delete(f"/api/files/{sent['file_id']}").status_code, device.names()) == (200, [])


def test_a_file_is_renamed(device: Device, file_id: str, clock: Clock) -> None:
    before = device.status()
    clock.advance(seconds=5)
    answer = rename(device, file_id, "e\u0301.txt")
    changed = {"filename": "é.txt", "updated_at": answer.get_json()["updated_at"]}
    assert (answer.status_code, answer.get_json()) == (200, {**before, **changed})
    assert changed["updated_at"] > before["updated_at"]
    assert (device.names(), device.get("/download/é.txt").data) == (["é.txt"], b"hello")


def test_an_unfinished_file_is_renamed_and_goes_on_under_its_new_name(device: Device) -> None:
    sent = device.send(frame(0, b"ab"), query={"total_size": 4}).get_json()
    rename(device, sent["file_id"], "new.bin")
    assert device.send(frame(2, b"cd"), "new.bin").get_json()["status"] == "complete"


@pytest.mark.parametrize("total", [pytest.param(1, id="finished"), pytest.param(9, id="unfinished")])
def test_a_taken_name_is_409(device: Device, file_id: str, total: int) -> None:
    device.send(frame(0, b"x"), "taken.bin", query={"total_size": total})
    assert refusal(rename(device, file_id, "taken.bin")) == (409, "A file has this name")
    assert sorted(device.names()) == ["log.bin", "taken.bin"]


def test_its_own_name_is_free_for_a_file(device: Device, file_id: str) -> None:
    before = device.status()
    assert (rename(device, file_id, "log.bin").get_json(), device.status()) == (before, before)


def test_a_name_of_another_account_is_free(device: Device, other_device: Device, file_id: str) -> None:
    other_device.store(b"x", "theirs.bin")
    assert rename(device, file_id, "theirs.bin").status_code == 200


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        pytest.param({}, "filename must be a string", id="missing"),
        pytest.param({"filename": None}, "filename must be a string", id="null"),
        pytest.param({"filename": 5}, "filename must be a string", id="number"),
        pytest.param({"filename": ""}, "File name must have 1 to 255 bytes", id="empty"),
        pytest.param({"filename": "x" * 256}, "File name must have 1 to 255 bytes", id="long"),
        pytest.param(
            {"filename": "a/"}, "File name must not begin or end with a slash, or have two in a row", id="slash"
        ),
        pytest.param({"filename": "a\\b"}, "Invalid file name", id="backslash"),
        pytest.param({"filename": ".."}, "Invalid file name", id="dots"),
        pytest.param({"filename": "a\u202eb"}, "Invalid file name", id="bidirectional"),
        pytest.param({"filename": "\ud800"}, "File name is not valid UTF-8", id="surrogate"),
        pytest.param([], "Expected a JSON object", id="list"),
    ],
)
def test_a_bad_name_is_400(device: Device, file_id: str, body: Any, detail: str) -> None:
    assert refusal(device.request("PATCH", f"/api/files/{file_id}", json=body)) == (400, detail)
    assert device.names() == ["log.bin"]
