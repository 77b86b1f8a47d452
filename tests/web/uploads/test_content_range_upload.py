"""Appending a 12-byte chunk: `POST /upload/{file_id}` with Content-Range, and `GET /status/{file_id}`."""

import uuid
from collections.abc import Callable

import pytest
from flask import Flask

from tests.conftest import Clock, Device
from transfer_service.wire.chunk_frames import SHORT_FRAME

HELLO = SHORT_FRAME.format(0, b"hello")
NOT_FOUND = {
    "status": "not_found",
    "received_bytes": 0,
    "total_bytes": None,
    "last_updated": None,
    "next_byte": 0,
    "chunks": [],
}
INVALID_RANGE, INVALID_CHUNK = "Invalid Content-Range header", "Invalid chunk format"


@pytest.mark.parametrize(
    ("body", "content_range", "detail"),
    [
        pytest.param(HELLO, None, "Content-Range header required", id="no-content-range"),
        pytest.param(b"", None, "Content-Range header required", id="nothing-at-all"),
        pytest.param(HELLO, "", INVALID_RANGE, id="empty-content-range"),
        pytest.param(HELLO, "bytes 0-4", INVALID_RANGE, id="no-total"),
        pytest.param(HELLO, "items 0-4/5", INVALID_RANGE, id="other-unit"),
        pytest.param(HELLO, "bytes 0-x/5", INVALID_RANGE, id="letters"),
        pytest.param(HELLO, "bytes 4-0/5", INVALID_RANGE, id="reversed"),
        pytest.param(HELLO, "bytes 0-4/3", INVALID_RANGE, id="past-its-own-total"),
        pytest.param(HELLO, "bytes 1-5/9", INVALID_RANGE, id="other-start-than-the-frame"),
        pytest.param(HELLO, "bytes 0-5/9", INVALID_RANGE, id="other-end-than-the-frame"),
        pytest.param(HELLO, "bytes 0-16/17", INVALID_RANGE, id="counts-the-frame-header"),
        pytest.param(b"", "bytes 0-4/5", INVALID_CHUNK, id="empty"),
        pytest.param(HELLO[:11], "bytes 0-4/5", INVALID_CHUNK, id="eleven-bytes"),
        pytest.param(HELLO[:-1], "bytes 0-4/5", INVALID_CHUNK, id="shorter-than-its-header-says"),
        pytest.param(HELLO + b"!", "bytes 0-4/5", INVALID_CHUNK, id="longer-than-its-header-says"),
        pytest.param(SHORT_FRAME.header.pack(4, 0, 20) + b"hello", "bytes 0-4/5", INVALID_CHUNK, id="end-before-start"),
        pytest.param(
            SHORT_FRAME.header.pack(0, 4, 0) + b"hello", "bytes 0-4/5", "Checksum verification failed", id="wrong-sum"
        ),
        pytest.param(
            SHORT_FRAME.header.pack(0, 4, 533) + b"hello",
            "bytes 0-4/5",
            "Checksum verification failed",
            id="neither-sum",
        ),
        pytest.param(
            SHORT_FRAME.header.pack(0, 4, 276) + b"hello",
            "bytes 0-4/5",
            "Checksum verification failed",
            id="sum-plus-256",
        ),
    ],
)
def test_a_refused_chunk_stores_nothing(
    shared_device: Device, body: bytes, content_range: str | None, detail: str
) -> None:
    headers = {} if content_range is None else {"Content-Range": content_range}
    response = shared_device.post("/upload/log.bin", data=body, headers=headers)
    assert (response.status_code, response.get_json()) == (400, {"detail": detail})
    assert shared_device.get("/status/log.bin").get_json() == {"file_id": "log.bin", **NOT_FOUND}


def test_next_byte_is_the_first_gap(device: Device) -> None:
    answers = [device.send_range("log.bin", start, data, 6).get_json() for start, data in ((2, b"cd"), (0, b"ab"))]
    assert answers == [{"message": "Chunk received successfully", "next_byte": after} for after in (0, 4)]
    assert device.get("/status/log.bin").get_json()["next_byte"] == 4


def test_the_status_has_exactly_the_promised_fields(device: Device, clock: Clock) -> None:
    device.send_range("log.bin", 0, b"ab", 9)
    device.send_range("log.bin", 2, b"cd", 9)
    device.send_range("log.bin", 6, b"gh", 9)
    response = device.get("/status/log.bin")
    assert (response.status_code, response.get_json()) == (
        200,
        {
            "file_id": "log.bin",
            "status": "partial",
            "received_bytes": 6,
            "total_bytes": 9,
            "last_updated": int(clock().timestamp()),
            "next_byte": 4,
            "chunks": [{"start": 0, "end": 3}, {"start": 6, "end": 7}],
        },
    )


