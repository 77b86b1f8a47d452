"""What sockets may cost: strangers, whom nobody has let in yet, and messages in memory for each account."""

import time
import uuid
from collections import defaultdict
from collections.abc import Callable

import gevent

STRANGER_SECONDS = 45.0
MAX_STRANGERS = 2000


class Strangers:
    """Knows who has not been let in, and closes whoever stays one; the oldest also where there are too many.

    A client shows its token as soon as its transport is open, so in a flood it is a stranger for a moment only. `close`
    is called with the id of a transport; it need not be one any more.
    """

    def __init__(
        self, close: Callable[[str], object], *, seconds: float | None = None, limit: int = MAX_STRANGERS
    ) -> None:
        self._close = close
        self._seconds = STRANGER_SECONDS if seconds is None else seconds
        self._limit = limit
        self._since: dict[str, float] = {}
        self._is_watching = False

    def __len__(self) -> int:
        return len(self._since)

    def __contains__(self, transport_id: str) -> bool:
        return transport_id in self._since

    def add(self, transport_id: str) -> None:
        """Somebody has come, or is nobody any more."""
        self._since.pop(transport_id, None)
        self._since[transport_id] = time.monotonic()
        while len(self._since) > self._limit:
            self._expel(next(iter(self._since)))
        if not self._is_watching:
            self._is_watching = True
            gevent.spawn(self._watch)

    def discard(self, transport_id: str) -> None:
        """Somebody was let in, or has left."""
        self._since.pop(transport_id, None)

    def _expel(self, transport_id: str) -> None:
        self._since.pop(transport_id, None)
        self._close(transport_id)

    def _watch(self) -> None:
        """Wait until the time of the oldest is over: all others have more left."""
        try:
            while self._since:
                oldest = next(iter(self._since))
                left = self._since[oldest] + self._seconds - time.monotonic()
                if left > 0:
                    gevent.sleep(left)
                else:
                    self._expel(oldest)
        finally:
            self._is_watching = False


class InFlight:
    """Counts the bytes that all sockets of an account hold: it may open as many as it likes, but not fill them all.

    `limit_bytes` is for an account; strangers are not counted, they hold next to nothing.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held: defaultdict[uuid.UUID, int] = defaultdict(int)

    def begin(self, account_id: uuid.UUID | None) -> "Held":
        """A message of which nothing has come yet."""
        return Held(self, account_id)

    def add(self, account_id: uuid.UUID, count: int) -> bool:
        """Count bytes that came, or with a negative count those that are gone. False: they are too many."""
        if self._held[account_id] + count > self._limit_bytes:
            return False
        self._held[account_id] += count
        if not self._held[account_id]:
            del self._held[account_id]
        return True


class Held:
    """What one message takes of its account's share."""

    def __init__(self, in_flight: InFlight, account_id: uuid.UUID | None) -> None:
        self._in_flight = in_flight
        self._account_id = account_id
        self._bytes = 0

    def add(self, count: int) -> bool:
        """Count bytes that came. False: the account has too much in flight."""
        if self._account_id is not None:
            if not self._in_flight.add(self._account_id, count):
                return False
            self._bytes += count
        return True

    def release(self) -> None:
        """Give back what a message held, once it is handled."""
        if self._account_id is not None and self._bytes:
            self._in_flight.add(self._account_id, -self._bytes)
        self._bytes = 0
