"""Selecting the bytes that a Range header asks for."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.wire import ranges
from transfer_service.wire.ranges import MAX_RANGES, Span, Unsatisfiable, select_ranges

LENGTHS = st.integers(0, 40)
POSITIONS = st.integers(0, 60)
BLANKS = st.sampled_from(["", " ", "\t", " \t "])
SPECS = st.one_of(
    st.tuples(POSITIONS, POSITIONS).map(lambda pair: (min(pair), max(pair))),
    st.tuples(POSITIONS, st.none()),
    st.tuples(st.none(), POSITIONS),
)
Spec = tuple[int | None, int | None]


def bytes_of(spec: Spec, length: int) -> list[int]:
    """The positions that one range covers, each looked at by itself (RFC 9110 section 14.1.2)."""
    first, last = spec
    if first is None:
        return [position for position in range(length) if length - position <= (last or 0)]
    return [position for position in range(length) if first <= position and (last is None or position <= last)]


def merged(wanted: list[list[int]]) -> list[list[int]]:
    """The same positions in as few runs as possible, each run where its first member was asked for."""
    runs: list[list[int]] = []
    left = {position for covered in wanted for position in covered}
    for covered in wanted:
        if covered[0] in left:
            run = list(covered)
            while run[0] - 1 in left:
                run.insert(0, run[0] - 1)
            while run[-1] + 1 in left:
                run.append(run[-1] + 1)
            runs.append(run)
            left.difference_update(run)
    return runs


def written(spec: Spec) -> str:
    return "-".join("" if number is None else str(number) for number in spec)


@given(specs=st.lists(SPECS, min_size=1, max_size=MAX_RANGES), length=st.integers(1, 40), blanks=BLANKS)
def test_selected_spans_hold_the_asked_bytes_once_and_in_the_asked_order(
    specs: list[Spec], length: int, blanks: str
) -> None:
    wanted = [covered for spec in specs if (covered := bytes_of(spec, length))]
    try:
        spans = select_ranges("bytes=" + f"{blanks},{blanks}".join(map(written, specs)), length)
    except Unsatisfiable:
        assert wanted == []
        return
    assert spans is not None
    assert [list(range(span.start, span.stop)) for span in spans] == merged(wanted)


@given(
    value=st.text(max_size=40) | st.text("bytes=-,0123456789 \t", max_size=40).map("bytes={}".format), length=LENGTHS
)
def test_any_header_is_ignored_refused_or_gives_spans_of_the_file(value: str, length: int) -> None:
    try:
        spans = select_ranges(value, length)
    except Unsatisfiable:
        return
    for span in spans or []:
        assert 0 <= span.start < span.stop <= length
    assert sum(span.size for span in spans or []) <= length


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("bytes", id="no-equals"),
        pytest.param("bytes=", id="no-range"),
        pytest.param("bytes=,", id="only-a-comma"),
        pytest.param("bytes=-", id="only-a-dash"),
        pytest.param("bytes=5", id="no-dash"),
        pytest.param("bytes=a-b", id="letters"),
        pytest.param("bytes=5-2", id="reversed"),
        pytest.param("bytes=0-1,5-2", id="one-of-two-reversed"),
        pytest.param("bytes=0-1,x", id="one-of-two-malformed"),
        pytest.param("bytes=--5", id="negative"),
        pytest.param("bytes=+1-5", id="plus-sign"),
        pytest.param("bytes=0 - 5", id="blanks-inside"),
        pytest.param("bytes=0-5\n", id="newline"),
        pytest.param("bytes=1_0-20", id="underscore"),
        pytest.param("bytes=\u0661-5", id="other-digits"),
        pytest.param("bytes =0-1", id="blank-before-equals"),
        pytest.param("items=0-5", id="other-unit"),
        pytest.param("bytes: 0-5", id="colon"),
        pytest.param("bytes=" + ",".join(f"{n}-{n}" for n in range(MAX_RANGES + 1)), id="seventeen-ranges"),
        pytest.param("bytes=" + "9" * 5000 + "-0", id="huge-and-reversed"),
    ],
)
def test_a_malformed_or_flooding_header_is_ignored(value: str) -> None:
    assert select_ranges(value, 1024) is None


@pytest.mark.parametrize(
    ("value", "length"),
    [
        pytest.param("bytes=-0", 1024, id="no-last-bytes"),
        pytest.param("bytes=1024-", 1024, id="from-the-end-on"),
        pytest.param("bytes=1024-2000", 1024, id="behind-the-end"),
        pytest.param("bytes=5000-,-0", 1024, id="several"),
        pytest.param("bytes=" + "9" * 5000 + "-", 1024, id="huge"),
    ],
)
def test_a_range_without_a_byte_of_the_file_is_unsatisfiable(value: str, length: int) -> None:
    with pytest.raises(Unsatisfiable):
        select_ranges(value, length)


@pytest.mark.parametrize(
    ("value", "spans"),
    [
        pytest.param("bytes=0-0", [Span(0, 1)], id="first-byte"),
        pytest.param("bytes=-1", [Span(1023, 1024)], id="last-byte"),
        pytest.param("bytes=-5000", [Span(0, 1024)], id="suffix-longer-than-the-file"),
        pytest.param("bytes=1000-9999", [Span(1000, 1024)], id="end-cut-off"),
        pytest.param("BYTES=0-1", [Span(0, 2)], id="unit-in-capitals"),
        pytest.param("bytes=0-0,5-6", [Span(0, 1), Span(5, 7)], id="two"),
        pytest.param("bytes=5-6,0-0", [Span(5, 7), Span(0, 1)], id="two-backwards"),
        pytest.param("bytes=0-9,5-14", [Span(0, 15)], id="overlapping"),
        pytest.param("bytes=5-9,0-4", [Span(0, 10)], id="touching"),
        pytest.param("bytes=20-29,0-4,25-34,100-", [Span(20, 35), Span(0, 5), Span(100, 1024)], id="some-overlapping"),
        pytest.param("bytes=0-4,10-14,2-12", [Span(0, 15)], id="bridged"),
        pytest.param("bytes=0-,0-", [Span(0, 1024)], id="twice-the-file"),
        pytest.param("bytes=,0-0,,\t5-6 ,", [Span(0, 1), Span(5, 7)], id="empty-members"),
        pytest.param("bytes=0-0,2000-", [Span(0, 1)], id="one-of-two-unsatisfiable"),
        pytest.param("bytes=-" + "9" * 5000, [Span(0, 1024)], id="huge-suffix"),
        pytest.param("bytes=0-" + "9" * 5000, [Span(0, 1024)], id="huge-end"),
        pytest.param("bytes=" + "0" * 50 + "7-8", [Span(7, 9)], id="leading-zeros"),
    ],
)
def test_a_satisfiable_header_gives_its_spans(value: str, spans: list[Span]) -> None:
    assert select_ranges(value, 1024) == spans


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=-5", "bytes=-0", "bytes=5-9", "bytes=0-0,3-"])
def test_no_range_of_an_empty_file_counts(value: str) -> None:
    assert select_ranges(value, 0) is None


def test_exactly_sixteen_ranges_are_answered() -> None:
    spans = select_ranges("bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(MAX_RANGES)), 1024)
    assert spans is not None
    assert len(spans) == MAX_RANGES
    assert all(before.stop < after.start for before, after in pairwise(spans))


def test_ranges_are_printed_inclusively() -> None:
    assert ranges.format_content_range(Span(5, 10), 1024) == "bytes 5-9/1024"
    assert ranges.format_unsatisfied(1024) == "bytes */1024"


def test_a_multipart_body_is_framed_as_rfc_9110_shows_it() -> None:
    head = ranges.part_header(Span(0, 2), length=9, media_type="text/plain", boundary="B")
    assert head == b"\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/9\r\n\r\n"
    assert ranges.closing_boundary("B") == b"\r\n--B--\r\n"
