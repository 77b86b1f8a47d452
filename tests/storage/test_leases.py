"""Claims in a database: who excludes whom, who sees what, and what becomes of those of a dead process."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.live.server import wait_until
from tests.storage.leased import Process, migrated, processes
from transfer_service.errors import ClaimLost, RangeBusy, StoreUnavailable, Superseded
from transfer_service.storage.blobs import END, WHOLE, Key
from transfer_service.storage.lease_locks import LeaseLock
from transfer_service.storage.lease_rows import Seen
from transfer_service.storage.leases import LeaseClaims
from transfer_service.storage.rooms import ATTACHMENTS
from transfer_service.wire.ranges import Span

SPANS = st.tuples(st.integers(0, 20), st.integers(1, 20)).map(lambda pair: Span(pair[0], pair[0] + pair[1]))
PATIENCE_SECONDS = 20.0
LAST = Span(END - 1, END)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    return migrated(request.param, request)


@pytest.fixture
def begin(url: str) -> Iterator[Callable[[], Process]]:
    with processes(url) as begin:
        yield begin


@pytest.fixture
def here(begin: Callable[[], Process]) -> Process:
    return begin()


@pytest.fixture
def there(begin: Callable[[], Process]) -> Process:
    return begin()


@pytest.fixture
def key() -> uuid.UUID:
    return uuid.uuid4()


class Waiter:
    """Somebody who waits for a lock in a thread, holds it until told to let go, and tells how it went."""

    def __init__(self, process: Process, key: Key, span: Span, *, turn: bool = False):
        self.outcome = ""
        self._take = process.claims.take_over if turn else process.claims.lock
        self._arguments = key, span
        self._let_go = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        key, span = self._arguments
        try:
            with self._take(key, span, wait_seconds=PATIENCE_SECONDS):
                self.outcome = "held"
                self._let_go.wait(PATIENCE_SECONDS)
        except RangeBusy as error:
            self.outcome = type(error).__name__

    def end(self) -> str:
        self._let_go.set()
        self._thread.join(PATIENCE_SECONDS)
        return self.outcome


def rows_left(process: Process) -> int:
    with process.database.read_rows() as rows:
        return int(rows.execute(text("SELECT count(*) FROM claims")).scalar_one())


def expiry(process: Process) -> float:
    with process.database.read_rows() as rows:
        statement = text("SELECT expires_at FROM claim_processes WHERE id = :id")
        return float(rows.execute(statement, {"id": process.leases.process_id}).scalar_one())


def outlive(process: Process) -> None:
    """Let a process be dead for the database, as if it had been stopped for long."""
    with process.database.write() as session:
        session.execute(
            text("UPDATE claim_processes SET expires_at = expires_at - 60 WHERE id = :id"),
            {"id": process.leases.process_id},
        )


def stop(process: Process) -> None:
    """Keep a process from renewing anything, and let its lease end."""
    tried = threading.Event()

    def fail(_process_id: str) -> None:
        tried.set()
        raise StoreUnavailable

    process.leases.rows.renew = fail  # type: ignore[method-assign, assignment]
    assert tried.wait(PATIENCE_SECONDS)  # a renewal that had begun has ended
    outlive(process)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=SPANS, other=SPANS)
def test_two_claims_exclude_each_other_exactly_where_they_overlap(
    here: Process, there: Process, one: Span, other: Span
) -> None:
    key = uuid.uuid4()
    overlap = bool(set(range(one.start, one.stop)) & set(range(other.start, other.stop)))
    with here.claims.lock(key, one, wait_seconds=0), ExitStack() as held:
        assert there.claims.is_locked(key, other) == overlap
        try:
            held.enter_context(there.claims.lock(key, other, wait_seconds=0))
        except RangeBusy:
            assert overlap
        else:
            assert not overlap


def test_a_process_excludes_itself_too(here: Process, key: uuid.UUID) -> None:
    with here.claims.lock(key, WHOLE, wait_seconds=0) as lock:
        with pytest.raises(RangeBusy), here.claims.lock(key, Span(3, 4), wait_seconds=0):
            pass
        assert not lock.is_wanted()
    assert rows_left(here) == 0


def test_other_blobs_and_other_rooms_are_free(here: Process, key: uuid.UUID) -> None:
    elsewhere = LeaseClaims(here.leases, "elsewhere")
    with (
        here.claims.lock(key, WHOLE, wait_seconds=0),
        here.claims.lock(uuid.uuid4(), WHOLE, wait_seconds=0),
        elsewhere.lock(key, WHOLE, wait_seconds=0),
    ):
        assert rows_left(here) == 3


def test_a_busy_range_is_refused_when_the_wait_is_over(here: Process, there: Process, key: uuid.UUID) -> None:
    with here.claims.lock(key, Span(0, 10), wait_seconds=0) as lock:
        began_at = time.monotonic()
        with pytest.raises(RangeBusy), there.claims.lock(key, Span(5, 15), wait_seconds=0.1):
            pass
        assert 0.1 <= time.monotonic() - began_at < PATIENCE_SECONDS
        wait_until(lambda: not lock.is_wanted())
        with there.claims.lock(key, Span(10, 15), wait_seconds=0):
            assert rows_left(here) == 2


def test_who_waits_is_seen_by_the_holder_and_comes_in_when_he_lets_go(
    here: Process, there: Process, key: uuid.UUID
) -> None:
    with (
        here.claims.lock(key, Span(0, 10), wait_seconds=0) as lock,
        here.claims.lock(key, Span(100, 110), wait_seconds=0) as bystander,
    ):
        assert not lock.is_wanted()
        waiter = Waiter(there, key, Span(5, 15))
        wait_until(lock.is_wanted)
        assert (bystander.is_wanted(), waiter.outcome) == (False, "")
    wait_until(lambda: waiter.outcome == "held")
    assert here.claims.is_locked(key, Span(14, 15))
    assert waiter.end() == "held"
    assert rows_left(here) == 0


def test_who_came_in_sees_who_waits_already(here: Process, there: Process, key: uuid.UUID) -> None:
    with here.claims.lock(key, Span(0, 10), wait_seconds=0) as lock:
        waiter = Waiter(there, key, Span(5, 15))
        wait_until(lock.is_wanted)
        with here.claims.lock(key, Span(12, 14), wait_seconds=0) as late:
            assert late.is_wanted()
    assert waiter.end() == "held"


def test_the_last_who_comes_is_the_only_one_who_waits(here: Process, there: Process, key: uuid.UUID) -> None:
    with here.claims.take_over(key, WHOLE, wait_seconds=0) as lock:
        first = Waiter(there, key, WHOLE, turn=True)
        wait_until(lock.is_wanted)
        second = Waiter(here, key, LAST, turn=True)
        wait_until(lambda: first.outcome == "Superseded")
        assert second.outcome == ""
    assert second.end() == "held"


def test_many_in_two_processes_take_over_and_the_last_one_has_it(here: Process, there: Process, key: uuid.UUID) -> None:
    with here.claims.take_over(key, WHOLE, wait_seconds=0):
        waiters = [Waiter((here, there)[number % 2], key, LAST, turn=True) for number in range(12)]
        wait_until(lambda: [each.outcome for each in waiters].count("Superseded") == len(waiters) - 1)
    assert sorted(each.end() for each in waiters) == ["Superseded"] * (len(waiters) - 1) + ["held"]
    assert rows_left(here) == 0


def test_a_dead_holder_is_buried_and_knows_it(here: Process, there: Process, key: uuid.UUID) -> None:
    with here.claims.lock(key, WHOLE, wait_seconds=0) as lost:
        with here.database.write_rows() as rows:
            lost.check(rows)
        stop(here)
        with there.claims.lock(key, WHOLE, wait_seconds=0) as lock:
            for ours, theirs in ((lost, False), (lock, True)):
                with here.database.write_rows() as rows:
                    assert _is_kept(ours, rows) is theirs
            wait_until(lost.is_wanted)
    assert rows_left(here) == 0


def _is_kept(lock: object, rows: object) -> bool:
    try:
        lock.check(rows)  # type: ignore[attr-defined]
    except ClaimLost:
        return False
    return True


def test_who_waits_for_a_dead_holder_comes_in_by_himself(here: Process, there: Process, key: uuid.UUID) -> None:
    with here.claims.lock(key, WHOLE, wait_seconds=0) as lost:
        waiter = Waiter(there, key, WHOLE)
        wait_until(lost.is_wanted)
        stop(here)
        wait_until(lambda: waiter.outcome == "held")
    assert waiter.end() == "held"


def test_a_holder_that_could_not_renew_gives_up_by_its_own_clock(here: Process, key: uuid.UUID) -> None:
    with here.claims.lock(key, WHOLE, wait_seconds=0) as lock:
        assert not lock.is_wanted()
        stop(here)
        wait_until(lock.is_wanted)
        with here.database.write_rows() as rows, pytest.raises(ClaimLost):
            lock.check(rows)


def test_what_was_buried_is_lost_before_its_process_counts_as_alive_again(
    here: Process, there: Process, key: uuid.UUID
) -> None:
    """Or what was frozen could go on, sure of its claim, until it looks: with what cannot be undone."""
    with here.claims.lock(key, WHOLE, wait_seconds=0) as buried:
        stop(here)
        wait_until(here.leases.is_doubtful)
        with there.claims.lock(key, WHOLE, wait_seconds=0):
            look, doubts = here.leases.rows.look, list[bool]()

            def look_and_tell(process_id: str) -> dict[str, Seen]:
                doubts.append(here.leases.is_doubtful())
                return look(process_id)

            here.leases.rows.look = look_and_tell  # type: ignore[method-assign]
            del here.leases.rows.renew
            wait_until(lambda: not here.leases.is_doubtful())
            assert (doubts[0], buried.is_lost) == (True, True)


def test_a_clock_of_the_database_that_is_set_back_keeps_nobody_dead_alive(
    here: Process, there: Process, key: uuid.UUID
) -> None:
    with here.claims.lock(key, WHOLE, wait_seconds=0):
        stop(here)
        with here.database.write() as session:
            session.execute(text("UPDATE claim_processes SET expires_at = expires_at + 3600"))
        there.leases.begin()
        with there.claims.lock(key, WHOLE, wait_seconds=0):
            pass


def test_what_a_stopped_process_had_is_its_own_again_where_nobody_wanted_it(here: Process, key: uuid.UUID) -> None:
    with here.claims.lock(key, WHOLE, wait_seconds=0) as lock:
        before = expiry(here)
        outlive(here)
        wait_until(lambda: expiry(here) >= before)
        with here.database.write_rows() as rows:
            lock.check(rows)


@pytest.mark.parametrize("question", ["is_in_use", "is_locked"])
def test_who_was_told_that_nobody_has_a_claim_can_rely_on_it(
    here: Process, there: Process, key: uuid.UUID, question: str
) -> None:
    """Whoever tells a client how far its upload is asks just that, and a frozen append may go on right afterwards."""
    with here.claims.lock(key, WHOLE, wait_seconds=0) as lock:
        stop(here)
        is_taken = there.claims.is_in_use(key) if question == "is_in_use" else there.claims.is_locked(key, WHOLE)
        assert not is_taken
        del here.leases.rows.renew  # it goes on
        here.leases.begin()
        with here.database.write_rows() as rows, pytest.raises(ClaimLost):
            lock.check(rows)


def test_a_commit_under_a_claim_is_waited_for_by_who_would_bury_it(
    here: Process, there: Process, key: uuid.UUID
) -> None:
    with here.claims.lock(key, WHOLE, wait_seconds=0) as lock:
        stop(here)
        with here.database.write_rows() as rows:
            lock.check(rows)
            waiter = Waiter(there, key, WHOLE)
            time.sleep(0.6)  # more than two looks
            assert waiter.outcome == ""
        wait_until(lambda: waiter.outcome == "held")
        assert waiter.end() == "held"


def test_a_deleted_blob_has_no_holder(here: Process, there: Process, key: uuid.UUID) -> None:
    with here.claims.lock(key, WHOLE, wait_seconds=0) as lock:
        there.claims.end_all(key)
        with there.claims.lock(key, WHOLE, wait_seconds=0):
            wait_until(lock.is_wanted)
            with here.database.write_rows() as rows, pytest.raises(ClaimLost):
                lock.check(rows)


def test_a_group_is_in_use_with_one_of_its_blobs(begin: Callable[[], Process]) -> None:
    process = begin()
    attachments = LeaseClaims(process.leases, ATTACHMENTS.location)
    group, other = "0" * 24, "1" * 24
    name = f"{group}/it's 100% \\ ü {{x}} :a.bin"
    with attachments.lock(name, WHOLE, wait_seconds=0):
        found = [attachments.is_in_use(each) for each in (group, name, other, f"{group}/it")]
        with attachments.secluded(group) as is_free:
            assert not is_free
    assert found == [True, True, False, False]
    assert not attachments.is_in_use(group)


def test_who_waits_uses_the_blob(here: Process, there: Process, key: uuid.UUID) -> None:
    with here.claims.lock(key, Span(0, 1), wait_seconds=0) as lock:
        waiter = Waiter(there, key, Span(0, 9))
        wait_until(lock.is_wanted)
        assert not there.claims.is_locked(key, Span(5, 9))
        with there.claims.secluded(key) as is_free:
            assert not is_free
    assert waiter.end() == "held"


def test_nobody_elsewhere_locks_what_is_secluded(here: Process, there: Process, key: uuid.UUID) -> None:
    with here.claims.secluded(key) as is_free:
        assert is_free
        with here.claims.lock(key, WHOLE, wait_seconds=0):  # who removes something may lock it
            pass
        with pytest.raises(RangeBusy), there.claims.lock(key, WHOLE, wait_seconds=0):
            pass
        waiter = Waiter(there, key, WHOLE)
        with there.claims.secluded(key) as is_free:
            assert not is_free
    wait_until(lambda: waiter.outcome == "held")
    assert waiter.end() == "held"


def test_what_is_used_for_a_second_is_seen_elsewhere(here: Process, there: Process, key: uuid.UUID) -> None:
    def is_free() -> bool:
        with there.claims.secluded(key) as free:
            return free

    with here.claims.in_use(key), here.claims.in_use(key):
        with here.claims.secluded(key) as free:
            assert not free
        assert (rows_left(here), here.claims.is_in_use(key)) == (0, False)
        wait_until(lambda: not is_free())
        with here.claims.lock(key, WHOLE, wait_seconds=0):  # who uses it may write too
            pass
    assert (is_free(), rows_left(here)) == (True, 0)


def test_the_use_by_a_dead_process_counts_no_more(here: Process, there: Process, key: uuid.UUID) -> None:
    with here.claims.in_use(key):
        wait_until(lambda: rows_left(here) == 1)
        stop(here)
        with there.claims.secluded(key) as is_free:
            assert is_free


def test_what_was_taken_for_dead_is_shown_again(here: Process, there: Process, key: uuid.UUID) -> None:
    with here.claims.in_use(key):
        wait_until(lambda: rows_left(here) == 1)
        outlive(here)
        with there.claims.secluded(key):
            pass
        wait_until(lambda: rows_left(here) == 1)


def test_a_release_that_fails_is_made_up_for(here: Process, key: uuid.UUID) -> None:
    remove, failures = here.leases.rows.remove, [RangeBusy(), RangeBusy()]

    def fail_first(values: object) -> None:
        if failures:
            raise failures.pop()
        remove(values)  # type: ignore[arg-type]

    here.leases.rows.remove = fail_first  # type: ignore[method-assign]
    with here.claims.lock(key, WHOLE, wait_seconds=0):
        pass
    assert rows_left(here) == 1
    wait_until(lambda: rows_left(here) == 0)


def test_a_claim_that_nobody_knows_of_does_not_stay(here: Process, there: Process, key: uuid.UUID) -> None:
    """Of which only a failure was heard: the message of a connection that was cut may be carried out late."""
    with here.claims.lock(uuid.uuid4(), WHOLE, wait_seconds=0), here.claims.in_use(uuid.uuid4()):
        lock = LeaseLock(here.leases, "blobs", key, WHOLE, takes_over=False)
        assert here.leases.rows.take({**lock.values, "process": here.leases.process_id, "waits": False})
        waiter = Waiter(there, key, WHOLE)
        wait_until(lambda: waiter.outcome == "held")
        assert waiter.end() == "held"
        wait_until(lambda: rows_left(here) == 2)


def test_what_dead_processes_leave_is_swept(here: Process, there: Process) -> None:
    with here.claims.lock(uuid.uuid4(), WHOLE, wait_seconds=0):
        stop(here)
        there.leases.begin()
        there.leases.rows.sweep(there.leases.process_id)
        assert rows_left(there) == 0


def test_a_process_that_closes_leaves_nothing(here: Process, key: uuid.UUID) -> None:
    with here.claims.lock(key, WHOLE, wait_seconds=0):
        here.leases.close()
        assert rows_left(here) == 0
        with here.database.read_rows() as rows:
            assert rows.execute(text("SELECT count(*) FROM claim_processes")).scalar_one() == 0


def test_a_new_blob_costs_no_row(here: Process) -> None:
    lock = here.claims.new(WHOLE)
    with here.database.write_rows() as rows:
        lock.check(rows)
    assert (lock.is_wanted(), rows_left(here), lock.span) == (False, 0, WHOLE)


def test_superseded_is_told_even_where_the_wait_is_over_at_once(here: Process, there: Process, key: uuid.UUID) -> None:
    with here.claims.take_over(key, WHOLE, wait_seconds=0) as lock:
        waiter = Waiter(there, key, WHOLE, turn=True)
        wait_until(lock.is_wanted)
        with pytest.raises(RangeBusy) as refused, here.claims.take_over(key, LAST, wait_seconds=0):
            pass
        assert not isinstance(refused.value, Superseded)
        wait_until(lambda: waiter.outcome == "Superseded")
    waiter.end()
