"""Exclusive claims on byte ranges of an open file, across greenlets and processes.

Linux open-file-description locks (fcntl(2)) do it: they belong to one `open`, so two greenlets exclude each other like
two processes do, and the kernel drops them with the file, also after `kill -9`. Who waits for a range holds a shared
lock on its *shadow*, the same range 2**62 bytes further on, where no data can be: so a holder whose client has stalled
can see that it is wanted, and let go.
"""

import fcntl
import os
import struct
import time

from transfer_service.errors import RangeBusy
from transfer_service.storage.blobs import END
from transfer_service.wire.spans import Span

SHADOW_OFFSET = END
POLL_SECONDS = 0.02
_FLOCK = struct.Struct("hhqqi4x")


def claim(descriptor: int, span: Span, *, wait_seconds: float) -> None:
    """Lock the span for writing until the descriptor is closed. Raises RangeBusy after `wait_seconds`."""
    if _try_lock(descriptor, fcntl.F_WRLCK, span):
        return
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


def is_claimed(descriptor: int, span: Span) -> bool:
    """Whether another open file holds a lock on any byte of the span."""
    request = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, span.start, span.size, 0)
    answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, request)
    return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)


def is_wanted(descriptor: int, span: Span) -> bool:
    """Whether somebody waits for any byte of the span."""
    return is_claimed(descriptor, _shadow(span))


def _shadow(span: Span) -> Span:
    return Span(SHADOW_OFFSET + span.start, SHADOW_OFFSET + span.stop)


def _try_lock(descriptor: int, kind: int, span: Span) -> bool:
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, span.start, span.size, 0))
    except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, fcntl(2)
        return False
    return True
