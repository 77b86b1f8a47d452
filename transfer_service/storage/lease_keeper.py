"""What one process has of claims: its locks, kept alive, and told at once what others want of them.

One statement a second says that the process lives, and one look at the rows brings back what became of its locks, so
that nobody asks the database how his lock is. Notices are quicker than the look, and may be lost.
"""

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event, Lock

from transfer_service.db.database import Database
from transfer_service.errors import RangeBusy, Superseded, TransferError
from transfer_service.logs import Outage
from transfer_service.storage.lease_locks import LeaseLock, seconds_awake
from transfer_service.storage.lease_presence import Presence
from transfer_service.storage.lease_rows import LeaseRows, Outcome, Seen, Values, place_values
from transfer_service.storage.lease_statements import CHANNEL, LEASE_SECONDS
from transfer_service.threads import run_beside
from transfer_service.wire.ranges import Span

RENEW_SECONDS = 1.0
SWEEP_SECONDS = 60.0
IDLE_SECONDS = 10.0
RETRY_SECONDS = 0.25
CLOSE_SECONDS = 5.0
MOST_WAITING = 64
"""For parts of one blob, in this process: more would only look at each other."""


class Leases:
    """The locks of one process, in all rooms. Nothing runs before the first one, which must come after a fork."""

    def __init__(self, database: Database) -> None:
        self.rows = LeaseRows(database)
        self._database = database
        self._process_id = ""
        self._locks: dict[str, LeaseLock] = {}
        self._to_remove: list[Values] = []
        self._strays: set[str] = set()
        self._valid_until = 0.0
        self._renew_at = self._sweep_at = self._idle_at = 0.0
        self._is_running = False
        self._outage = Outage("leases")
        self._guard = Lock()
        self._awake = Event()
        self._ended = Event()
        self._ended.set()
        self.presence = Presence(self)
        database.notices.listen(CHANNEL, self._hear)
        database.at_rest(self.close)

    @property
    def process_id(self) -> str:
        """By which the others know this process, from `begin` on."""
        return self._process_id

    def is_doubtful(self) -> bool:
        """Whether so much time has gone by since the last renewal that others may take this process for dead."""
        return seconds_awake() >= self._valid_until

    def begin(self) -> None:
        """Be alive, and stay it."""
        self.run()
        if seconds_awake() > self._valid_until - LEASE_SECONDS / 2:
            self._renew()

    def run(self) -> None:
        """See to the renewals from now on, as long as there is anything to renew."""
        with self._guard:
            self._process_id = self._process_id or uuid.uuid4().hex
            self._idle_at = seconds_awake() + IDLE_SECONDS
            if self._is_running:
                return
            self._is_running = True
            self._ended.clear()
        self._database.notices.begin()
        run_beside(self._run)

    def close(self) -> None:
        """Give everything back; a database that is away finds out by itself."""
        with self._guard:
            process_id, self._process_id, self._valid_until = self._process_id, "", 0.0
        self._awake.set()
        self._ended.wait(CLOSE_SECONDS)
        if process_id:
            with suppress(TransferError):
                self.rows.leave(process_id)

    @contextmanager
    def holding(self, lock: LeaseLock, wait_seconds: float) -> Iterator[LeaseLock]:
        """Hold the lock. Raises RangeBusy after `wait_seconds`, Superseded."""
        self.begin()
        self._locks[lock.id] = lock
        try:
            self._acquire(lock, wait_seconds)
            yield lock
        finally:
            del self._locks[lock.id]
            if lock.has_row:
                self.remove(lock.values)

    def _acquire(self, lock: LeaseLock, wait_seconds: float) -> None:
        deadline = time.monotonic() + wait_seconds
        waits = wait_seconds > 0 and (lock.takes_over or self._count_waiting(lock) < MOST_WAITING)
        values = {**lock.values, "process": self._process_id, "waits": waits}
        lock.has_row = True  # from now on it may have one, also where the answer is lost
        self._settle(lock, self.rows.take(values))
        while not lock.is_held:
            lock.woken.wait(max(deadline - time.monotonic(), 0.0))
            is_last = time.monotonic() >= deadline
            lock.begin_to_try()
            outcome = self.rows.try_again(values)
            if outcome is None and lock.takes_over:
                lock.has_row = False
                raise Superseded
            self._settle(lock, outcome or self.rows.take({**values, "waits": not is_last}))
            if is_last and not lock.is_held:
                raise RangeBusy

    def _count_waiting(self, lock: LeaseLock) -> int:
        """How many of this process wait for a part of the same blob."""
        others = list(self._locks.values())
        if len(others) <= MOST_WAITING:
            return 0
        return sum((each.room, each.name) == (lock.room, lock.name) and not each.is_held for each in others) - 1

    def _settle(self, lock: LeaseLock, outcome: Outcome | None) -> None:
        is_new = not lock.is_known
        if outcome is None:
            lock.has_row = False
            raise RangeBusy
        lock.settle(outcome)
        if is_new and (lock.takes_over or not lock.is_held):
            self._tell_wanted(lock.id, lock.room, lock.name, lock.span, lock.turn)
            self._awake.set()  # to look more often while somebody waits

    def remove(self, values: Values) -> None:
        """Remove a row, at last with the next renewal: whoever gives something back is done with it."""
        try:
            self.rows.remove(values)
        except BaseException as error:
            self._to_remove.append(values)
            if not isinstance(error, TransferError):
                raise
        self._tell_free(str(values["room"]), str(values["unit"]))

    def _renew(self) -> None:
        began_at, process_id = seconds_awake(), self._process_id
        if process_id:
            self.rows.renew(process_id)
            if self.is_doubtful():  # what others have buried meanwhile is lost before anything counts as ours again
                self._look()
            self._valid_until = began_at + LEASE_SECONDS
            self._renew_at = began_at + RENEW_SECONDS

    def _run(self) -> None:
        try:
            while self._goes_on():
                try:
                    self._take_turn()
                    self._outage.end()
                except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                    self._outage.begin(error)
                    time.sleep(RETRY_SECONDS)
        finally:
            with self._guard:
                self._is_running = False
                self._ended.set()

    def _goes_on(self) -> bool:
        """Wait for the next turn. False where there is none: nothing is held, or it is the end."""
        self._awake.wait(self._pause_seconds())
        self._awake.clear()
        with self._guard:
            if self._locks or self._to_remove or self.presence.is_needed:
                self._idle_at = seconds_awake() + IDLE_SECONDS
            self._is_running = bool(self._process_id) and seconds_awake() < self._idle_at
            return self._is_running

    def _pause_seconds(self) -> float:
        """How long to wait for the next look. Where no notices come it is the only way to hear of each other."""
        locks = list(self._locks.values())
        if any(not each.is_held for each in locks):
            most = 0.05 if self._database.is_sqlite else 0.25
        else:
            most = 0.25 if self._database.is_sqlite and locks else RENEW_SECONDS
        return max(0.0, min(most, self._renew_at - seconds_awake()))

    def _take_turn(self) -> None:
        is_due = seconds_awake() >= self._renew_at
        if is_due:
            self._renew()
            for values in list(self._to_remove):
                self.rows.remove(values)
                self._to_remove.remove(values)
        if is_due or self._locks:
            found = self._look()
            if is_due:
                self._remove_strays(found)
                self.presence.renew(found)
        if seconds_awake() >= self._sweep_at:
            self._sweep_at = seconds_awake() + SWEEP_SECONDS
            self.rows.sweep(self._process_id)

    def _look(self) -> Mapping[str, Seen]:
        """Tell each lock what the rows say of it."""
        looked_at, known = seconds_awake(), [each for each in list(self._locks.values()) if each.is_known]
        found = self.rows.look(self._process_id)
        free = []
        for lock in known:
            seen = found.get(lock.id)
            if seen is None:
                lock.lose()
            elif seen.is_held:
                lock.learn(seen.is_concerned, looked_at=looked_at)
            elif not seen.is_concerned:
                free.append(lock)
        _wake(free)
        return found

    def _remove_strays(self, found: Mapping[str, Seen]) -> None:
        """Remove what nobody here knows of, for the second time: whoever asked for it has heard of a failure."""
        strays = found.keys() - self._locks.keys() - self.presence.row_ids
        for stray in strays & self._strays:
            self.remove({"id": stray, **place_values(found[stray].room, found[stray].unit)})
        self._strays = strays

    def _hear(self, payload: str | None) -> None:
        """What other processes tell, and this one too."""
        kind, _, rest = (payload or "").partition(" ")
        if kind == "wanted":
            by, start, stop, turn, room, name = rest.split(" ", 5)
            self._tell_wanted(by, room, name, Span(int(start), int(stop)), int(turn) or None)
        elif kind == "free":
            self._tell_free(*rest.split(" ", 1))
        elif kind == "gone" and rest in self._locks:
            self._locks[rest].woken.set()
        elif kind == "ended":
            self.tell_ended(*rest.split(" ", 1))
        else:
            self._awake.set()

    def _tell_wanted(self, by: str, room: str, name: str, span: Span, turn: int | None) -> None:
        for lock in list(self._locks.values()):
            if (lock.room, lock.name) == (room, name) and lock.id != by:
                lock.hear(span, turn)

    def _tell_free(self, room: str, unit: str) -> None:
        _wake(each for each in list(self._locks.values()) if (each.room, each.unit) == (room, unit))

    def tell_ended(self, room: str, name: str) -> None:
        """Somebody has taken the locks on a blob, or on all of a unit, from their holders."""
        for lock in list(self._locks.values()):
            if lock.room == room and name in {lock.name, lock.unit} and lock.is_held:
                lock.lose()


def _wake(locks: Iterable[LeaseLock]) -> None:
    """Let those try again that wait, but of two that cannot both be held only the one that has waited longer."""
    chosen: list[LeaseLock] = []
    for lock in locks:
        if lock.is_known and not lock.is_held and not any(lock.overlaps(each) for each in chosen):
            chosen.append(lock)
            lock.woken.set()
