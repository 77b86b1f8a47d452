"""What the rules need from a store of bytes."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from transfer_service.storage.quarantine import Quarantine
from transfer_service.wire.ranges import Span


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """A blob as the store sees it. `stored_bytes` is the space it takes, which holes do not; `length` is its end."""

    blob_id: uuid.UUID
    modified_at: datetime
    stored_bytes: int
    length: int


class BlobWriter(Protocol):
    """The only writer of one span of one blob, in all processes, until it is closed."""

    def write(self, offset: int, blocks: Sequence[bytes | memoryview]) -> None:
        """Store the blocks one after the other from `offset` on. Raises StorageFull."""

    def write_direct(self, offset: int, data: memoryview) -> None:
        """Store `data` from `offset` on without keeping it in memory for readers: nobody reads it soon.

        Best where it comes from the windows of `buffers`. Raises StorageFull.
        """

    def read(self, span: Span) -> bytes:
        """The bytes of the span, shorter where the blob ends. Raises ReadFailed."""

    def copy(self, source: BinaryIO, *, start: int, length: int, to: int) -> None:
        """Store `length` bytes of another blob, from its `start` on, at `to`. Raises StorageFull, ReadFailed."""

    def cut(self) -> None:
        """Cut the blob off where the span starts; the span must reach to the end of anything."""

    def trim(self, length: int) -> None:
        """Cut the blob off at `length`, which is in the span or at its end, if it is longer."""

    def is_wanted(self) -> bool:
        """Whether somebody else waits for a part of this span, or has deleted the blob.

        Of a writer that has taken over: whether anybody has come after it to take over.
        """


END = 1 << 62
"""Past the last byte that any blob can have."""


class BlobStore(Protocol):
    """Bytes by blob id. Blocking: callers decide what runs off the event loop."""

    @property
    def quarantine(self) -> Quarantine:
        """What was taken for an orphan, by the hexadecimal digits of its id."""

    def open_writer(
        self, blob_id: uuid.UUID, span: Span, *, create: bool, wait_seconds: float
    ) -> AbstractContextManager[BlobWriter]:
        """Claim a span of a blob, with `create` of a new one too.

        Raises BlobMissing, RangeBusy after `wait_seconds`, StorageFull.
        """

    def take_over(
        self, blob_id: uuid.UUID, span: Span, *, create: bool, wait_seconds: float
    ) -> AbstractContextManager[BlobWriter]:
        """Like `open_writer`, as the last one who came: who takes over holds it as long as nobody comes after.

        Raises like it, and Superseded as soon as somebody else comes to take over.
        """

    def open_reader(self, blob_id: uuid.UUID) -> BinaryIO:
        """The blob as an unbuffered file that the caller closes. Raises BlobMissing, ReadFailed."""

    def relative_path_of(self, blob_id: uuid.UUID) -> str:
        """Where the blob lies under the store's root, for a web server that sends from the same folder."""

    def is_settled(self, blob_id: uuid.UUID, length: int) -> bool:
        """Whether the blob ends at `length` and nobody writes past that. Raises BlobMissing, ReadFailed."""

    def is_in_use(self, blob_id: uuid.UUID) -> bool:
        """Whether any process holds a writer of the blob, or waits for one."""

    def in_use(self, blob_id: uuid.UUID) -> AbstractContextManager[None]:
        """Keep the blob, if there is one, from being removed for resting too long until the block ends.

        Raises RangeBusy where it is just being removed, for long.
        """

    def secluded(self, blob_id: uuid.UUID) -> AbstractContextManager[bool]:
        """Whether nobody uses the blob: then nobody begins to until the block ends."""

    def stored_bytes(self, blob_id: uuid.UUID) -> int | None:
        """The space the blob takes, None if there is no such blob."""

    def size(self, blob_id: uuid.UUID) -> int:
        """Where the blob ends. Raises BlobMissing."""

    def sync(self, blob_id: uuid.UUID) -> None:
        """Return when the blob and its name survive power loss. Raises BlobMissing, StorageFull, FlushFailed."""

    def delete(self, blob_id: uuid.UUID) -> int:
        """Remove the blob and tell the bytes that this freed, 0 if there was none. Open readers keep the old bytes."""

    def list_blobs(self) -> Iterator[BlobFacts]:
        """Every blob, in no order."""

    def check(self) -> None:
        """Prove that the store can be written. Raises StoreUnavailable."""
