"""What the rules need from a store of bytes: a disk has it, and an object store can.

Bytes are found by key and range. No path, descriptor or open file of a disk leaves a store, but for what it offers to
those who send: `Body.local` and `BlobStore.find_location`, which another kind of store answers with None.

Every method may be called on the event loop and in the thread pool. What waits for a disk or a network leaves the loop
by itself; but `write`, `write_direct` and `read` of local bytes are done where they are called, because whoever calls
them has more to do in the same hop, such as hashing.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self, TypeAlias, TypeVar

from transfer_service.db.database import Executor
from transfer_service.storage.bodies import BlobReader, RemoteBytes
from transfer_service.storage.room_upkeep import Deleted, Mark, Quarantine
from transfer_service.wire.ranges import Span

END = 1 << 62
"""Past the last byte that any blob can have."""
WHOLE = Span(0, END)
PIECE_BYTES = 64 * 1024

Key: TypeAlias = uuid.UUID | str
"""What a blob is found by in its room (`rooms`): of a file its UUID, of an attachment `<message id>/<filename>`, of an
archive `<game data id>.zip`. Where a room has groups, what is before the slash names all of a group."""
AnyKey = TypeVar("AnyKey", uuid.UUID, str)


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """A blob as the store sees it, or a group of them, by its key.

    `stored_bytes` is the space it takes, which holes do not; `length` is where it ends.
    """

    key: str
    modified_at: datetime
    stored_bytes: int
    length: int


class BlobWriter(Protocol):
    """The only writer of one span of one blob, in all processes, until it is closed.

    What it has written comes to count by `sync` or `seal`, and `record` in the transaction after that. Of bytes without
    a record nobody can rely on anything: a local store has them, a remote one removes them with their writer.
    """

    @property
    def length(self) -> int:
        """Where the blob ends."""

    @property
    def settled(self) -> int:
        """Up to where everything from the start of the span is stored, so that `record` may be called without `sync`.

        A local store's bytes are settled when they are written, and survive power loss when they are synced; a remote
        store's are settled when it has acknowledged them, and survive everything then.
        """

    def make_room(self, size: int) -> None:
        """Return when `write` can take `size` bytes without waiting for a remote store.

        To be called where waiting holds up nobody: on the event loop, not in the thread pool. Raises StorageFull,
        StoreUnavailable, where what was written before could not be stored.
        """

    def write(self, offset: int, blocks: Sequence[bytes | memoryview]) -> None:
        """Store the blocks one after the other from `offset` on. Raises StorageFull.

        Their memory is the caller's again when this returns.
        """

    def write_direct(self, offset: int, data: memoryview) -> None:
        """Store `data` from `offset` on without keeping it in memory for readers: nobody reads it soon.

        Best where it comes from `windows`. Raises StorageFull.
        """

    def read(self, span: Span, *, is_checked: bool = False) -> bytes:
        """The bytes of the span, shorter where the blob ends; as with `open_reader`. Raises ReadFailed."""

    def copy(self, source: Key, span: Span, *, to: int) -> None:
        """Store a span of another blob of the room at `to`. Raises BlobMissing, StorageFull, ReadFailed."""

    def cut(self) -> None:
        """Cut the blob off where the span starts; the span must reach to the end of anything."""

    def sync(self) -> None:
        """Return when these bytes and their key survive power loss. Raises StorageFull, FlushFailed."""

    def seal(self, length: int, *, flush: bool) -> None:
        """These are all the bytes: cut off what is behind `length`, which is in the span or at its end.

        With `flush` all survive power loss then. The blob can be read as a whole from the next `record` on. Raises
        StorageFull, FlushFailed.
        """

    def record(self, rows: Executor) -> None:
        """Write down where the bytes are, in the transaction in which they come to count, after `sync` or `seal`.

        It may be called again and again, also after a transaction that was rolled back, and while `write` runs
        on another thread: then of what was settled before. Raises ClaimLost where the span is another one's by now.
        """

    def publish(self, key: Key) -> None:
        """Give these bytes, which are whole and synced, another key for good and in one step, in place of what has it.

        Raises BlobMissing where they have lost their own key to somebody else, StorageFull, ReadFailed.
        """

    def is_wanted(self) -> bool:
        """Whether somebody else waits for a part of this span, or has deleted the blob.

        Of a writer that has taken over: whether anybody has come after it to take over.
        """


class Lock(Protocol):
    """An exclusive lock on a span of a blob."""

    def is_wanted(self) -> bool:
        """Whether somebody else waits for a part of the span, or has come after who took it over."""


class Claims(Protocol):
    """Locks on spans of blobs, across greenlets, processes and, for a store that has them, machines.

    Whoever writes holds one: `BlobStore.open_writer` takes it. A dead holder loses it by itself.
    """

    def lock(self, key: Key, span: Span, *, wait_seconds: float) -> AbstractContextManager[Lock]:
        """Hold a lock. Raises RangeBusy after `wait_seconds`; BlobMissing where locks are kept with a blob."""

    def take_over(self, key: Key, span: Span, *, wait_seconds: float) -> AbstractContextManager[Lock]:
        """The same as the last one who came: whoever came before must have let go and left.

        Raises like it, and Superseded when somebody comes after.
        """

    def is_locked(self, key: Key, span: Span) -> bool:
        """Whether anybody holds a lock on any byte of the span."""

    def is_in_use(self, key: Key) -> bool:
        """Whether anybody holds a lock on the blob, or on one of the group, or waits for one."""

    def in_use(self, key: Key) -> AbstractContextManager[None]:
        """Keep the blob, if there is one, from being removed for resting too long until the block ends.

        For requests that do not know yet which of its bytes they will lock. Raises RangeBusy where it is just being
        removed, for long.
        """

    def secluded(self, key: Key) -> AbstractContextManager[bool]:
        """Whether nobody uses the blob: then nobody begins to until the block ends."""


class BlobStore(Protocol):
    """One room of blobs by their keys."""

    @property
    def is_remote(self) -> bool:
        """Whether reading costs requests to another machine: then nothing is read that is not needed.

        What such a store has acknowledged survives power loss, whatever is asked for.
        """

    @property
    def claims(self) -> Claims:
        """The locks on these blobs."""

    @property
    def quarantine(self) -> Quarantine:
        """The orphans of this room."""

    @property
    def deleted(self) -> Deleted:
        """What is deleted of this room, and kept for a backup that is under way."""

    @property
    def mark(self) -> Mark:
        """Whose room it is."""

    def open_writer(
        self, key: Key, span: Span, *, create: bool, wait_seconds: float
    ) -> AbstractContextManager[BlobWriter]:
        """Lock a span of a blob, with `create` of a new one too.

        Raises BlobMissing, RangeBusy after `wait_seconds`, StorageFull.
        """

    def open_new(self, key: Key) -> AbstractContextManager[BlobWriter]:
        """Make a blob under a key that nobody else knows yet, and lock all of it. Raises StorageFull.

        For what is stored at once: where locks cost something, nobody else sees this one.
        """

    def take_over(
        self, key: Key, span: Span, *, create: bool, wait_seconds: float
    ) -> AbstractContextManager[BlobWriter]:
        """Like `open_writer`, as the last one who came: who takes over holds it as long as nobody comes after.

        Raises like it, and Superseded as soon as somebody else comes to take over.
        """

    def adopt(
        self, key: Key, source: Self, source_key: Key, length: int, *, may_grow: bool
    ) -> AbstractContextManager[Callable[[Executor], None]]:
        """Let a key that nobody else knows have the `length` bytes of a whole blob in another room of the same store.

        They do not pass through us: the blobs share them from now on, but not with one that `may_grow`, or the store
        copies them. They survive power loss, and count by what this gives, which is called like `record` of a writer.
        Raises BlobMissing, also where the blob has changed meanwhile, ReadFailed, StorageFull, FlushFailed.
        """

    def open_reader(self, key: Key, *, is_checked: bool = False) -> BlobReader:
        """The blob, to be closed; `is_checked`: as stored, whatever networks do. Raises BlobMissing, ReadFailed."""

    def find_location(self, key: Key, length: int) -> str | None:
        """Optional: the path under its internal locations by which a web server in front may send the blob.

        None where it must not, also because the blob does not end at `length` or may still grow. Raises BlobMissing,
        ReadFailed.
        """

    def find_remote(self, key: Key, length: int) -> RemoteBytes | None:
        """Optional: the blob as another server can give it, whole.

        None where it cannot, also because the blob does not end at `length` or is not one object yet. Raises
        StoreUnavailable.
        """

    def record_whole(self, rows: Executor, key: Key, length: int) -> None:
        """Write down that a blob has all its bytes, in the transaction that declares it whole without a writer.

        For who cannot have one, since somebody holds a lock on what is behind `length`: see `BlobWriter.seal`.
        """

    def stored_bytes(self, key: Key) -> int | None:
        """The space that a blob or a group takes, None if there is none. Raises StoreUnavailable."""

    def find_lacking(self, keys: Sequence[AnyKey]) -> Sequence[AnyKey]:
        """Those of some blobs or groups of which bytes, or all, are not there. Best asked in the order of the keys.

        Raises StoreUnavailable.
        """

    def size(self, key: Key) -> int:
        """Where the blob ends. Raises BlobMissing."""

    def sync(self, key: Key) -> None:
        """Return when the blob and its key survive power loss. Raises BlobMissing, StorageFull, FlushFailed."""

    def sync_all(self) -> None:
        """Return when everything that was ever written survives power loss. Raises OSError."""

    def delete(self, key: Key) -> int:
        """Remove a blob or a group and tell the bytes that this freed, 0 if there was none.

        Open readers of a local store read on.
        """

    def batches(self) -> Iterator[Sequence[BlobFacts]]:
        """Every blob, or where the room has groups every group, in no order, some hundreds at a time."""

    def check(self) -> None:
        """Prove that the store can be written. Raises StoreUnavailable."""
