"""Claiming a range of an open file."""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.errors import RangeBusy
from transfer_service.storage.range_locks import claim, is_claimed, is_wanted
from transfer_service.wire.ranges import Span

SPANS = st.tuples(st.integers(0, 20), st.integers(1, 20)).map(lambda pair: Span(pair[0], pair[0] + pair[1]))
PATIENCE_SECONDS = 20.0


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], int]]:
    """Open the same file once more."""
    descriptors: list[int] = []

    def open_again() -> int:
        descriptors.append(os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT))
        return descriptors[-1]

    yield open_again
    for descriptor in descriptors:
        try:
            os.close(descriptor)
        except OSError:  # the test closed it
            continue


def waits(thread: threading.Thread, condition: Callable[[], bool]) -> bool:
    """Whether `condition` comes true while the thread runs."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while thread.is_alive() and time.monotonic() < deadline:
        if condition():
            return True
        thread.join(0.002)
    return condition()


@given(one=SPANS, other=SPANS)
def test_two_claims_exclude_each_other_exactly_where_they_overlap(one: Span, other: Span) -> None:
    with tempfile.NamedTemporaryFile() as first, Path(first.name).open("r+b") as second:
        claim(first.fileno(), one, wait_seconds=0)
        overlap = bool(set(range(one.start, one.stop)) & set(range(other.start, other.stop)))
        assert is_claimed(second.fileno(), other) == overlap
        try:
            claim(second.fileno(), other, wait_seconds=0)
        except RangeBusy:
            assert overlap
        else:
            assert not overlap


def test_a_claim_is_not_seen_by_its_own_holder(opened: Callable[[], int]) -> None:
    holder, other = opened(), opened()
    claim(holder, Span(0, 10), wait_seconds=0)
    assert not is_claimed(holder, Span(0, 10))
    assert is_claimed(other, Span(9, 10))


def test_a_claim_ends_with_its_descriptor(opened: Callable[[], int]) -> None:
    holder, other = opened(), opened()
    claim(holder, Span(0, 10), wait_seconds=0)
    os.close(holder)
    assert not is_claimed(other, Span(0, 10))
    claim(other, Span(0, 10), wait_seconds=0)


def test_closing_another_descriptor_of_the_file_keeps_the_claim(opened: Callable[[], int]) -> None:
    holder, closed, other = opened(), opened(), opened()
    claim(holder, Span(0, 10), wait_seconds=0)
    os.close(closed)
    assert is_claimed(other, Span(0, 10))


def test_a_busy_range_is_refused_when_the_wait_is_over(opened: Callable[[], int]) -> None:
    holder, other = opened(), opened()
    claim(holder, Span(0, 10), wait_seconds=0)
    began = time.monotonic()
    with pytest.raises(RangeBusy):
        claim(other, Span(5, 15), wait_seconds=0.1)
    assert 0.1 <= time.monotonic() - began < PATIENCE_SECONDS
    assert not is_wanted(holder, Span(0, 10))


def test_a_refused_claim_holds_nothing(opened: Callable[[], int]) -> None:
    holder, refused, third = opened(), opened(), opened()
    claim(holder, Span(0, 10), wait_seconds=0)
    with pytest.raises(RangeBusy):
        claim(refused, Span(5, 15), wait_seconds=0)
    claim(third, Span(10, 15), wait_seconds=0)


def test_a_waiting_claim_is_seen_by_the_holder_and_succeeds_when_he_lets_go(opened: Callable[[], int]) -> None:
    holder, waiting = opened(), opened()
    claim(holder, Span(0, 10), wait_seconds=0)
    assert not is_wanted(holder, Span(0, 10))
    waiter = threading.Thread(target=claim, args=(waiting, Span(5, 15)), kwargs={"wait_seconds": PATIENCE_SECONDS})
    waiter.start()
    assert waits(waiter, lambda: is_wanted(holder, Span(0, 10)))
    os.close(holder)
    waiter.join(PATIENCE_SECONDS)
    assert is_claimed(opened(), Span(5, 15))


def test_a_waiting_claim_is_wanted_only_where_it_waits(opened: Callable[[], int]) -> None:
    holder, bystander, waiting = opened(), opened(), opened()
    claim(holder, Span(0, 10), wait_seconds=0)
    claim(bystander, Span(100, 110), wait_seconds=0)
    waiter = threading.Thread(target=claim, args=(waiting, Span(0, 5)), kwargs={"wait_seconds": PATIENCE_SECONDS})
    waiter.start()
    assert waits(waiter, lambda: is_wanted(holder, Span(0, 10)))
    assert not is_wanted(bystander, Span(100, 110))
    os.close(holder)
    waiter.join(PATIENCE_SECONDS)


def test_who_has_stopped_waiting_is_not_wanted_any_more(opened: Callable[[], int]) -> None:
    holder, waiting = opened(), opened()
    claim(holder, Span(0, 10), wait_seconds=0)
    waiter = threading.Thread(target=claim, args=(waiting, Span(0, 10)), kwargs={"wait_seconds": PATIENCE_SECONDS})
    waiter.start()
    assert waits(waiter, lambda: is_wanted(holder, Span(0, 10)))
    os.close(holder)
    waiter.join(PATIENCE_SECONDS)
    assert not is_wanted(opened(), Span(0, 10))
