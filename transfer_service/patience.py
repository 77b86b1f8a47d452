"""How long one piece of work waits for locks: at most 30 seconds in all, however many locks there are.

A request that waits for a lock again and again, or behind others that wait, must not add up their waits.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from random import SystemRandom
from threading import Lock, Semaphore

from transfer_service.errors import StoreUnavailable

LOCK_WAIT_SECONDS = 30.0
LOCKED = "The database is locked by somebody else"
_current: ContextVar["Patience | None"] = ContextVar("patience", default=None)
jitter = SystemRandom().uniform
"""A length of time between two, so that not all who wait come back at once. It has no state that a fork would double,
or that threads take from whoever has seeded `random`."""


class Patience:
    """What is left of the time for waiting. Only waiting takes it, not the work in between."""

    def __init__(self, seconds: float) -> None:
        self.left_seconds = seconds

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Count the time of the block as waited."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.left_seconds = max(0.0, self.left_seconds - (time.monotonic() - began))


@contextmanager
def one_patience(seconds: float = LOCK_WAIT_SECONDS) -> Iterator[Patience]:
    """Let everything within, by this greenlet or thread, share one patience."""
    patience = Patience(seconds)
    token = _current.set(patience)
    try:
        yield patience
    finally:
        _current.reset(token)


@contextmanager
def shared_patience(seconds: float = LOCK_WAIT_SECONDS) -> Iterator[Patience]:
    """The patience of the work that this belongs to; where there is none, one for the block alone."""
    current = _current.get()
    if current is not None:
        yield current
        return
    with one_patience(seconds) as patience:
        yield patience


def wait_for(lock: "Lock | Semaphore", patience: Patience) -> None:
    """Take what other writers of this process hold. Raises StoreUnavailable."""
    if lock.acquire(blocking=False):
        return
    with patience.spent():
        is_ours = lock.acquire(timeout=patience.left_seconds)
    if not is_ours:
        raise StoreUnavailable(LOCKED)
