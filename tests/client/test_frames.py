"""Frames of the client: the published ones, and any others against the service's own reader."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transfer_service_client.frames import LONG, SHORT, Chunk, FrameError, FrameFormat, chunks_of

from tests.vectors import frames
from transfer_service.errors import InvalidRequest
from transfer_service.wire.chunk_frames import LONG_FRAME, SHORT_FRAME
from transfer_service.wire.chunk_frames import FrameFormat as ServicesFormat

PAIRS = pytest.mark.parametrize(("form", "services"), [(LONG, LONG_FRAME), (SHORT, SHORT_FRAME)], ids=["17", "12"])


def checked(form: FrameFormat, example: Any) -> None:
    chunk = Chunk(example["start"], bytes.fromhex(example["data"]))
    assert form.parse(bytes.fromhex(example["frame"])) == chunk
    assert (chunk.end, chunk.content_range(None)) == (example["end"], example["content_range"])
    if example["checksum"] < 256:
        assert form.format(chunk).hex() == example["frame"]


@pytest.mark.parametrize("example", frames("17", "good"))
def test_published_frames_of_17_bytes(example: Any) -> None:
    checked(LONG, example)


@pytest.mark.parametrize("example", frames("12", "good", "good_plain_sums"))
def test_published_frames_of_12_bytes(example: Any) -> None:
    checked(SHORT, example)


@pytest.mark.parametrize(
    ("form", "example"),
    [pytest.param(form, *each.values, id=f"{kind}-{each.id}")
     for form, kind in ((LONG, "17"), (SHORT, "12")) for each in frames(kind, "bad")],
)  # fmt: skip
def test_published_bad_frames(form: FrameFormat, example: Any) -> None:
    with pytest.raises(FrameError):
        form.parse(bytes.fromhex(example["frame"]))


@PAIRS
@given(start=st.integers(0, 2**31), data=st.binary(min_size=1, max_size=3000))
def test_the_service_makes_and_reads_the_same(
    form: FrameFormat, services: ServicesFormat, start: int, data: bytes
) -> None:
    assert form.format(Chunk(start, data)) == services.format(start, data)
    assert form.parse(services.format(start, data)) == Chunk(start, data)


@PAIRS
@given(frame=st.binary(max_size=30) | st.binary(max_size=9).map(lambda end: bytes(7) + end + bytes(7)))
def test_the_service_refuses_the_same(form: FrameFormat, services: ServicesFormat, frame: bytes) -> None:
    try:
        header = services.parse_header(frame)
        data = b"".join(services.verified_data(header, [frame[services.header_bytes :]]))
    except InvalidRequest:
        with pytest.raises(FrameError):
            form.parse(frame)
    else:
        assert form.parse(frame) == Chunk(header.span.start, data)


@pytest.mark.parametrize(
    ("form", "chunk"),
    [
        pytest.param(LONG, Chunk(0, b""), id="no-data"),
        pytest.param(SHORT, Chunk(-1, b"a"), id="before-the-file"),
        pytest.param(SHORT, Chunk(2**32 - 1, b"ab"), id="past-32-bits"),
        pytest.param(LONG, Chunk(2**64 - 1, b"ab"), id="past-64-bits"),
    ],
)
def test_what_no_frame_can_hold(form: FrameFormat, chunk: Chunk) -> None:
    with pytest.raises(FrameError):
        form.format(chunk)


@given(data=st.binary(max_size=100), start=st.integers(0, 120), chunk_bytes=st.integers(1, 40))
def test_the_chunks_of_a_file(data: bytes, start: int, chunk_bytes: int) -> None:
    chunks = list(chunks_of(io.BytesIO(data), start=start, chunk_bytes=chunk_bytes))
    assert b"".join(each.data for each in chunks) == data[start:]
    assert [each.start for each in chunks] == list(range(start, len(data), chunk_bytes))
    assert all(len(each.data) == chunk_bytes for each in chunks[:-1])


def test_a_content_range_names_the_length_where_it_is_known() -> None:
    assert Chunk(5, b"abc").content_range(10) == "bytes 5-7/10"
