"""Transports that nobody has been let in on yet: they have little time, and there are not too many of them."""

import time
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
        """Look when the time of the oldest is over; who comes later has more."""
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
