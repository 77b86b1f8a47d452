"""Requests that are about to use a blob, before they know which of its bytes: who would remove it sees them.

A claim (`range_locks`) is taken when a request knows its range, and small chunks are verified before that. From its
first byte on a request shares a flock(2) of the blob, which has nothing to do with claims; who removes what rests wants
it alone. It belongs to one `open`, and the kernel drops it with that, also after `kill -9`.
"""

import fcntl
import time

from transfer_service.errors import RangeBusy

POLL_SECONDS = 0.02
WAIT_SECONDS = 5.0


def join(descriptor: int) -> None:
    """Be there until the descriptor is closed. Raises RangeBusy.

    Whoever has the blob alone does not keep it for longer than a removal takes.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while not _try_lock(descriptor, fcntl.LOCK_SH):
        if time.monotonic() > deadline:
            raise RangeBusy
        time.sleep(POLL_SECONDS)


def is_alone(descriptor: int) -> bool:
    """Whether nobody else is there; then nobody comes until the descriptor is closed."""
    return _try_lock(descriptor, fcntl.LOCK_EX)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
