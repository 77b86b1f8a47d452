"""How much of messages that have come, or are coming, is in memory for each account."""

import uuid
from collections import defaultdict


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
        """The message is gone."""
        if self._account_id is not None and self._bytes:
            self._in_flight.add(self._account_id, -self._bytes)
        self._bytes = 0
