"""Appending a chunk to an upload."""

import hashlib

import pytest

from tests.conftest import Device, frame
from transfer_service.wire.chunk_frames import LONG_FRAME


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        pytest.param(b"", "Chunk data too small to contain valid header", id="empty"),
        pytest.param(b"x" * 16, "Chunk data too small to contain valid header", id="sixteen-bytes"),
        pytest.param(LONG_FRAME.header.pack(0, 4, 0) + b"hello", "Checksum validation failed", id="wrong-sum"),
        pytest.param(LONG_FRAME.header.pack(0, 9, 20) + b"hello", "Chunk length does not match its header", id="short"),
        pytest.param(LONG_FRAME.header.pack(0, 1, 20) + b"hello", "Chunk length does not match its header", id="long"),
        pytest.param(
            LONG_FRAME.header.pack(5, 4, 0), "Invalid byte range (end_byte < start_byte)", id="end-before-start"
        ),
    ],
)
def test_a_refused_chunk_stores_nothing(device: Device, body: bytes, detail: str) -> None:
    response = device.send(body)
    assert (response.status_code, response.get_json()) == (400, {"detail": detail})
    assert device.status()["status"] == "pending"
    assert device.names() == []


def test_chunks_in_any_order_make_a_whole_file(device: Device) -> None:
    data = bytes(range(256)) * 8
    for start in (1024, 0, 1536, 512):
        end = start + 511
        part = frame(start, data[start : end + 1])
        response = device.send(part, headers={"Content-Range": f"bytes {start}-{end}/2048"})
        assert response.status_code == 200
    assert response.get_json()["sha256"] == hashlib.sha256(data).hexdigest()
    assert device.get("/api/files/download/log.bin").data == data
