"""Recording which bytes of a file are stored."""

import uuid

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.services.conftest import Bench
from transfer_service.models.files import File, FileState
from transfer_service.services.files.received_ranges import (
    absorb,
    add_span,
    all_spans,
    contiguous_from_start,
    first_spans,
    gaps,
    touching_spans,
)
from transfer_service.wire.ranges import Span

SPANS = st.tuples(st.integers(0, 40), st.integers(1, 12)).map(lambda pair: Span(pair[0], pair[0] + pair[1]))
HISTORIES = st.lists(SPANS, min_size=1, max_size=14)
on_both = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def positions(*spans: Span) -> set[int]:
    return {position for span in spans for position in range(span.start, span.stop)}


def merged(stored: set[int]) -> list[Span]:
    """The runs of a set of positions, found by walking over every position."""
    starts = sorted(position for position in stored if position - 1 not in stored)
    stops = sorted(position + 1 for position in stored if position + 1 not in stored)
    return [Span(start, stop) for start, stop in zip(starts, stops, strict=True)]


@given(stored=st.sets(st.integers(0, 40)), new=SPANS)
def test_absorbing_gives_the_union_and_counts_new_bytes_once(stored: set[int], new: Span) -> None:
    touching = [span for span in merged(stored) if span.start <= new.stop and new.start <= span.stop]
    union, added = absorb(touching, new)
    assert positions(union) == positions(new, *touching)
    assert added == len(positions(new) - stored)


@given(stored=st.sets(st.integers(0, 40)), length=st.integers(41, 50))
def test_gaps_are_what_is_not_stored(stored: set[int], length: int) -> None:
    missing = gaps(merged(stored), length)
    assert missing == merged(set(range(length)) - stored)


def new_file(bench: Bench) -> uuid.UUID:
    with bench.services.database.write() as session:
        file = File(
            id=uuid.uuid4(), account_id=bench.account_id, name="x", holds_name=False, media_type="text/plain",
            state=FileState.RECEIVING, created_at=bench.clock(), updated_at=bench.clock(),
        )  # fmt: skip
        session.add(file)
    return file.id


@on_both
@given(history=HISTORIES)
def test_any_history_of_spans_is_kept_as_merged_rows(any_bench: Bench, history: list[Span]) -> None:
    file_id, stored = new_file(any_bench), set[int]()
    with any_bench.services.database.write() as session:
        for span in history:
            whole, added = add_span(session, file_id, span)
            assert added == len(positions(span) - stored)
            stored |= positions(span)
            assert whole in merged(stored)
            assert positions(span) <= positions(whole)
        assert all_spans(session, file_id) == merged(stored)
        assert contiguous_from_start(session, file_id) == next(n for n in range(100) if n not in stored)


@on_both
@given(history=HISTORIES, asked=SPANS)
def test_touching_spans_overlap_or_border(any_bench: Bench, history: list[Span], asked: Span) -> None:
    file_id = new_file(any_bench)
    with any_bench.services.database.write() as session:
        for span in history:
            add_span(session, file_id, span)
        touching = [
            span for span in merged(positions(*history)) if span.start <= asked.stop and asked.start <= span.stop
        ]
        assert touching_spans(session, file_id, asked) == touching


def test_spans_of_one_file_do_not_touch_those_of_another(any_bench: Bench) -> None:
    one, other = new_file(any_bench), new_file(any_bench)
    with any_bench.services.database.write() as session:
        add_span(session, one, Span(0, 10))
        assert touching_spans(session, other, Span(0, 10)) == []
        assert add_span(session, other, Span(5, 6)) == (Span(5, 6), 1)
    with any_bench.services.database.read() as session:
        assert (all_spans(session, one), all_spans(session, other)) == ([Span(0, 10)], [Span(5, 6)])


def test_only_as_many_spans_as_asked_for_are_read(any_bench: Bench) -> None:
    file_id = new_file(any_bench)
    with any_bench.services.database.write() as session:
        for start in range(20, 0, -2):
            add_span(session, file_id, Span(start, start + 1))
        assert first_spans(session, file_id, limit=2) == [Span(2, 3), Span(4, 5)]
        assert contiguous_from_start(session, file_id) == 0


def test_positions_beyond_32_bits_are_kept(any_bench: Bench) -> None:
    file_id, far = new_file(any_bench), Span(2**53 - 1, 2**53)
    with any_bench.services.database.write() as session:
        add_span(session, file_id, far)
    with any_bench.services.database.read() as session:
        assert all_spans(session, file_id) == [far]
