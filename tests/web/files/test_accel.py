"""Handing a download over to nginx: when the answer names an internal location, and when the service sends itself."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Device, frame
from tests.web.conftest import MakeApp, SignIn, blob_path
from transfer_service.storage import range_locks
from transfer_service.wire.ranges import Span

DATA = b"0123456789"


@pytest.fixture
def accel(make_app: MakeApp, sign_in: SignIn) -> Device:
    """`alice` on an app behind nginx, with a file `log.bin`."""
    device = sign_in(make_app(accel="nginx"), "alice")
    device.store(DATA)
    return device


def target(device: Device, headers: dict[str, str] | None = None, **arguments: Any) -> str | None:
    """Where the answer sends nginx, without the name of the blob."""
    response = device.get(arguments.pop("path", "/download/log.bin"), headers=headers or {}, **arguments)
    location = response.headers.get("X-Accel-Redirect")
    assert (location is None) == (response.data != b"")
    return location and location.rsplit("/", 2)[0]


def test_nothing_is_handed_over_without_the_setting(device: Device) -> None:
    device.store(DATA)
    assert target(device) is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, "/_transfer/whole/blobs", id="whole"),
        pytest.param({"Range": "bytes=0-4"}, "/_transfer/range/blobs", id="range"),
        pytest.param({"Range": "bytes=-4"}, "/_transfer/range/blobs", id="suffix"),
        pytest.param({"Range": "bytes=2-", "If-Range": "{etag}"}, "/_transfer/range/blobs", id="if-range-tag"),
        pytest.param({"Range": "bytes=2-", "If-Range": "{modified}"}, "/_transfer/range/blobs", id="if-range-date"),
        pytest.param({"Range": "bytes=2-", "If-Range": '"other"'}, "/_transfer/whole/blobs", id="if-range-miss"),
        pytest.param({"Range": "items=0-4"}, "/_transfer/whole/blobs", id="ignored-range"),
        pytest.param({"If-None-Match": '"other"'}, "/_transfer/whole/blobs", id="if-none-match-miss"),
        # what nginx reads in its own way
        pytest.param({"Range": "bytes=0-4,6-7"}, None, id="several-ranges"),
        pytest.param({"Range": "bytes=0-4,5-7"}, None, id="touching-ranges"),
        pytest.param({"Range": "bytes=0-4,"}, None, id="empty-member"),
        pytest.param({"Range": "bytes=0-" + "9" * 30}, None, id="enormous-number"),
        pytest.param({"If-Match": "{etag}"}, None, id="if-match"),
        pytest.param({"If-Unmodified-Since": "{modified}"}, None, id="if-unmodified-since"),
        pytest.param({"X-Accel-Retry": "1"}, None, id="nginx-could-not"),
    ],
)  # fmt: skip
def test_what_is_handed_over(accel: Device, headers: dict[str, str], expected: str | None) -> None:
    first = accel.request("HEAD", "/download/log.bin").headers
    known = {"etag": first["ETag"], "modified": first["Last-Modified"]}
    assert target(accel, {name: value.format(**known) for name, value in headers.items()}) == expected


def test_head_is_answered_by_the_service(accel: Device) -> None:
    response = accel.request("HEAD", "/download/log.bin")
    assert (response.headers["Content-Length"], "X-Accel-Redirect" in response.headers) == ("10", False)


def test_the_location_names_the_blob_under_the_store(accel: Device, tmp_path: Path) -> None:
    location = accel.get("/download/log.bin").headers["X-Accel-Redirect"]
    assert (tmp_path / "data/blobs" / location.removeprefix("/_transfer/whole/blobs/")).read_bytes() == DATA


def test_a_file_that_may_still_grow_is_sent_by_the_service(accel: Device) -> None:
    accel.send(frame(0, DATA), "inferred.bin")
    assert target(accel, path="/download/inferred.bin") is None
    accel.send(frame(0, DATA), "declared.bin", query={"total_size": len(DATA)})
    assert target(accel, path="/download/declared.bin") == "/_transfer/whole/blobs"


def test_a_blob_that_is_longer_than_its_file_is_sent_by_the_service(accel: Device, tmp_path: Path) -> None:
    with blob_path(tmp_path / "data", accel.status()["file_id"]).open("ab") as blob:
        blob.write(b"left over")
    assert (target(accel), accel.get("/download/log.bin").data) == (None, DATA)


def test_a_blob_that_somebody_may_write_past_its_end_is_sent_by_the_service(accel: Device, tmp_path: Path) -> None:
    with blob_path(tmp_path / "data", accel.status()["file_id"]).open("rb+") as blob:
        range_locks.claim(blob.fileno(), Span(10, 20), wait_seconds=0)
        assert target(accel) is None
    assert target(accel) == "/_transfer/whole/blobs"


@pytest.mark.parametrize("status", [404, 500])
def test_lost_and_damaged_files_are_errors(accel: Device, tmp_path: Path, status: int) -> None:
    blob = blob_path(tmp_path / "data", accel.status()["file_id"])
    blob.unlink() if status == 404 else blob.write_bytes(DATA[:4])
    response = accel.get("/download/log.bin")
    assert (response.status_code, "X-Accel-Redirect" in response.headers) == (status, False)
