"""One lock of this process on a span of a blob, as the rows, the notices and the looks have it."""

import time
import uuid
from threading import Event
from typing import Protocol

from transfer_service.db.database import Executor
from transfer_service.errors import ClaimLost
from transfer_service.storage.blobs import Key
from transfer_service.storage.lease_rows import Outcome, keeps, place_values
from transfer_service.wire.ranges import Span


class Process(Protocol):
    """What holds the locks."""

    def is_doubtful(self) -> bool:
        """Whether others may take this process for dead by now."""


def seconds_awake() -> float:
    """A clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class LeaseLock:
    """A lock on a span of a blob, waited for or held: a row that is alive as long as this process says so."""

    def __init__(self, process: Process, room: str, key: Key, span: Span, *, takes_over: bool) -> None:
        self._process = process
        self.id = uuid.uuid4().hex
        self.room = room
        self.name, self.unit = names_of(key)
        self.span = span
        self.takes_over = takes_over
        self.turn: int | None = None
        self.has_row = False
        self.is_known = False
        self.is_held = False
        self.is_lost = False
        self.woken = Event()
        self._is_wanted = False
        self._wanted_at = 0.0
        self._latest_turn = 0

    @property
    def values(self) -> dict[str, object]:
        """What its statements need."""
        return {
            "id": self.id,
            **place_values(self.room, self.unit),
            "name": self.name,
            "start": self.span.start,
            "stop": self.span.stop,
            "takes_over": self.takes_over,
        }

    def is_wanted(self) -> bool:
        """Whether somebody else waits for a part of it, or has come after who took over; or it may be lost.

        From memory: nobody is asked.
        """
        return self._is_wanted or self.is_lost or self._process.is_doubtful()

    def check(self, rows: Executor) -> None:
        """Keep it until the caller's transaction ends: whoever wants to bury it waits for that.

        Raises ClaimLost where it is not ours any more.
        """
        if self.is_lost or self._process.is_doubtful() or not keeps(rows, self.id):
            raise ClaimLost

    def settle(self, outcome: Outcome) -> None:
        """Note what the database says."""
        self.is_held, self.turn, self.is_known, self.is_lost = outcome.is_held, outcome.turn, True, False
        came_after = self.turn is not None and self._latest_turn > self.turn
        self._is_wanted = self._is_wanted or came_after or outcome.is_wanted

    def begin_to_try(self) -> None:
        """Before the database is asked: from now on what others want counts."""
        self.woken.clear()
        self._is_wanted = False

    def hear(self, span: Span, turn: int | None) -> None:
        """Somebody wants this span of the blob, or has come to take it over."""
        self._latest_turn = max(self._latest_turn, turn or 0)
        if self.takes_over:
            is_wanted = self.turn is not None and self._latest_turn > self.turn
        else:
            is_wanted = span.overlap(self.span) is not None
        if is_wanted:
            self._is_wanted, self._wanted_at = True, seconds_awake()
            if self.takes_over:
                self.woken.set()  # where it waits, it does so no longer

    def learn(self, is_wanted: bool, *, looked_at: float) -> None:
        """What a look says that began then."""
        if is_wanted or self._wanted_at < looked_at:
            self._is_wanted = is_wanted

    def lose(self) -> None:
        """Its row is gone."""
        self.is_lost = True
        self.woken.set()

    def overlaps(self, other: "LeaseLock") -> bool:
        """Whether both cannot be held at once."""
        is_turn = self.turn is not None and other.turn is not None
        return self.name == other.name and (is_turn or self.span.overlap(other.span) is not None)


def names_of(key: Key) -> tuple[str, str]:
    """The name of a blob, and what it is removed with: its group, or itself."""
    name = key.hex if isinstance(key, uuid.UUID) else key
    return name, name.partition("/")[0]
