"""Appending a 17-byte chunk to an upload: `POST /api/files/upload?filename=NAME`."""

import hashlib
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Device, frame
from tests.web.forms import file_form, form, part
from transfer_service.wire.chunk_frames import LONG_FRAME

TOO_SMALL = "Chunk data too small to contain valid header"
WRONG_LENGTH = "Chunk length does not match its header"
REVERSED = "Invalid byte range (end_byte < start_byte)"

REFUSED_FRAMES = [
    pytest.param(b"", TOO_SMALL, id="empty"),
    pytest.param(b"x" * 16, TOO_SMALL, id="sixteen-bytes"),
    pytest.param(LONG_FRAME.header.pack(0, 4, 0) + b"hello", "Checksum validation failed", id="wrong-sum"),
    pytest.param(LONG_FRAME.header.pack(0, 4, 21) + b"hello", "Checksum validation failed", id="sum-plus-one"),
    pytest.param(LONG_FRAME.header.pack(0, 9, 20) + b"hello", WRONG_LENGTH, id="shorter-than-its-header-says"),
    pytest.param(LONG_FRAME.header.pack(0, 1, 20) + b"hello", WRONG_LENGTH, id="longer-than-its-header-says"),
    pytest.param(LONG_FRAME.header.pack(0, 0, 0), WRONG_LENGTH, id="header-without-data"),
    pytest.param(LONG_FRAME.header.pack(5, 4, 0), REVERSED, id="end-before-start"),
    pytest.param(LONG_FRAME.header.pack(5, 3, 20) + b"hello", REVERSED, id="end-far-before-start"),
]

NO_RANGE = "Invalid Content-Range header: expected bytes START-END/TOTAL or bytes START-END/*"


def content_range(value: str) -> dict[str, str]:
    return {"Content-Range": value}


@pytest.mark.parametrize(
    "wrap", [pytest.param(lambda body: {"data": body}, id="raw"), pytest.param(file_form, id="form")]
)
@pytest.mark.parametrize(("body", "detail"), REFUSED_FRAMES)
def test_a_refused_chunk_stores_nothing(
    shared_device: Device, wrap: Callable[[bytes], dict[str, Any]], body: bytes, detail: str
) -> None:
    response = shared_device.post("/api/files/upload?filename=log.bin", **wrap(body))
    assert (response.status_code, response.get_json()) == (400, {"detail": detail})
    assert shared_device.status()["status"] == "pending"
    assert shared_device.names() == []


