"""Counting with half-open ranges."""

from hypothesis import given
from hypothesis import strategies as st

from transfer_service.wire.ranges import Span

SPANS = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: Span(min(pair), max(pair)))


def positions(span: Span | None) -> set[int]:
    return set(range(span.start, span.stop)) if span else set()


@given(span=SPANS)
def test_a_span_is_as_large_as_its_positions(span: Span) -> None:
    assert span.size == len(positions(span))


@given(one=SPANS, other=SPANS)
def test_an_overlap_is_the_common_positions(one: Span, other: Span) -> None:
    assert positions(one.overlap(other)) == positions(one) & positions(other)
    assert one.overlap(other) == other.overlap(one)
