"""The bytes of one request on their way to the disk: appended as they come, as a whole, or placed among others."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from transfer_service.errors import (
    ClaimLost,
    FlushFailed,
    QuotaExceeded,
    StorageFull,
    StoreUnavailable,
    TooLarge,
)
from transfer_service.services.batches import OFFLOAD_FROM_BYTES
from transfer_service.services.digests import DigestFollower
from transfer_service.storage.blobs import BlobWriter
from transfer_service.storage.windows import WINDOW_BYTES, WindowPair
from transfer_service.threads import BeginOffload, T
from transfer_service.wire.ranges import Span

COMMIT_BYTES = 8 * 1024 * 1024
COMMIT_SECONDS = 1.0
STORE_SECONDS = 5.0
"""So long a client may be slow before a remote store gets what it has brought, however little that is."""
WRITE_SECONDS = 0.5
DIRECT_FROM_BYTES = 1024 * 1024
"""Less than this is small enough to be looked at soon, and to be kept in memory until then."""
PAST_THE_LENGTH = "The bytes reach past the end of the upload"


def _nothing(*_arguments: object) -> None:
    """The default callback."""


class IncomingBytes(Protocol):
    """The body of a request, as it arrives."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Put what comes next into `buffer` and tell how much that is: 0 at the end, if that is all of it.

        Raises a TransferError where it is not.
        """

    def end_when(self, condition: Callable[[], bool]) -> None:
        """End the body where it is as soon as `condition` holds, whether the client is idle or not.

        Not before it has had its chance to bring anything. Raises RangeBusy from `readinto` then.
        """

    def while_idle(self, work: Callable[[], object]) -> None:
        """Call `work` while the client sends nothing; what it raises ends the body."""


def up_to(limit: int) -> Callable[[int], None]:
    """Room for bytes up to `limit`: behind it TooLarge is raised."""

    def make_room(stop: int) -> None:
        if stop > limit:
            raise TooLarge(PAST_THE_LENGTH)

    return make_room


def read_all(incoming: IncomingBytes, most: int) -> memoryview:
    """All of a body, of which there are at most `most` bytes. Raises what `incoming` raises."""
    data, filled = memoryview(bytearray(most)), 0
    while count := incoming.readinto(data[filled:]):
        filled += count
    return data[:filled]


@dataclass(frozen=True, slots=True)
class Counting:
    """How the bytes of a body come to count: as they come, or with `is_atomic` as a whole or not at all.

    `commit` makes all up to an offset count; `touch` shows meanwhile that an atomic body is alive.
    """

    is_atomic: bool
    commit: Callable[[int], object] = _nothing
    touch: Callable[[], object] = _nothing


class BodyWriter:
    """Writes the bytes from `start` on, up to where `make_room` raises.

    Unless they are atomic they are committed every COMMIT_BYTES or COMMIT_SECONDS, when the client becomes idle and at
    the end, whatever the end is. A remote store is not waited for meanwhile: what it has acknowledged is committed, and
    the rest STORE_SECONDS later where the client is slow. One window of bytes is written, and hashed by the `follower`
    if there is one, while the next one is received. What is hashed already is not read again soon, and goes past the
    page cache.
    """

    def __init__(
        self,
        writer: BlobWriter,
        *,
        start: int,
        make_room: Callable[[int], object],
        counting: Counting,
        follower: DigestFollower | None,
        begin: BeginOffload,
    ) -> None:
        self._writer = writer
        self._make_room = make_room
        self._is_atomic, self._commit, self._touch = counting.is_atomic, counting.commit, counting.touch
        self._follower = follower
        self._begin = begin
        self._windows = WindowPair()
        self._pending_bytes = 0
        self._is_slow = False
        self._ongoing: _Storing | None = None
        self._handed = self._written = self._committed = self._tried = start
        self._written_at = self._committed_at = self._tried_at = time.monotonic()

    @property
    def offset(self) -> int:
        """Where the bytes end that have been taken."""
        return self._handed + self._pending_bytes

    def receive(self, incoming: IncomingBytes) -> None:
        """Take and write all that comes. Raises what `incoming` raises, TooLarge, StorageFull, what `commit` raises."""
        incoming.while_idle(self._while_idle)
        try:
            while count := incoming.readinto(self._windows.room(self.offset)):
                self._take(count)
            self._write()
            self._wait()
        except BaseException as error:
            self._rescue(error)
            raise
        finally:
            incoming.while_idle(_nothing)  # the rest of the body may still be waited for, by somebody else
            self._pending_bytes = 0
            if self._ongoing is None:
                self._windows.close()

    def commit_all(self) -> None:
        """Make everything that was taken count."""
        self._write()
        self._wait()
        self._commit_up_to(self._written)

    def _commit_some(self) -> None:
        """Make everything count that need not be waited for, and the rest where it has been waiting for long."""
        self._write()
        self._wait()
        self._commit_up_to(min(self._written, self._writer.settled))
        is_little = self._written - self._committed < COMMIT_BYTES  # or it is on its way already
        if is_little and time.monotonic() - self._committed_at >= STORE_SECONDS:
            self._commit_up_to(self._written)

    def _commit_up_to(self, stop: int) -> None:
        self._tried, self._tried_at = self._written, time.monotonic()
        if stop > self._committed:
            self._commit(stop)
            self._committed = stop
            self._committed_at = time.monotonic()

    @property
    def has_loose_bytes(self) -> bool:
        """Whether some of what was written, and hashed, does not count."""
        return self._written != self._committed

    def _rescue(self, error: BaseException) -> None:
        """After an error, let what arrived before it count, if it may."""
        if isinstance(error, QuotaExceeded):
            self._pending_bytes = 0
        if self._is_atomic or isinstance(error, FlushFailed | ClaimLost):  # then what came before counts no more either
            self._wait()
            return
        try:
            self.commit_all()
        except (StorageFull, StoreUnavailable):
            settled = self._writer.settled
            if settled < self._written:  # the store is away, but has acknowledged so much
                self._commit_up_to(settled)
            raise

    def _while_idle(self) -> None:
        """Let everything count that may, and keep no memory for a client that sends nothing."""
        if self._is_atomic:
            self._write()
            self._wait()
        elif self.offset > self._committed:
            self._commit_some()
        self._windows.rest()

    def _take(self, count: int) -> None:
        self._make_room(self.offset + count)
        self._pending_bytes += count
        now = time.monotonic()
        self._is_slow = now - self._written_at >= WRITE_SECONDS
        if self._is_slow or self.offset % WINDOW_BYTES == 0:
            self._write()
        is_much = self.offset - self._tried >= COMMIT_BYTES and not self._is_atomic
        is_due = is_much or now - self._tried_at >= COMMIT_SECONDS
        if is_due and self._is_atomic:
            self._touch()
            self._tried_at = now
        elif is_due:
            self._commit_some()

    def _write(self) -> None:
        """Hand what is pending over to be written, once what was handed over before is."""
        part = Span(self._handed, self.offset)
        if not part.size:
            return
        self._wait()
        self._writer.make_room(part.size)
        data = self._windows.take(part)
        self._pending_bytes = 0
        self._handed = part.stop
        follower = self._follower if self._follower and self._follower.begin(part.start) else None
        self._ongoing = _Storing(follower)  # first: begun steps must be waited for whatever happens
        self._ongoing.begin(self._writer, part, data, self._begin if part.size >= OFFLOAD_FROM_BYTES else _later)

    def _wait(self) -> None:
        """Wait for what is being written. Raises StorageFull, OSError; then nothing may follow what is missing."""
        ongoing, self._ongoing = self._ongoing, None
        if ongoing is None:
            return
        is_stored = False
        try:
            is_stored = ongoing.finish()
        finally:
            if not is_stored:
                self._handed, self._pending_bytes = self._written, 0
        if is_stored:
            self._windows.release_other()
            self._written = self._handed
            self._written_at = time.monotonic()
            if self._is_slow:  # there may be thousands of such clients
                self._windows.forget(self._written)


class _Storing:
    """A part on its way to the disk, and at the same time through the hash of its `follower`, if it has one."""

    def __init__(self, follower: DigestFollower | None) -> None:
        self._follower = follower
        self._waits: list[Callable[[], object]] = []
        self._is_begun = False

    def begin(self, writer: BlobWriter, part: Span, data: memoryview, begin: BeginOffload) -> None:
        """Begin to store `data`. Whatever is raised, `finish` must be called."""
        is_direct = self._follower is not None and part.size >= DIRECT_FROM_BYTES
        write = (
            partial(writer.write_direct, part.start, data) if is_direct else partial(writer.write, part.start, [data])
        )
        self._waits.append(begin(write))
        if self._follower is not None:
            self._waits.append(begin(partial(self._follower.update, data)))
        self._is_begun = True

    def finish(self) -> bool:
        """Wait for all that was begun, and tell whether that was everything. Raises StorageFull, OSError."""
        is_stored = False
        try:
            with ExitStack() as each_of_them:
                for wait in self._waits:
                    each_of_them.callback(wait)
            is_stored = self._is_begun
        finally:
            if self._follower is not None:
                if not is_stored:
                    self._follower.restart()
                self._follower.end()
        return is_stored


def _later(work: Callable[[], T], /) -> Callable[[], T]:
    """Little work is done when it is waited for."""
    return work