@pytest.mark.parametrize(
    ("target", "arguments", "detail"),
    [
        pytest.param("", {"data": frame(0, b"x")}, "Missing filename", id="no-filename"),
        pytest.param("?filename=", {"data": frame(0, b"x")}, "Missing filename", id="empty-filename"),
        pytest.param("?filename=", file_form(frame(0, b"x")), "Missing filename", id="empty-filename-of-a-form"),
        pytest.param("", form(part("file", frame(0, b"x"))), "Missing filename", id="form-without-a-name"),
        pytest.param("?filename=log.bin", {}, TOO_SMALL, id="no-body"),
        pytest.param("?filename=log.bin", form(), "Missing file part", id="no-part"),
        pytest.param(
            "?filename=log.bin",
            form(part("chunk", frame(0, b"x"), filename=b"c")),
            "Missing file part",
            id="other-part",
        ),
        pytest.param(
            "?filename=log.bin",
            form(part("file", frame(0, b"x"), filename=b"a"), part("file", frame(1, b"y"), filename=b"b")),
            "More than one file part",
            id="two-parts",
        ),
        pytest.param(
            "?filename=log.bin",
            {**file_form(frame(0, b"x")), "data": file_form(frame(0, b"x"))["data"][:-30]},
            "Malformed multipart body",
            id="form-that-breaks-off",
        ),
        pytest.param(
            "?filename=log.bin",
            {"data": b"no form", "content_type": "multipart/form-data"},
            "Malformed multipart body",
            id="form-without-a-boundary",
        ),
    ],
)
def test_an_incomplete_request_is_400(
    shared_device: Device, target: str, arguments: dict[str, Any], detail: str
) -> None:
    response = shared_device.post("/api/files/upload" + target, **arguments)
    assert (response.status_code, response.get_json()) == (400, {"detail": detail})
    assert shared_device.names() == []


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        pytest.param(
            "bytes 0-4",
            NO_RANGE,
            id="no-total",
        ),
        pytest.param("0-4/5", "Invalid Content-Range header: the unit must be bytes", id="no-unit"),
        pytest.param("lines 0-4/5", "Invalid Content-Range header: the unit must be bytes", id="other-unit"),
        pytest.param(
            "bytes a-b/c",
            NO_RANGE,
            id="letters",
        ),
        pytest.param("bytes 4-0/5", "Invalid Content-Range header: the range ends before it starts", id="reversed"),
        pytest.param(
            "bytes -4/5",
            NO_RANGE,
            id="suffix",
        ),
        pytest.param("bytes */5", "Invalid Content-Range header: it names no range", id="no-range"),
        pytest.param(
            "bytes 0-4/4", "Invalid Content-Range header: the range ends past the total", id="past-its-own-total"
        ),
        pytest.param(
            "bytes 0-4/-5",
            NO_RANGE,
            id="negative-total",
        ),
        pytest.param(
            "bytes \u0660-\u0664/\u0665",
            NO_RANGE,
            id="digits-of-another-script",
        ),
        pytest.param("", "Invalid Content-Range header: the unit must be bytes", id="empty"),
        pytest.param("bytes 1-5/6", "Content-Range does not match the chunk header", id="other-start"),
        pytest.param("bytes 0-5/6", "Content-Range does not match the chunk header", id="other-end"),
        pytest.param("bytes 0-21/22", "Content-Range does not match the chunk header", id="counts-the-frame-header"),
    ],
)
def test_a_content_range_that_is_malformed_or_disagrees_is_400(shared_device: Device, value: str, detail: str) -> None:
    response = shared_device.send(frame(0, b"hello"), headers=content_range(value.encode().decode("latin-1")))
    assert (response.status_code, response.get_json()) == (400, {"detail": detail})
    assert shared_device.names() == []


@pytest.mark.parametrize(
    "wrap", [pytest.param(lambda body: {"data": body}, id="raw"), pytest.param(file_form, id="form")]
)
def test_the_answer_has_exactly_the_promised_fields(device: Device, wrap: Callable[[bytes], dict[str, Any]]) -> None:
    arguments = wrap(frame(0, b"hello"))
    response = device.post("/api/files/upload?filename=log.bin&total_size=8", **arguments)
    answer = response.get_json()
    status = device.status()
    assert str(uuid.UUID(answer.pop("file_id"))) == status["file_id"]
    assert {answer.pop(field) for field in ("created_at", "updated_at")} == {status["created_at"]}
    assert (response.status_code, answer) == (
        200,
        {
            "filename": "log.bin",
            "status": "partial",
            "bytes_received": 5,
            "total_bytes": 8,
            "next_expected_byte": 5,
            "sha256": None,
            "total_inferred": False,
            "content_type": "application/octet-stream",
        },
    )


def test_chunks_in_any_order_make_a_whole_file(device: Device) -> None:
    data = bytes(range(256)) * 8
    for start in (1024, 0, 1536, 512):
        end = start + 511
        response = device.send(frame(start, data[start : end + 1]), headers=content_range(f"bytes {start}-{end}/2048"))
    assert response.get_json()["status"] == "complete"
    assert response.get_json()["sha256"] == hashlib.sha256(data).hexdigest()
    assert device.get("/api/files/download/log.bin").data == data


def test_next_expected_byte_is_the_first_gap(device: Device) -> None:
    positions = [
        device.send(frame(start, b"ab"), query={"total_size": 8}).get_json()["next_expected_byte"]
        for start in (2, 6, 0, 4)
    ]
    assert positions == [0, 0, 4, 8]
    assert device.status()["bytes_received"] == 8


def test_a_chunk_of_several_blocks_is_stored_whole(device: Device) -> None:
    data = bytes(range(251)) * 12_000
    response = device.send(frame(0, data), query={"total_size": len(data)})
    assert response.get_json()["sha256"] == hashlib.sha256(data).hexdigest()
    assert device.get("/api/files/download/log.bin").data == data


