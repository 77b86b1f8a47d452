"""Reading the frames that devices send."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.vectors import frames
from transfer_service.errors import InvalidRequest
from transfer_service.wire.chunk_frames import LONG_FRAME, SHORT_FRAME, FrameFormat, byte_sum, plain_sum
from transfer_service.wire.ranges import Span

FORMATS = [pytest.param(LONG_FRAME, id="17-bytes"), pytest.param(SHORT_FRAME, id="12-bytes")]
HEADER_BYTES = {LONG_FRAME: 17, SHORT_FRAME: 12}
both_formats = pytest.mark.parametrize("form", FORMATS)
DATA = st.binary(min_size=1, max_size=600)
STARTS = st.integers(0, 2**31)


def blocks_of(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    """`data` cut at will, the rest as the last block."""
    for size in sizes:
        yield data[:size]
        data = data[size:]
    yield data


def read(form: FrameFormat, frame: bytes, sizes: list[int] | None = None) -> tuple[Span, bytes]:
    """A frame's span and data. Raises InvalidRequest."""
    header = form.parse_header(frame)
    return header.span, b"".join(form.verified_data(header, blocks_of(frame[form.header_bytes :], sizes or [])))


def refusal(form: FrameFormat, frame: bytes) -> str:
    with pytest.raises(InvalidRequest) as caught:
        read(form, frame)
    return caught.value.detail


@both_formats
@given(start=STARTS, data=DATA, sizes=st.lists(st.integers(0, 100), max_size=8))
def test_a_frame_in_any_blocks_is_read_back(form: FrameFormat, start: int, data: bytes, sizes: list[int]) -> None:
    frame = form.format(start, data)
    assert len(frame) == HEADER_BYTES[form] + len(data)
    assert read(form, frame, sizes) == (Span(start, start + len(data)), data)


@both_formats
@given(start=STARTS, data=DATA, position=st.integers(0), flip=st.integers(1, 255))
def test_one_changed_byte_is_never_taken_for_the_same_chunk(
    form: FrameFormat, start: int, data: bytes, position: int, flip: int
) -> None:
    frame = bytearray(form.format(start, data))
    frame[position % len(frame)] ^= flip
    assume(form is LONG_FRAME or int.from_bytes(frame[8:12], "big") != sum(data))  # the same data in the other reading
    # A start and end that move together are another chunk; one byte cannot move both.
    with pytest.raises(InvalidRequest):
        read(form, bytes(frame))


@both_formats
@given(data=DATA, cut=st.integers(0))
def test_a_frame_cut_short_is_refused(form: FrameFormat, data: bytes, cut: int) -> None:
    frame = form.format(7, data)
    kept = cut % len(frame)
    assert refusal(form, frame[:kept]) == (form.too_short if kept < form.header_bytes else form.wrong_length)


@both_formats
@given(frame=st.binary(max_size=60))
def test_any_bytes_are_refused_or_hold_what_their_header_says(form: FrameFormat, frame: bytes) -> None:
    try:
        span, data = read(form, frame)
    except InvalidRequest:
        return
    assert span.size == len(data) >= 1
    sums = {sum(data) % 256, sum(data) if form is SHORT_FRAME else -1}
    assert frame in {form.header.pack(span.start, span.stop - 1, each) + data for each in sums if each >= 0}


@given(start=STARTS, data=DATA, sizes=st.lists(st.integers(0, 100), max_size=8))
def test_the_long_checksum_may_be_the_plain_sum(start: int, data: bytes, sizes: list[int]) -> None:
    frame = SHORT_FRAME.header.pack(start, start + len(data) - 1, sum(data)) + data
    assert read(SHORT_FRAME, frame, sizes) == (Span(start, start + len(data)), data)
    assert refusal(SHORT_FRAME, frame[:-1] + bytes([frame[-1] ^ 1])) == SHORT_FRAME.wrong_checksum


def test_the_plain_sum_goes_on_past_32_bits() -> None:
    data = b"\xff" * 1000
    assert plain_sum(data, 2**32 - 1) == (2**32 - 1 + sum(data)) % 2**32


@given(data=st.binary(max_size=3000), initial=st.integers(0, 255))
def test_the_sum_of_bytes_is_pythons(data: bytes, initial: int) -> None:
    assert byte_sum(data, initial) == (initial + sum(data)) % 256


