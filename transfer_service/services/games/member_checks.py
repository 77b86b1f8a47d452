"""Which members were looked at already: what is true of an archive stays true, so each is checked once a process."""

import threading
from collections.abc import Callable, Hashable

from cachetools import FIFOCache

from transfer_service.errors import MemberUnreadable

CAPACITY = 50_000


class MemberChecks:
    """The verdicts on the latest CAPACITY members. Whoever asks for one that is being checked waits for its verdict."""

    def __init__(self) -> None:
        self._verdicts: FIFOCache[Hashable, str | None] = FIFOCache(CAPACITY)
        self._running: dict[Hashable, threading.Lock] = {}

    def check_once(self, key: Hashable, check: Callable[[], None]) -> None:
        """Run `check` unless its verdict is known. Raises MemberUnreadable, now and later, and what `check` raises."""
        verdict = self._verdicts[key] if key in self._verdicts else self._learn(key, check)
        if verdict is not None:
            raise MemberUnreadable(verdict)

    def _learn(self, key: Hashable, check: Callable[[], None]) -> str | None:
        with self._running.setdefault(key, threading.Lock()):
            try:
                if key in self._verdicts:
                    return self._verdicts[key]
                return self._run(key, check)
            finally:
                self._running.pop(key, None)

    def _run(self, key: Hashable, check: Callable[[], None]) -> str | None:
        verdict = None
        try:
            check()
        except MemberUnreadable as error:
            verdict = error.detail
        self._verdicts[key] = verdict
        return verdict
