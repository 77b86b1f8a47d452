"""The locks of a disk (the Claims of `blobs`): exclusive ones on byte ranges of an open file, by the kernel.

Linux open-file-description locks (fcntl(2)) do it: they belong to one `open`, so two greenlets exclude each other like
two processes do, and the kernel drops them with the file, also after `kill -9`. Who waits for a range holds a shared
lock on its *shadow*, the same range 2**62 bytes further on, where no data can be: so a holder whose client has stalled
can see that it is wanted, and let go.

Where the last one to come shall win, each takes a *ticket* instead, one byte among the shadows behind everybody else's
ticket, and keeps it as long as the file is open. A holder sees that somebody has come after it, and who waits sees it
too and leaves. No clock is asked.

A request locks when it knows its range, and small chunks are verified before that. So from its first byte on it shares
a flock(2) of the blob, which has nothing to do with the other locks; who removes what rests wants that one alone.
"""

import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from transfer_service.errors import RangeBusy, Superseded
from transfer_service.storage.blob_files import BlobFiles
from transfer_service.storage.blobs import END, WHOLE, Key
from transfer_service.threads import offload
from transfer_service.wire.ranges import Span

SHADOW_OFFSET = END
_LAST = 2 * END - 1
POLL_SECONDS = 0.02
REMOVAL_SECONDS = 5.0
"""Nobody has a blob alone for longer than a removal takes."""
_FLOCK = struct.Struct("hhqqi4x")


class FileLock:
    """A lock on a span of a blob, and the open file that it belongs to: closed, it is free."""

    def __init__(self, descriptor: int, span: Span) -> None:
        self.descriptor = descriptor
        self.span = span
        self._ticket: int | None = None

    def claim(self, *, wait_seconds: float) -> None:
        """Wait for the lock. Raises RangeBusy."""
        claim(self.descriptor, self.span, wait_seconds=wait_seconds)

    def take_over(self, *, wait_seconds: float) -> None:
        """Wait for the lock as the last one who came. Raises RangeBusy, Superseded."""
        self._ticket = take_over(self.descriptor, self.span, wait_seconds=wait_seconds)

    def is_wanted(self) -> bool:
        """Whether somebody waits for it, or has come after who took it over, or has deleted the blob."""
        if self._ticket is None:
            wanted = is_wanted(self.descriptor, self.span)
        else:
            wanted = is_superseded(self.descriptor, self._ticket)
        return wanted or not os.fstat(self.descriptor).st_nlink

    def close(self) -> None:
        """Give the lock back. Whatever is called afterwards fails: the number may soon be another file's."""
        descriptor, self.descriptor = self.descriptor, -1
        os.close(descriptor)


class RangeLocks:
    """The locks on the blobs of one room. They are kept with a blob's file: without a blob there is none."""

    def __init__(self, files: BlobFiles) -> None:
        self._files = files

    @contextmanager
    def lock(self, key: Key, span: Span, *, wait_seconds: float, create: bool = False) -> Iterator[FileLock]:
        """Hold a lock on a span. Raises BlobMissing unless the blob is to be made, RangeBusy after `wait_seconds`."""
        with self._file_lock(key, span, create=create) as lock:
            lock.claim(wait_seconds=wait_seconds)
            yield lock

    @contextmanager
    def take_over(self, key: Key, span: Span, *, wait_seconds: float, create: bool = False) -> Iterator[FileLock]:
        """The same as the last one who came, for as long as nobody comes after. Raises Superseded when one does."""
        with self._file_lock(key, span, create=create) as lock:
            lock.take_over(wait_seconds=wait_seconds)
            yield lock

    @contextmanager
    def _file_lock(self, key: Key, span: Span, *, create: bool) -> Iterator[FileLock]:
        lock = FileLock(self._files.open(key, create=create), span)
        try:
            yield lock
        finally:
            lock.close()

    def is_locked(self, key: Key, span: Span) -> bool:
        """Whether anybody holds a lock on any byte of the span."""
        with self._files.opened(key) as descriptors:
            return any(is_claimed(each, span) for each in descriptors)

    def is_in_use(self, key: Key) -> bool:
        """Whether any process holds a lock on the blob, or on one of the group, or waits for one."""
        return offload(lambda: self._is_in_use(key))

    def _is_in_use(self, key: Key) -> bool:
        with self._files.opened(key) as descriptors:
            return any(is_claimed(each, WHOLE) or is_wanted(each, WHOLE) for each in descriptors)

    @contextmanager
    def in_use(self, key: Key) -> Iterator[None]:
        """Keep the blob, if there is one, from being removed for resting too long until the block ends.

        Raises RangeBusy where it is just being removed, for long.
        """
        with self._files.opened(key) as descriptors:
            for descriptor in descriptors:
                _poll(lambda: _try_flock(descriptor, fcntl.LOCK_SH), REMOVAL_SECONDS)  # noqa: B023
            yield

    @contextmanager
    def secluded(self, key: Key) -> Iterator[bool]:
        """Whether nobody uses the blob: then nobody begins to until the block ends."""
        with self._files.opened(key) as descriptors:
            yield all(_try_flock(each, fcntl.LOCK_EX) for each in descriptors) and not self._is_in_use(key)


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


def _try_flock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _poll(attempt: Callable[[], bool], wait_seconds: float) -> None:
    """Try again and again. Raises RangeBusy when it has not worked for so long."""
    deadline = time.monotonic() + wait_seconds
    while not attempt():
        if time.monotonic() > deadline:
            raise RangeBusy
        time.sleep(POLL_SECONDS)
