"""The numbers of one process, in a file that others read, and that is still there when it is killed.

The file is mapped into memory, so a number is changed by one store, and nothing has to be written. All of its blocks
are written when it is made or grows: a full disk later cannot take them away, which would kill the process at a store
(SQLite does the same for its index in memory). Numbers are integers of 64 bits, times are nanoseconds: sums of them do
not depend on the order, so none ever goes down by a rounding.

    0   used bytes, of this head too
    8   SCRATCH numbers that mean nothing
    256 series, one after the other: u32 length of the key, the key, zeros up to a multiple of 8; i64 for each number

A key is the name of the meter and its labels, with SEPARATOR between them; one of a histogram has a number for each
bucket, the last one without a bound, and one for the sum.
"""

import fcntl
import mmap
import os
import posix
import struct
from collections.abc import Iterator
from pathlib import Path

from gevent.monkey import get_original

SEPARATOR = "\x1f"
HISTOGRAM = "\x1e"  # in front of the keys of histograms, and their number of numbers behind it
GROW_BYTES = 64 * 1024
MOST_BYTES = 8 * 1024 * 1024
_HEAD = struct.Struct("=q")
_LENGTH = struct.Struct("=I")
NO_ROOM, SCRATCH = 1, 31
"""Where what has no place is counted, a whole histogram too: nobody reads these numbers."""
_FIRST = _HEAD.size * (1 + SCRATCH)


class Numbers:
    """Counts in `path`, which is made. It is locked (flock) while this process lives. Raises OSError."""

    def __init__(self, path: Path) -> None:
        # Not gevent's lock: it is held for a moment only, by the threads of the pool too.
        self._lock = get_original("_thread", "allocate_lock")()
        self._slots: dict[tuple[str, ...], int] = {}
        self.requests: dict[tuple[str | None, str, int], int] = {}
        self.path = path
        draft = path.with_name(f".{path.name}")
        self._descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)  # before it has its name: what is not locked is dead
            self._used = _FIRST
            self.view = memoryview(b"")
            self._grow()
            self.view[0] = self._used
            draft.rename(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            posix.close(self._descriptor)  # gevent's waits for its loop, and so would the lock
            raise

    def slot(self, *key: str) -> int:
        """Where the number of a meter and its labels is; it is 0 at first."""
        slot = self._slots.get(key)
        return self._make(key, SEPARATOR.join(key), 1) if slot is None else slot

    def histogram(self, name: str, bounds: int) -> int:
        """Where the numbers of a histogram begin: of its buckets, one more than it has bounds, and of its sum."""
        slot = self._slots.get((name,))
        return self._make((name,), f"{HISTOGRAM}{bounds + 2}{HISTOGRAM}{name}", bounds + 2) if slot is None else slot

    def add(self, slot: int, amount: int) -> None:
        """Add to a number. Like all who change `view`, in one statement without a call, where no thread gives way."""
        self.view[slot] += amount

    def _make(self, key: tuple[str, ...], text: str, numbers: int) -> int:
        with self._lock:
            if key in self._slots:
                return self._slots[key]
            encoded = text.encode()
            head = -(-(_LENGTH.size + len(encoded)) // 8) * 8
            size = head + numbers * 8
            if self._used + size > len(self.view) * 8 and not self._has_grown():
                return NO_ROOM
            entry = (_LENGTH.pack(len(encoded)) + encoded).ljust(head, b"\0")
            start = self._used // 8
            for index in range(head // 8):
                self.view[start + index] = _HEAD.unpack_from(entry, index * 8)[0]
            self._used += size
            self.view[0] = self._used  # last: who reads meanwhile must find whole entries
            self._slots[key] = slot = start + head // 8
            return slot

    def _has_grown(self) -> bool:
        try:
            self._grow()
        except (OSError, ValueError):  # the disk is full, say: what is counted already goes on
            return False
        return True

    def _grow(self) -> None:
        length = len(self.view) * 8
        if length >= MOST_BYTES:
            raise OSError
        written = 0
        while written < GROW_BYTES:
            written += os.pwrite(self._descriptor, bytes(GROW_BYTES - written), length + written)
        self.view = memoryview(mmap.mmap(self._descriptor, length + GROW_BYTES)).cast("q")

    def close(self) -> None:
        """Let go of the file, which others then take for that of a dead process."""
        with self._lock:
            self.view = memoryview(bytearray(len(self.view) * 8)).cast("q")
            posix.close(self._descriptor)  # gevent's waits for its loop, and so would the lock


def read_series(data: bytes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The keys in such a file, each with its numbers. What is damaged ends it."""
    if len(data) < _HEAD.size:
        return
    (used,) = _HEAD.unpack_from(data)
    at = _FIRST
    while at + _LENGTH.size <= min(used, len(data)):
        (length,) = _LENGTH.unpack_from(data, at)
        key = data[at + _LENGTH.size : at + _LENGTH.size + length].decode(errors="replace")
        head = -(-(_LENGTH.size + length) // 8) * 8
        numbers = 1
        if key.startswith(HISTOGRAM):
            numbers = int(key.split(HISTOGRAM, 2)[1])
        at += head
        if at + numbers * 8 > len(data):
            return
        yield key.split(HISTOGRAM)[-1], struct.unpack_from(f"={numbers}q", data, at)
        at += numbers * 8