def test_last_updated_moves_with_each_chunk(device: Device, clock: Clock) -> None:
    device.send_range("log.bin", 0, b"ab", 9)
    before = device.get("/status/log.bin").get_json()["last_updated"]
    clock.advance(seconds=90)
    device.send_range("log.bin", 2, b"cd", 9)
    after = device.get("/status/log.bin").get_json()["last_updated"]
    assert (type(after), after - before) == (int, 90)


def test_a_complete_file_is_one_chunk(device: Device) -> None:
    device.send_range("log.bin", 3, b"lo", 5)
    assert device.send_range("log.bin", 0, b"hel", 5).get_json()["next_byte"] == 5
    status = device.get("/status/log.bin").get_json()
    assert (status["status"], status["chunks"]) == ("complete", [{"start": 0, "end": 4}])
    assert device.get("/download/log.bin").data == b"hello"


def test_with_a_star_only_a_total_completes_the_file(device: Device) -> None:
    device.send_range("log.bin", 0, b"hello", "*")
    status = device.get("/status/log.bin").get_json()
    assert (status["status"], status["total_bytes"], status["next_byte"]) == ("partial", None, 5)
    device.send_range("log.bin", 5, b"!", 6)
    assert device.get("/status/log.bin").get_json()["status"] == "complete"


def test_a_total_completes_nothing_while_a_gap_is_left(device: Device) -> None:
    device.send_range("log.bin", 0, b"he", "*")
    device.send_range("log.bin", 4, b"o", 5)
    assert device.get("/status/log.bin").get_json()["status"] == "partial"
    device.send_range("log.bin", 2, b"ll", "*")
    assert device.get("/download/log.bin").data == b"hello"


def test_a_chunk_with_a_star_after_the_total_keeps_it(device: Device) -> None:
    device.send_range("log.bin", 0, b"he", 5)
    device.send_range("log.bin", 2, b"llo", "*")
    status = device.get("/status/log.bin").get_json()
    assert (status["status"], status["total_bytes"]) == ("complete", 5)


def test_a_repeated_chunk_with_the_total_completes_a_star_upload(device: Device) -> None:
    device.send_range("log.bin", 0, b"hello", "*")
    assert device.send_range("log.bin", 0, b"hello", 5).status_code == 200
    assert device.get("/status/log.bin").get_json()["status"] == "complete"


@pytest.mark.parametrize(
    ("start", "data", "total", "expected"),
    [
        pytest.param(0, b"he", 9, 200, id="the-same-bytes"),
        pytest.param(0, b"HE", 9, 409, id="other-bytes"),
        pytest.param(1, b"El", 9, 409, id="overlap-with-other-bytes"),
        pytest.param(1, b"el", 9, 200, id="overlap-with-the-same-bytes"),
        pytest.param(2, b"ll", 8, 400, id="another-total"),
        pytest.param(8, b"xy", "*", 413, id="past-the-total"),
    ],
)
def test_a_second_chunk_is_weighed_against_the_first(
    device: Device, start: int, data: bytes, total: int | str, expected: int
) -> None:
    device.send_range("log.bin", 0, b"he", 9)
    assert device.send_range("log.bin", start, data, total).status_code == expected
    last = max(1, start + len(data) - 1) if expected == 200 else 1
    assert device.get("/status/log.bin").get_json()["chunks"] == [{"start": 0, "end": last}]


@pytest.mark.parametrize(("data", "expected"), [(b"hello", 200), (b"HELLO", 409), (b"hello!", 409)])
def test_a_complete_file_takes_only_what_it_has(device: Device, data: bytes, expected: int) -> None:
    device.send_range("log.bin", 0, b"hello", 5)
    assert device.send_range("log.bin", 0, data, "*").status_code == expected
    assert device.get("/download/log.bin").data == b"hello"


def test_a_file_may_be_named_by_its_uuid(device: Device) -> None:
    device.send_range("log.bin", 0, b"he", 5)
    file_id = device.status()["file_id"]
    assert device.send_range(file_id, 2, b"llo", 5).get_json()["next_byte"] == 5
    assert device.get(f"/status/{file_id}").get_json()["file_id"] == file_id
    assert device.names() == ["log.bin"]