def test_a_large_chunk_with_a_wrong_sum_stores_nothing(device: Device) -> None:
    data = bytes(range(251)) * 12_000
    body = LONG_FRAME.header.pack(0, len(data) - 1, (sum(data) + 1) % 256) + data
    response = device.send(body, query={"total_size": len(data)})
    assert (response.status_code, response.get_json()) == (400, {"detail": "Checksum validation failed"})
    assert device.status()["status"] == "pending"


@pytest.mark.parametrize(
    ("start", "data"),
    [
        pytest.param(0, b"hello", id="the-same-chunk"),
        pytest.param(1, b"el", id="a-part-of-it"),
        pytest.param(3, b"lo wo", id="overlapping-its-end"),
        pytest.param(0, b"hello wo", id="all-around-it"),
    ],
)
def test_the_same_bytes_again_are_200_and_count_once(device: Device, start: int, data: bytes) -> None:
    device.send(frame(0, b"hello"), query={"total_size": 20})
    response = device.send(frame(start, data), query={"total_size": 20})
    assert response.status_code == 200
    stored = max(5, start + len(data))
    assert (device.status()["bytes_received"], device.status()["next_expected_byte"]) == (stored, stored)


@pytest.mark.parametrize(
    ("start", "data"),
    [
        pytest.param(0, b"HELLO", id="the-same-range"),
        pytest.param(4, b"O", id="one-byte"),
        pytest.param(3, b"lO wo", id="overlapping-its-end"),
        pytest.param(0, b"hello WO", id="across-two-chunks"),
    ],
)
def test_other_bytes_for_a_stored_range_are_409_and_the_first_stay(device: Device, start: int, data: bytes) -> None:
    device.send(frame(0, b"hello"), query={"total_size": 12})
    device.send(frame(6, b"world!"), query={"total_size": 12})
    response = device.send(frame(start, data))
    assert (response.status_code, device.status()["missing"]) == (409, [{"start": 5, "end": 5}])
    device.send(frame(5, b" "))
    assert device.get("/api/files/download/log.bin").data == b"hello world!"


@pytest.mark.parametrize(
    ("start", "data", "expected"),
    [
        pytest.param(0, b"hello", 200, id="the-same-bytes"),
        pytest.param(1, b"ell", 200, id="a-part-of-them"),
        pytest.param(0, b"HELLO", 409, id="other-bytes"),
        pytest.param(5, b"!", 409, id="a-new-byte"),
        pytest.param(3, b"lo!", 409, id="old-and-new-bytes"),
    ],
)
def test_a_complete_file_of_known_total_takes_nothing_new(
    device: Device, start: int, data: bytes, expected: int
) -> None:
    device.send(frame(0, b"hello"), query={"total_size": 5})
    response = device.send(frame(start, data))
    assert response.status_code == expected
    assert device.status()["status"] == "complete"
    assert device.get("/api/files/download/log.bin").data == b"hello"


def test_after_a_delete_other_bytes_are_taken(device: Device) -> None:
    device.send(frame(0, b"hello"), query={"total_size": 5})
    device.delete("/api/files/log.bin")
    response = device.send(frame(0, b"HELLO!"), query={"total_size": 6})
    assert response.status_code == 200
    assert device.get("/api/files/download/log.bin").data == b"HELLO!"


def test_a_whole_file_takes_no_chunk(device: Device) -> None:
    device.store(b"hello")
    response = device.send(frame(5, b"!"))
    assert response.status_code == 409
    assert device.get("/api/files/download/log.bin").data == b"hello"


def test_chunks_survive_a_new_process(make_app: Callable[..., Flask], sign_in: Callable[[Flask, str], Device]) -> None:
    sign_in(make_app(), "alice").send(frame(0, b"hello "), query={"total_size": 11})
    later = sign_in(make_app(), "alice")
    later.send(frame(6, b"world"))
    assert later.status()["sha256"] == hashlib.sha256(b"hello world").hexdigest()
    assert later.get("/api/files/download/log.bin").data == b"hello world"
