"""Where a move of the store brings blobs to: whole, one after the other, without records and claims.

Nobody else uses a place that is moved into: its mark says so until the end.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Protocol

from transfer_service.errors import BlobMissing
from transfer_service.storage.blobs import WHOLE, BlobStore, Key
from transfer_service.storage.room_upkeep import Mark

WAIT_SECONDS = 2.0


class Landing(Protocol):
    """One room of the new place."""

    @property
    def mark(self) -> Mark:
        """Whose room it is, or is to be."""

    def put(self, key: Key, blocks: Iterator[bytes], *, length: int) -> None:
        """Store a blob of `length` bytes in place of whatever has its key; durable when it returns.

        Raises StorageFull, StoreUnavailable.
        """

    def read(self, key: Key, start: int, size: int) -> bytes:
        """At most `size` bytes from `start` on. Raises BlobMissing, ReadFailed, StoreUnavailable."""

    def size(self, key: Key) -> int | None:
        """Where the blob ends, None where there is none. Raises StoreUnavailable."""

    def delete(self, key: Key) -> None:
        """Remove a blob, if it is there."""

    def is_empty(self) -> bool:
        """Whether there is no blob at all."""


class StoreLanding:
    """A room of a store that needs no rows: a disk's."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self.mark = store.mark

    def put(self, key: Key, blocks: Iterator[bytes], *, length: int) -> None:
        """Write the blob in its place, and flush it."""
        with self._store.open_writer(key, WHOLE, create=True, wait_seconds=WAIT_SECONDS) as writer:
            offset = 0
            for block in blocks:
                writer.write(offset, [block])
                offset += len(block)
            writer.seal(length, flush=True)

    def read(self, key: Key, start: int, size: int) -> bytes:
        """At most `size` bytes from `start` on."""
        with closing(self._store.open_reader(key)) as reader:
            return reader.read(start, size)

    def size(self, key: Key) -> int | None:
        """Where the blob ends, None where there is none."""
        try:
            return self._store.size(key)
        except BlobMissing:
            return None

    def delete(self, key: Key) -> None:
        """Remove the blob, or all of its group, which in a room with groups is this one."""
        self._store.delete(key)

    def is_empty(self) -> bool:
        """Whether nothing is stored."""
        return not any(self._store.batches())