def test_an_unknown_uuid_is_a_name_like_any_other(device: Device) -> None:
    file_id = str(uuid.uuid4())
    device.send_range(file_id, 0, b"hello", 5)
    assert device.names() == [file_id]
    assert device.get(f"/download/{file_id}").data == b"hello"


def test_another_accounts_uuid_is_a_name_of_ones_own(device: Device, other_device: Device) -> None:
    file_id = device.store(b"secret")["file_id"]
    assert other_device.get(f"/status/{file_id}").get_json() == {"file_id": file_id, **NOT_FOUND}
    other_device.send_range(file_id, 0, b"mine", 4)
    assert device.get(f"/download/{file_id}").data == b"secret"


def test_a_file_id_is_told_as_it_was_asked(device: Device) -> None:
    file_id = device.store(b"hello")["file_id"].upper()
    assert device.get(f"/status/{file_id}").get_json()["file_id"] == file_id
    assert device.get(f"/download/{file_id}").data == b"hello"


def test_all_doors_read_one_file(device: Device) -> None:
    device.send_range("log.bin", 0, b"hello", 5)
    file_id = device.status()["file_id"]
    targets = [
        "/download/log.bin",
        f"/download/{file_id}",
        "/api/files/download/log.bin",
        f"/api/files/{file_id}/download",
    ]
    assert [device.get(target).data for target in targets] == [b"hello"] * 4


def test_both_chunk_formats_may_build_one_file(device: Device) -> None:
    device.send_range("log.bin", 0, b"hello", "*")
    device.post("/api/files/upload?filename=log.bin&total_size=6", data=b"\0" * 7 + b"\5" + b"\0" * 7 + b"\5!!")
    assert device.status()["status"] == "complete"
    assert device.get("/download/log.bin").data == b"hello!"


def test_an_unfinished_file_cannot_be_read(device: Device) -> None:
    device.send_range("log.bin", 0, b"he", 5)
    response = device.get("/download/log.bin")
    assert (response.status_code, response.get_json()) == (404, {"detail": "File not found"})


def test_the_highest_byte_of_the_format_can_be_stored(device: Device) -> None:
    response = device.send_range("log.bin", 2**32 - 2, b"yz", 2**32)
    assert response.status_code == 200
    status = device.get("/status/log.bin").get_json()
    assert status["chunks"] == [{"start": 2**32 - 2, "end": 2**32 - 1}]


def test_a_total_that_four_bytes_cannot_reach_is_413(device: Device) -> None:
    response = device.post("/upload/log.bin", data=HELLO, headers={"Content-Range": f"bytes 0-4/{2**32 + 1}"})
    assert (response.status_code, device.names()) == (413, [])
    assert (
        device.post("/upload/log.bin", data=HELLO, headers={"Content-Range": f"bytes 0-4/{2**32}"}).status_code == 200
    )


@pytest.mark.parametrize("content_range", ["bytes 0-4/11", "bytes 0-4/*"])
def test_a_file_over_the_limit_is_413(
    make_app: Callable[..., Flask], sign_in: Callable[[Flask, str], Device], content_range: str
) -> None:
    device = sign_in(make_app(max_file_bytes=4), "alice")
    response = device.post("/upload/log.bin", data=HELLO, headers={"Content-Range": content_range})
    assert (response.status_code, response.get_json()) == (413, {"detail": "File exceeds the maximum size"})
    assert device.names() == []


def test_an_upload_over_the_quota_keeps_its_offset(
    make_app: Callable[..., Flask], sign_in: Callable[[Flask, str], Device]
) -> None:
    device = sign_in(make_app(quota_bytes=6), "alice")
    device.send_range("log.bin", 0, b"hello", "*")
    response = device.send_range("log.bin", 5, b"xy", "*")
    assert (response.status_code, response.get_json()) == (413, {"detail": "Storage quota exceeded"})
    assert device.get("/status/log.bin").get_json()["next_byte"] == 5


@pytest.mark.parametrize("checksum", [pytest.param(532 % 256, id="modulo-256"), pytest.param(532, id="plain-sum")])
def test_a_checksum_counts_in_both_readings(device: Device, checksum: int) -> None:
    body = SHORT_FRAME.header.pack(0, 4, checksum) + b"hello"
    response = device.post("/upload/log.bin", data=body, headers={"Content-Range": "bytes 0-4/5"})
    assert (response.status_code, device.get("/download/log.bin").data) == (200, b"hello")
