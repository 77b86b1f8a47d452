"""Memory for bytes on their way into a store, aligned so that a disk can take them past the page cache."""

import mmap
from collections import deque

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
