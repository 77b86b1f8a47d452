"""Bytes into an open file: through the page cache, or past it where nobody reads them soon (O_DIRECT, open(2)).

What passes through the cache takes memory there, pushes out what others download, and has all of its way to the disk
still ahead when it is flushed. Past it a write takes as long as the disk does, and much less of the processor.
"""

import errno
import fcntl
import mmap
import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from transfer_service.wire.ranges import Span

WINDOW_BYTES = 2 * 1024 * 1024
SPARE_WINDOWS = 8
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS  # shared memory would stay when it is let go
_spare: deque[mmap.mmap] = deque(maxlen=SPARE_WINDOWS)


class WindowPair:
    """Two windows on a file, filled by turns: what is in one may still be on its way when the other one begins.

    A byte lies in its window where it lies in the file, counted from a multiple of WINDOW_BYTES on. So what can be
    written directly begins on a page.
    """

    def __init__(self) -> None:
        self._filling: mmap.mmap | None = None
        self._other: mmap.mmap | None = None

    def room(self, offset: int) -> memoryview:
        """Where the bytes from `offset` on belong, up to the end of the window."""
        if self._filling is None:
            self._filling = _window()
        return memoryview(self._filling)[offset % WINDOW_BYTES :]

    def take(self, span: Span) -> memoryview:
        """The bytes of `span`, to be written while others are put behind them: in the other window if this is full."""
        if self._filling is None:
            raise ValueError("Nothing was put into this window")
        data = self.room(span.start)[: span.size]
        if span.stop % WINDOW_BYTES == 0:
            self._filling, self._other = self._other, self._filling
        return data

    def release_other(self) -> None:
        """Give back the window that is not filled: what was in it has been written."""
        if self._other is not None:
            _spare.append(self._other)
            self._other = None

    def forget(self, offset: int) -> None:
        """Keep no memory for the pages of the window that end before `offset`: they have been written."""
        pages = offset % WINDOW_BYTES // mmap.PAGESIZE
        if self._filling is not None and pages:
            self._filling.madvise(mmap.MADV_DONTNEED, 0, pages * mmap.PAGESIZE)

    def rest(self) -> None:
        """Keep no memory until more comes: everything in it has been written."""
        self.release_other()
        if self._filling is not None:
            self._filling.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Give everything back: it has been written, or never will be."""
        self.release_other()
        self._filling, self._other = None, self._filling
        self.release_other()


def _window() -> mmap.mmap:
    try:
        return _spare.pop()
    except IndexError:
        return mmap.mmap(-1, WINDOW_BYTES, flags=PRIVATE)


ALIGNMENT_BYTES = 4096
"""Of offset, size and memory: enough for direct I/O on all but rare file systems, which then use the page cache."""
DIRECT_WRITES_AT_ONCE = 4
_turns = deque(range(DIRECT_WRITES_AT_ONCE))  # not a semaphore: gevent's must not be shared with pool threads
_MOST_BLOCKS_AT_ONCE = 1024  # IOV_MAX of Linux


def write_cached(descriptor: int, offset: int, blocks: Sequence[bytes | memoryview]) -> None:
    """Write the blocks one after the other from `offset` on. Raises OSError."""
    pending = deque(memoryview(block) for block in blocks if block)
    while pending:
        written = os.pwritev(descriptor, list(islice(pending, _MOST_BLOCKS_AT_ONCE)), offset)
        offset += written
        while pending and written >= len(pending[0]):
            written -= len(pending.popleft())
        if written:
            pending[0] = pending[0][written:]


def write_direct(descriptor: int, offset: int, data: memoryview) -> None:
    """Write `data` past the page cache, save for the ends that fill no aligned block. Raises OSError.

    Its memory must be aligned as `offset` is, or the cache takes it. It does so too while DIRECT_WRITES_AT_ONCE are on
    their way: a slow disk shall not hold all threads. Only for a descriptor that nobody else writes with meanwhile: how
    it writes is a flag of the open file.
    """
    try:
        turn = _turns.pop()
    except IndexError:
        write_cached(descriptor, offset, [data])
        return
    try:
        _write_with_direct_middle(descriptor, offset, data)
    finally:
        _turns.append(turn)


def _write_with_direct_middle(descriptor: int, offset: int, data: memoryview) -> None:
    first = min(-offset % ALIGNMENT_BYTES, len(data))
    last = max(first, len(data) - (offset + len(data)) % ALIGNMENT_BYTES)
    write_cached(descriptor, offset, [data[:first]])
    done = first + _write_past_cache(descriptor, offset + first, data[first:last])
    write_cached(descriptor, offset + done, [data[done:]])


def _write_past_cache(descriptor: int, offset: int, data: memoryview) -> int:
    """Write as much of the aligned data as goes that way, and tell how much that was."""
    written = 0
    try:
        with _direct(descriptor):
            while written < len(data):
                written += os.pwrite(descriptor, data[written:], offset + written)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP}:  # not on this file system, or not aligned like this
            raise
    return written


@contextmanager
def _direct(descriptor: int) -> Iterator[None]:
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_DIRECT)
    try:
        yield
    finally:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)
