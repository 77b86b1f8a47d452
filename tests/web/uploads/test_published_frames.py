"""The published frames at their doors: the good ones are stored, the bad ones refused in the published words."""

from typing import Any

import pytest

from tests.conftest import Device
from tests.vectors import frames


def send_short(device: Device, example: Any) -> Any:
    """A 12-byte frame with the `Content-Range` that its header says, or would say."""
    frame = bytes.fromhex(example["frame"])
    start, end = int.from_bytes(frame[:4], "big"), int.from_bytes(frame[4:8], "big")
    claimed = f"bytes {start}-{end}/*" if len(frame) >= 8 and start <= end else "bytes 0-4/*"
    return device.post("/upload/log.bin", data=frame, headers={"Content-Range": claimed})


@pytest.mark.parametrize("example", frames("17", "good"))
def test_good_frames_of_17_bytes_are_stored(device: Device, example: Any) -> None:
    answer = device.send(bytes.fromhex(example["frame"]), headers={"Content-Range": example["content_range"]})
    assert answer.status_code == 200, answer.text
    assert device.get("/status/log.bin").get_json()["chunks"] == [{"start": example["start"], "end": example["end"]}]


@pytest.mark.parametrize("example", frames("12", "good", "good_plain_sums"))
def test_good_frames_of_12_bytes_are_stored(device: Device, example: Any) -> None:
    answer = send_short(device, example)
    assert answer.status_code == 200, answer.text
    assert device.get("/status/log.bin").get_json()["chunks"] == [{"start": example["start"], "end": example["end"]}]


@pytest.mark.parametrize("example", frames("17", "bad"))
def test_bad_frames_of_17_bytes_are_refused(shared_device: Device, example: Any) -> None:
    answer = shared_device.send(bytes.fromhex(example["frame"]))
    assert (answer.status_code, answer.get_json()) == (400, {"detail": example["detail"]})
    assert shared_device.names() == []


@pytest.mark.parametrize("example", frames("12", "bad"))
def test_bad_frames_of_12_bytes_are_refused(shared_device: Device, example: Any) -> None:
    answer = send_short(shared_device, example)
    assert (answer.status_code, answer.get_json()) == (400, {"detail": example["detail"]})
    assert shared_device.names() == []
