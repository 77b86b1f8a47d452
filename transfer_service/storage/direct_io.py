"""Bytes into an open file: through the page cache, past it where nobody reads them soon (O_DIRECT, open(2)), or from
another file.

What passes through the cache takes memory there, pushes out what others download, and has all of its way to the disk
still ahead when it is flushed. Past it a write takes as long as the disk does, and much less of the processor.
"""

import errno
import fcntl
import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from transfer_service.wire.ranges import Span

ALIGNMENT_BYTES = 4096
"""Of offset, size and memory: enough for direct I/O on all but rare file systems, which then use the page cache."""
DIRECT_WRITES_AT_ONCE = 4
_turns = deque(range(DIRECT_WRITES_AT_ONCE))  # not a semaphore: gevent's must not be shared with pool threads
_MOST_BLOCKS_AT_ONCE = 1024  # IOV_MAX of Linux
_COPIED_AT_ONCE = 1024 * 1024
_NOT_WITHIN_THE_KERNEL = frozenset({errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})
"""What copy_file_range(2) says of file systems of two kinds."""


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


def copy_range(source: int, target: int, span: Span, *, to: int) -> int:
    """Write a span of a file at `to` into another one, and tell how many bytes that were: fewer where it ends before.

    Within the kernel, and on file systems that can share blocks without copying at all. Raises OSError.
    """
    copy, position = _copy_within_the_kernel, span.start
    while position < span.stop:
        try:
            copied = copy(source, target, span.stop - position, position, to + position - span.start)
        except OSError as error:
            if copy is _copy_through_memory or error.errno not in _NOT_WITHIN_THE_KERNEL:
                raise
            copy = _copy_through_memory
            continue
        if not copied:
            break
        position += copied
    return position - span.start


def _copy_within_the_kernel(source: int, target: int, size: int, start: int, to: int) -> int:
    return os.copy_file_range(source, target, size, start, to)


def _copy_through_memory(source: int, target: int, size: int, start: int, to: int) -> int:
    block = os.pread(source, min(size, _COPIED_AT_ONCE), start)
    write_cached(target, to, [block])
    return len(block)