PUBLISHED = ((LONG_FRAME, "17"), (SHORT_FRAME, "12"))


def of_both(*groups: str) -> list[Any]:
    """The published examples of these groups, each with its format."""
    return [
        pytest.param(form, *each.values, id=f"{kind}-{each.id}")
        for form, kind in PUBLISHED
        for each in frames(kind, *groups)
    ]


@pytest.mark.parametrize(("form", "example"), [*of_both("good"), *[
    pytest.param(SHORT_FRAME, *each.values, id=f"plain-sum-{each.id}") for each in frames("12", "good_plain_sums")
]])  # fmt: skip
def test_published_frames(form: FrameFormat, example: Any) -> None:
    frame, data = bytes.fromhex(example["frame"]), bytes.fromhex(example["data"])
    assert read(form, frame) == (Span(example["start"], example["end"] + 1), data)
    assert example["checksum"] > 0xFF or form.format(example["start"], data) == frame


@pytest.mark.parametrize(("form", "example"), of_both("bad"))
def test_published_bad_frames_are_refused_in_the_published_words(form: FrameFormat, example: Any) -> None:
    assert refusal(form, bytes.fromhex(example["frame"])) == example["detail"]


def test_the_bytes_of_both_formats_are_those_of_the_contract() -> None:
    long_header = bytes([0, 0, 0, 0, 0, 0, 1, 0]) + bytes([0, 0, 0, 0, 0, 0, 1, 1]) + bytes([0xFE])
    assert LONG_FRAME.format(256, b"\xff\xff") == long_header + b"\xff\xff"
    assert SHORT_FRAME.format(256, b"\xff\xff") == bytes([0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0xFE]) + b"\xff\xff"


@pytest.mark.parametrize(
    ("form", "frame", "detail"),
    [
        pytest.param(LONG_FRAME, b"", "Chunk data too small to contain valid header", id="long-empty"),
        pytest.param(LONG_FRAME, bytes(16), "Chunk data too small to contain valid header", id="long-16-bytes"),
        pytest.param(
            LONG_FRAME,
            LONG_FRAME.header.pack(5, 4, 0),
            "Invalid byte range (end_byte < start_byte)",
            id="long-reversed",
        ),
        pytest.param(
            LONG_FRAME, LONG_FRAME.header.pack(0, 0, 1) + b"a", "Checksum validation failed", id="long-wrong-sum"
        ),
        pytest.param(
            LONG_FRAME,
            LONG_FRAME.header.pack(0, 0, 97) + b"ab",
            "Chunk length does not match its header",
            id="too-long",
        ),
        pytest.param(
            LONG_FRAME,
            LONG_FRAME.header.pack(0, 2**64 - 1, 97) + b"a",
            "Chunk length does not match its header",
            id="long-of-16-exbibytes",
        ),
        pytest.param(SHORT_FRAME, bytes(11), "Invalid chunk format", id="short-11-bytes"),
        pytest.param(SHORT_FRAME, SHORT_FRAME.header.pack(5, 4, 0), "Invalid chunk format", id="short-reversed"),
        pytest.param(SHORT_FRAME, SHORT_FRAME.header.pack(0, 2, 97) + b"a", "Invalid chunk format", id="short-length"),
        pytest.param(
            SHORT_FRAME, SHORT_FRAME.header.pack(0, 0, 98) + b"a", "Checksum verification failed", id="short-wrong-sum"
        ),
        pytest.param(
            SHORT_FRAME,
            SHORT_FRAME.header.pack(0, 0, 97 + 256) + b"a",
            "Checksum verification failed",
            id="short-sum-not-reduced",
        ),
    ],
)
def test_a_bad_frame_is_refused_in_the_words_of_its_door(form: FrameFormat, frame: bytes, detail: str) -> None:
    assert refusal(form, frame) == detail


def test_data_beyond_the_header_is_refused_before_it_is_passed_on() -> None:
    header = LONG_FRAME.parse_header(LONG_FRAME.header.pack(0, 1, 0))
    passed = LONG_FRAME.verified_data(header, iter([b"a", b"bc"]))
    assert next(passed) == b"a"
    with pytest.raises(InvalidRequest):
        next(passed)
