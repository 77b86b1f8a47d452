"""A cleanup while a request is resuming an upload that has rested for long: what is in use is never touched."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.conftest import Clock, Device, frame
from tests.web.forms import file_form
from transfer_service.bootstrap import Services
from transfer_service.services.upkeep.cleanup import Report
from transfer_service.wire.chunk_frames import SHORT_FRAME

MEBIBYTE = 1024 * 1024
SIZES = [pytest.param(10, id="in-memory"), pytest.param(3 * MEBIBYTE, id="streamed")]


class Interrupted(io.BytesIO):
    """A body in the middle of which something happens: before its first byte, and before each later one."""

    def __init__(self, data: bytes, happen: Callable[[], object]) -> None:
        super().__init__(data)
        self._happen = happen

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        self._happen()
        return super().readinto(buffer[: max(1, min(len(buffer), MEBIBYTE // 4))])


@pytest.fixture
def reports() -> list[Report]:
    return []


@pytest.fixture
def sweep(services: Services, reports: list[Report]) -> Callable[[], None]:
    """A run of the cleanup."""
    return lambda: reports.append(services.cleanup.run())


def send_slowly(
    device: Device, path: str, sent: dict[str, Any], sweep: Callable[[], None], **headers: str
) -> TestResponse:
    body = sent["data"]
    over = {
        "wsgi.input": Interrupted(body, sweep),
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": sent["content_type"],
    }
    return device.post(path, headers=headers, environ_overrides=over)


def raw(data: bytes) -> dict[str, Any]:
    """The arguments of a request with this body."""
    return {"data": data, "content_type": "application/octet-stream"}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["raw", "form"])
def test_no_17_byte_chunk_loses_what_was_there_before(
    device: Device, clock: Clock, sweep: Callable[[], None], reports: list[Report], size: int, kind: str
) -> None:
    device.send(frame(0, b"abc"), query={"total_size": 3 + size})
    clock.advance(hours=25)
    sent = (file_form if kind == "form" else raw)(frame(3, b"x" * size))
    answer = send_slowly(device, "/api/files/upload?filename=log.bin", sent, sweep)
    assert (answer.status_code, answer.get_json()["status"]) == (200, "complete")
    assert device.get("/api/files/download/log.bin").data == b"abc" + b"x" * size
    assert len(reports) > 1
    assert sum(report.removed.stale_uploads.count for report in reports) == 0


@pytest.mark.parametrize("size", SIZES)
def test_no_12_byte_chunk_loses_what_was_there_before(
    device: Device, clock: Clock, sweep: Callable[[], None], reports: list[Report], size: int
) -> None:
    device.send_range("log.bin", 0, b"abc", 3 + size)
    clock.advance(hours=25)
    sent, content_range = raw(SHORT_FRAME.format(3, b"x" * size)), f"bytes 3-{2 + size}/{3 + size}"
    answer = send_slowly(device, "/upload/log.bin", sent, sweep, **{"Content-Range": content_range})
    assert (answer.status_code, answer.get_json()["next_byte"]) == (200, 3 + size)
    assert device.get("/download/log.bin").data == b"abc" + b"x" * size
    assert sum(report.removed.stale_uploads.count for report in reports) == 0


def test_what_nobody_resumes_is_removed_as_before(
    device: Device, clock: Clock, sweep: Callable[[], None], reports: list[Report]
) -> None:
    device.send(frame(0, b"abc"), "other.bin", query={"total_size": 10})
    clock.advance(hours=25)
    send_slowly(device, "/api/files/upload?filename=log.bin", raw(frame(0, b"abc")), sweep)
    assert sum(report.removed.stale_uploads.count for report in reports) == 1
    assert device.names() == ["log.bin"]


def test_an_append_keeps_its_upload_past_the_hour_of_its_end(
    device: Device, clock: Clock, sweep: Callable[[], None], reports: list[Report]
) -> None:
    begun = device.post(
        "/api/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "6", "Upload-Metadata": "filename YQ=="}
    )
    path = begun.headers["Location"].removeprefix("http://localhost")
    headers = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
    device.request("PATCH", path, data=b"abc", headers={**headers, "Upload-Offset": "0"})

    def age_and_sweep() -> None:
        clock.advance(hours=25)
        sweep()

    over = {"wsgi.input": Interrupted(b"def", age_and_sweep), "CONTENT_LENGTH": "3"}
    answer = device.request("PATCH", path, headers={**headers, "Upload-Offset": "3"}, environ_overrides=over)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, "6")
    assert sum(report.removed.stale_uploads.count for report in reports) == 0
    assert device.get("/api/files/download/a").data == b"abcdef"
