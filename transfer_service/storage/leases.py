"""Claims across machines (the Claims of `blobs`): rows of the database, each alive as long as its process.

A process renews its lease every second; four seconds after the last time it counts as dead, and whoever wants what it
has claimed removes that row. So a commit under a claim asks for the row in its own transaction (`LeaseLock.check`), and
whoever removes it waits for that transaction: bytes never come to count under a claim that somebody else has by then,
however long a process was stopped, cut off, or wrong about the time.
"""

import time
from contextlib import AbstractContextManager

from transfer_service.db.database import Executor
from transfer_service.errors import RangeBusy
from transfer_service.storage.blobs import END, Key
from transfer_service.storage.lease_keeper import Leases
from transfer_service.storage.lease_locks import LeaseLock, names_of
from transfer_service.storage.lease_rows import place_values
from transfer_service.wire.ranges import Span

POLL_SECONDS = 0.05
END_SECONDS = 10.0
"""More than the server lets a transaction of somebody who is gone stay open."""
_EVERYTHING = Span(-1, 2 * END - 1)


class NewLock:
    """The lock on a blob under a key that nobody else knows yet: it needs no row, and is always ours."""

    def __init__(self, span: Span) -> None:
        self.span = span

    def is_wanted(self) -> bool:
        """Nobody can want it."""
        return False

    def check(self, rows: Executor) -> None:
        """Nobody can have it."""


class LeaseClaims:
    """The claims on the blobs of one room. Unlike those of a disk they need no blob."""

    def __init__(self, leases: Leases, room: str) -> None:
        self._leases = leases
        self._room = room

    def lock(self, key: Key, span: Span, *, wait_seconds: float) -> AbstractContextManager[LeaseLock]:
        """Hold a lock. Raises RangeBusy after `wait_seconds`."""
        return self._leases.holding(LeaseLock(self._leases, self._room, key, span, takes_over=False), wait_seconds)

    def take_over(self, key: Key, span: Span, *, wait_seconds: float) -> AbstractContextManager[LeaseLock]:
        """The same as the last one who came. Raises like it, and Superseded when somebody comes after."""
        return self._leases.holding(LeaseLock(self._leases, self._room, key, span, takes_over=True), wait_seconds)

    def new(self, span: Span) -> NewLock:
        """The lock on a blob that nobody else can find yet. It costs nothing."""
        return NewLock(span)

    def is_locked(self, key: Key, span: Span) -> bool:
        """Whether anybody holds a lock on any byte of the span."""
        return self._count(key, span, any_state=False) > 0

    def is_in_use(self, key: Key) -> bool:
        """Whether anybody holds a lock on the blob, or on one of the group, or waits for one."""
        return self._count(key, _EVERYTHING, any_state=True) > 0

    def _count(self, key: Key, span: Span, *, any_state: bool) -> int:
        bounds = {"start": span.start, "stop": span.stop}
        return self._leases.rows.count_spans({**self._values(key), **bounds, "any_state": any_state})

    def _values(self, key: Key) -> dict[str, object]:
        name, unit = names_of(key)
        return {**place_values(self._room, unit), "name": name, "whole_unit": name == unit}

    def in_use(self, key: Key) -> AbstractContextManager[None]:
        """Keep the blob from being removed for resting too long until the block ends; the first second does not count.

        Raises RangeBusy where this process is just removing it, for long.
        """
        return self._leases.presence.in_use(self._room, names_of(key)[1])

    def secluded(self, key: Key) -> AbstractContextManager[bool]:
        """Whether nobody uses the blob: then nobody begins to until the block ends; this process may lock it."""
        return self._leases.presence.alone(self._room, names_of(key)[1])

    def end_all(self, key: Key) -> None:
        """Take the locks on a blob, or on those of a group, from their holders: it is being deleted.

        What is about to be committed under them is waited for. Raises RangeBusy where that takes very long.
        """
        name, _ = names_of(key)
        values = {**self._values(key), "ended": f"ended {self._room} {name}"}
        deadline = time.monotonic() + END_SECONDS
        while not self._leases.rows.end_all(values):
            if time.monotonic() > deadline:
                raise RangeBusy
            time.sleep(POLL_SECONDS)
        self._leases.tell_ended(self._room, name)
