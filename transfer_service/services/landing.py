"""The bytes of one append on their way to the disk, with the progress that is a fact before the append is over."""

import time
from collections.abc import Callable, Iterator
from typing import Protocol

from transfer_service.errors import QuotaExceeded, TooLarge
from transfer_service.offload import BeginOffload
from transfer_service.services.batches import BATCH_BYTES, OFFLOAD_FROM_BYTES
from transfer_service.services.running_digests import DigestFollower
from transfer_service.storage.blobs import BlobWriter
from transfer_service.wire.spans import Span

FACT_BYTES = 8 * 1024 * 1024
FACT_SECONDS = 1.0
WRITE_SECONDS = 0.5
PAST_THE_LENGTH = "The bytes reach past the end of the upload"


class IncomingBytes(Protocol):
    """The body of an append, as it arrives."""

    def blocks(self) -> Iterator[bytes]:
        """Everything that came, and then a TransferError instead of an end where that is not all of it."""

    def give_up_when(self, condition: Callable[[], bool]) -> None:
        """Stop waiting for a client that has gone quiet as soon as `condition` holds."""

    def when_quiet(self, use_the_time: Callable[[], object]) -> None:
        """Call `use_the_time` while the client sends nothing; what it raises ends the blocks."""


class Landing:
    """Writes the blocks from `start` on, and nothing past `limit`; `commit` makes everything up to an offset count.

    That happens every FACT_BYTES or FACT_SECONDS, when the client goes quiet and at the end, whatever the end is. An
    `is_atomic` append counts as a whole or not at all; `touch` tells meanwhile that it is alive. One batch is written
    and hashed while the next one is received.
    """

    def __init__(
        self,
        writer: BlobWriter,
        *,
        start: int,
        limit: int,
        is_atomic: bool,
        follower: DigestFollower,
        commit: Callable[[int], object],
        touch: Callable[[], object],
        begin: BeginOffload,
    ) -> None:
        self._writer = writer
        self._limit = limit
        self._is_atomic = is_atomic
        self._follower = follower
        self._commit = commit
        self._touch = touch
        self._begin = begin
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._ongoing: Callable[[], None] | None = None
        self._handed = self._written = self._committed = start
        self._written_at = self._committed_at = time.monotonic()

    @property
    def offset(self) -> int:
        """Where the bytes end that have been taken."""
        return self._handed + self._pending_bytes

    def receive(self, incoming: IncomingBytes) -> None:
        """Take and write every block. Raises what the blocks raise, TooLarge, StorageFull, and what `commit` raises."""
        incoming.when_quiet(self._use_the_silence)
        try:
            for block in incoming.blocks():
                self._take(block)
            self._write()
            self._wait()
        except BaseException as error:
            self._rescue(error)
            raise

    def settle(self) -> None:
        """Make everything that was taken count."""
        self._write()
        self._wait()
        if self._written > self._committed:
            self._commit(self._written)
            self._committed = self._written
        self._committed_at = time.monotonic()

    @property
    def has_loose_bytes(self) -> bool:
        """Whether some of what was written, and hashed, does not count."""
        return self._written != self._committed

    def _rescue(self, error: BaseException) -> None:
        """After an error, let what arrived before it count, if it may."""
        if isinstance(error, QuotaExceeded):
            self._pending, self._pending_bytes = [], 0
        if self._is_atomic:
            self._wait()
        else:
            self.settle()

    def _use_the_silence(self) -> None:
        if self.offset > self._committed and not self._is_atomic:
            self.settle()

    def _take(self, block: bytes) -> None:
        if self.offset + len(block) > self._limit:
            raise TooLarge(PAST_THE_LENGTH)
        self._pending.append(block)
        self._pending_bytes += len(block)
        now = time.monotonic()
        if self._pending_bytes >= BATCH_BYTES or now - self._written_at >= WRITE_SECONDS:
            self._write()
        is_much = self.offset - self._committed >= FACT_BYTES and not self._is_atomic
        is_due = is_much or now - self._committed_at >= FACT_SECONDS
        if is_due and self._is_atomic:
            self._touch()
            self._committed_at = now
        elif is_due:
            self.settle()

    def _write(self) -> None:
        """Hand what is pending over to be written, once what was handed over before is."""
        batch, part = self._pending, Span(self._handed, self.offset)
        if not part.size:
            return
        self._wait()
        self._pending, self._pending_bytes = [], 0
        self._handed = part.stop
        follows = not self._is_atomic and self._follower.begin(part.start)

        def store() -> None:
            self._writer.write(part.start, batch)
            if follows:
                self._follower.update(batch)

        def finish() -> None:
            try:
                wait()
            finally:
                if follows:
                    self._follower.end()

        wait = self._begin(store) if part.size >= OFFLOAD_FROM_BYTES else store
        self._ongoing = finish

    def _wait(self) -> None:
        """Wait for what is being written. Raises StorageFull, OSError; then nothing may follow what is missing."""
        ongoing, self._ongoing = self._ongoing, None
        if ongoing is None:
            return
        try:
            ongoing()
        except BaseException:
            self._handed = self._written
            self._pending, self._pending_bytes = [], 0
            raise
        self._written = self._handed
        self._written_at = time.monotonic()
