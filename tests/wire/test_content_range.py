"""Reading the Content-Range of a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.errors import InvalidRequest
from transfer_service.wire.ranges import INVALID, ContentRange, Span, format_content_range, parse_content_range

OFFSETS = st.integers(0, 2**63)


@given(start=OFFSETS, size=st.integers(1, 2**40), room=st.none() | st.integers(0, 2**40))
def test_what_was_printed_is_read_back(start: int, size: int, room: int | None) -> None:
    span = Span(start, start + size)
    if room is None:
        value, total = f"bytes {start}-{span.stop - 1}/*", None
    else:
        total = span.stop + room
        value = format_content_range(span, total)
    assert parse_content_range(value) == ContentRange(span=span, total=total)


@given(value=st.text(max_size=60) | st.text("bytes 0123456789-/*", max_size=60).map("bytes {}".format))
def test_anything_else_is_refused_and_never_reversed_or_past_its_total(value: str) -> None:
    try:
        parsed = parse_content_range(value)
    except InvalidRequest as refusal:
        assert refusal.detail.startswith(f"{INVALID}: ")
        return
    assert 0 <= parsed.span.start < parsed.span.stop
    assert parsed.total is None or parsed.span.stop <= parsed.total


UNIT, FORM, NO_RANGE, REVERSED, PAST = (
    "the unit must be bytes",
    "expected bytes START-END/TOTAL or bytes START-END/*",
    "it names no range",
    "the range ends before it starts",
    "the range ends past the total",
)


@pytest.mark.parametrize(
    ("value", "flaw"),
    [
        pytest.param("", UNIT, id="empty"),
        pytest.param("bytes", UNIT, id="only-the-unit"),
        pytest.param("0-4/5", UNIT, id="no-unit"),
        pytest.param("items 0-4/5", UNIT, id="other-unit"),
        pytest.param("bytes=0-4/5", UNIT, id="equals-sign"),
        pytest.param("bytes 0-4", FORM, id="no-total"),
        pytest.param("bytes 0-4/", FORM, id="empty-total"),
        pytest.param("bytes */5", NO_RANGE, id="unsatisfied-form"),
        pytest.param("bytes -4/5", FORM, id="no-start"),
        pytest.param("bytes 0-/5", FORM, id="no-end"),
        pytest.param("bytes 4-0/5", REVERSED, id="reversed"),
        pytest.param("bytes 0-5/5", PAST, id="past-the-total"),
        pytest.param("bytes 0-0/0", PAST, id="total-of-zero"),
        pytest.param("bytes -1-4/5", FORM, id="negative"),
        pytest.param("bytes 0-4/+5", FORM, id="plus-sign"),
        pytest.param("bytes 0-4/5 6", FORM, id="something-behind"),
        pytest.param("bytes 0-4/5\n", FORM, id="newline"),
        pytest.param("bytes 0 - 4 / 5", FORM, id="blanks-inside"),
        pytest.param("bytes 0-4/\u0665", FORM, id="other-digits"),
        pytest.param("bytes 0-4/" + "9" * 5000, FORM, id="huge-total"),
        pytest.param("bytes " + "9" * 5000 + "-4/5", FORM, id="huge-start"),
    ],
)
def test_a_malformed_value_is_refused_by_what_is_wrong(value: str, flaw: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_content_range(value)
    assert refused.value.detail == f"{INVALID}: {flaw}"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("Bytes 0-4/5", id="unit-in-capitals"),
        pytest.param(" bytes 0-4/5\t", id="blanks-around"),
        pytest.param("bytes 00-04/005", id="leading-zeros"),
    ],
)
def test_what_http_leaves_open_is_accepted(value: str) -> None:
    assert parse_content_range(value) == ContentRange(span=Span(0, 5), total=5)
