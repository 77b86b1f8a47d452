"""Taking over a blob: the last one who comes has it, and nobody who came before comes in afterwards."""

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.storage.conftest import KINDS
from tests.storage.leased import LeasedStore, migrated, processes
from tests.storage.other_process import holding
from tests.stores import count
from transfer_service.errors import BlobMissing, RangeBusy
from transfer_service.storage.blobs import END, BlobStore
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.rooms import FILES, Room
from transfer_service.wire.ranges import Span

ALL = Span(0, END)
LAST = Span(END - 1, END)
PATIENCE_SECONDS = 20.0


@pytest.fixture(params=[*KINDS, "sqlite", "postgresql"])
def any_store(request: pytest.FixtureRequest, room_on: Callable[[str, Room], BlobStore]) -> Iterator[BlobStore]:
    """Each kind of store, and one with claims in a database, of each kind."""
    if request.param in KINDS:
        yield room_on(request.param, FILES)
        return
    with processes(migrated(request.param, request)) as begin:
        yield LeasedStore(FILES, begin().claims)


@pytest.fixture
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(8)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def take(store: BlobStore, blob_id: uuid.UUID, *, span: Span = ALL, seconds: float = PATIENCE_SECONDS) -> str:
    """Take over and let go at once: `had`, or `left` where somebody came after."""
    try:
        with store.take_over(blob_id, span, create=True, wait_seconds=seconds) as writer:
            return "wanted" if writer.is_wanted() else "had"
    except RangeBusy:
        return "left"


def test_a_holder_sees_who_comes_after(any_store: BlobStore, blob_id: uuid.UUID, pool: ThreadPoolExecutor) -> None:
    with any_store.take_over(blob_id, ALL, create=True, wait_seconds=0) as writer:
        assert not writer.is_wanted()
        after: Future[str] = pool.submit(take, any_store, blob_id, span=LAST)
        until(writer.is_wanted)
    assert after.result(PATIENCE_SECONDS) == "had"


def test_who_waits_leaves_when_somebody_comes_after(
    any_store: BlobStore, blob_id: uuid.UUID, pool: ThreadPoolExecutor
) -> None:
    with any_store.take_over(blob_id, ALL, create=True, wait_seconds=0) as writer:
        first = pool.submit(take, any_store, blob_id)
        until(writer.is_wanted)
        second = pool.submit(take, any_store, blob_id, span=LAST)
        assert first.result(PATIENCE_SECONDS) == "left"  # while the holder still holds
        assert not second.done()
    assert second.result(PATIENCE_SECONDS) == "had"


def test_of_many_that_come_one_after_the_other_the_last_has_it(
    any_store: BlobStore, blob_id: uuid.UUID, pool: ThreadPoolExecutor
) -> None:
    for _ in range(20):
        with any_store.take_over(blob_id, ALL, create=True, wait_seconds=0) as writer:
            waiting = [pool.submit(take, any_store, blob_id, span=span) for span in (ALL, LAST, ALL, LAST)]
            until(writer.is_wanted)
        told = [each.result(PATIENCE_SECONDS) for each in waiting]
        assert told.count("had") >= 1
        assert set(told) <= {"had", "left", "wanted"}


def test_who_was_there_before_a_short_visit_does_not_come_in_after_it(
    any_store: BlobStore, blob_id: uuid.UUID, pool: ThreadPoolExecutor
) -> None:
    """Else the visitor would have been told what is not true any more."""
    for _ in range(20):
        moments: list[str] = []

        def visit() -> None:
            with any_store.take_over(blob_id, LAST, create=True, wait_seconds=PATIENCE_SECONDS):
                moments.append("visit")  # noqa: B023

        def append() -> None:
            try:
                with any_store.take_over(blob_id, ALL, create=True, wait_seconds=PATIENCE_SECONDS) as writer:
                    if not writer.is_wanted():
                        moments.append("append")  # noqa: B023
            except RangeBusy:
                pass

        with any_store.take_over(blob_id, ALL, create=True, wait_seconds=0) as writer:
            waiting = pool.submit(append)
            until(writer.is_wanted)
            visiting = pool.submit(visit)
            until(visiting.running)
            assert waiting.result(PATIENCE_SECONDS) is None  # it has seen the visitor, and left
        visiting.result(PATIENCE_SECONDS)
        waiting.result(PATIENCE_SECONDS)
        assert moments == ["visit"]


def test_who_holds_and_never_gives_way_is_waited_for_no_longer_than_asked(
    store: DiskStore, root: Path, blob_id: uuid.UUID
) -> None:
    with holding(root, blob_id, ALL):
        began_at = time.monotonic()
        assert take(store, blob_id, seconds=0.2) == "left"
        assert 0.2 <= time.monotonic() - began_at < PATIENCE_SECONDS


def test_a_frozen_waiter_of_another_time_does_not_hold_up_for_ever(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    with any_store.open_writer(blob_id, Span(0, 1), create=True, wait_seconds=0):
        pass
    assert take(any_store, blob_id, seconds=0.2) == "had"
    assert not any_store.claims.is_in_use(blob_id)


def test_nothing_is_left_when_all_have_gone(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    with any_store.take_over(blob_id, ALL, create=True, wait_seconds=0) as writer:
        assert any_store.claims.is_in_use(blob_id)
        assert not writer.is_wanted()
    assert not any_store.claims.is_in_use(blob_id)


def test_a_deleted_blob_is_wanted_back(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    with any_store.take_over(blob_id, ALL, create=True, wait_seconds=0) as writer:
        writer.write(0, [b"abc"])
        count(any_store, writer)
        any_store.delete(blob_id)
        assert writer.is_wanted()
    with pytest.raises(BlobMissing), any_store.take_over(blob_id, LAST, create=False, wait_seconds=0):
        pass
