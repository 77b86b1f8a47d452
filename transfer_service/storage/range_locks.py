"""Exclusive claims on byte ranges of an open file, across greenlets and processes.

Linux open-file-description locks (fcntl(2)) do it: they belong to one `open`, so two greenlets exclude each other like
two processes do, and the kernel drops them with the file, also after `kill -9`. Who waits for a range holds a shared
lock on its *shadow*, the same range 2**62 bytes further on, where no data can be: so a holder whose client has stalled
can see that it is wanted, and let go.

Where the last one to come shall win, each takes a *ticket* instead, one byte among the shadows behind everybody else's
ticket, and keeps it as long as the file is open. A holder sees that somebody has come after it, and who waits sees it
too and leaves. No clock is asked.
"""

import fcntl
import os
import struct
import time

from transfer_service.errors import RangeBusy, Superseded
from transfer_service.storage.blobs import END
from transfer_service.wire.ranges import Span

SHADOW_OFFSET = END
_LAST = 2 * END - 1
POLL_SECONDS = 0.02
_FLOCK = struct.Struct("hhqqi4x")


def claim(descriptor: int, span: Span, *, wait_seconds: float) -> None:
    """Lock the span for writing until the descriptor is closed. Raises RangeBusy after `wait_seconds`."""
    if _try_lock(descriptor, fcntl.F_WRLCK, span):
        return
    if wait_seconds <= 0:
        raise RangeBusy
    shadow = _shadow(span)
    deadline = time.monotonic() + wait_seconds
    _try_lock(descriptor, fcntl.F_RDLCK, shadow)
    try:
        while time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            if _try_lock(descriptor, fcntl.F_WRLCK, span):
                return
    finally:
        _try_lock(descriptor, fcntl.F_UNLCK, shadow)
    raise RangeBusy


def take_over(descriptor: int, span: Span, *, wait_seconds: float) -> int:
    """Lock the span like `claim`, as the last one who came: whoever came before must have let go and left.

    The ticket is for `is_superseded`. Raises RangeBusy after `wait_seconds`, Superseded when somebody comes after.
    """
    ticket = _draw_ticket(descriptor)
    deadline = time.monotonic() + wait_seconds
    while not _try_lock(descriptor, fcntl.F_WRLCK, span):
        if is_superseded(descriptor, ticket):
            raise Superseded
        if time.monotonic() >= deadline:
            raise RangeBusy
        time.sleep(POLL_SECONDS)
    # Who waited longer must not come in when this one has left: what it was told would not be true any more.
    while _find_lock(descriptor, Span(SHADOW_OFFSET, ticket)) is not None and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    if is_superseded(descriptor, ticket):
        raise Superseded
    return ticket


def is_superseded(descriptor: int, ticket: int) -> bool:
    """Whether somebody has come after the holder of the ticket."""
    return _find_lock(descriptor, Span(ticket + 1, _LAST)) is not None


def is_claimed(descriptor: int, span: Span) -> bool:
    """Whether another open file holds a lock on any byte of the span."""
    return _find_lock(descriptor, span) is not None


def is_wanted(descriptor: int, span: Span) -> bool:
    """Whether somebody waits for any byte of the span."""
    return is_claimed(descriptor, _shadow(span))


def _draw_ticket(descriptor: int) -> int:
    """Lock the first byte behind all tickets."""
    ticket = SHADOW_OFFSET
    while True:
        while (other := _find_lock(descriptor, Span(ticket, _LAST))) is not None:
            ticket = other + 1
        if _try_lock(descriptor, fcntl.F_WRLCK, Span(ticket, ticket + 1)):
            return ticket


def _find_lock(descriptor: int, span: Span) -> int | None:
    """Where another open file's lock on any byte of the span begins; any of them, where there are several."""
    if not span.size:
        return None
    request = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, span.start, span.size, 0)
    kind, _, start, _, _ = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, request))
    return None if kind == fcntl.F_UNLCK else max(start, span.start)


def _shadow(span: Span) -> Span:
    return Span(SHADOW_OFFSET + span.start, SHADOW_OFFSET + span.stop)


def _try_lock(descriptor: int, kind: int, span: Span) -> bool:
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, span.start, span.size, 0))
    except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, fcntl(2)
        return False
    return True
