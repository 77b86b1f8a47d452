"""Digests of files while they arrive: hashed up to the first gap as it moves, so that little is left to the end."""

import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from cachetools import LRUCache

from transfer_service.errors import BlobMissing
from transfer_service.services.batches import BATCH_BYTES, in_batches
from transfer_service.services.file_digest import FileDigest, FileHasher
from transfer_service.services.read_back import read_back
from transfer_service.storage.blobs import WHOLE, BlobStore
from transfer_service.storage.bodies import BlobReader
from transfer_service.threads import Offload
from transfer_service.wire.ranges import Span

if TYPE_CHECKING:
    from hashlib import _Hash

MAX_ENTRIES = 1024
PIECE_BYTES = 1024 * 1024
PIECES_A_HOP = 16
BLOCKS_A_HOP = 256
HEADWAY_BYTES = 8 * 1024 * 1024
READ_BACKS = 2
"""Files that one process reads back from a remote store at once."""
EARLY_BYTES = 8 * 1024 * 1024
"""So much one process keeps of chunks that came before those in front of them."""
TURN_SECONDS = 900.0
"""So long one instance waits for another one that reads a file back."""


@dataclass(slots=True)
class _Entry:
    hasher: FileHasher = field(default_factory=FileHasher)
    offset: int = 0
    safe: tuple[FileHasher, int] | None = None
    """As it was when a writer began to put bytes into it that may never come to count."""
    turn: threading.Lock = field(default_factory=threading.Lock)


def hash_all(blob: BlobReader, hasher: "_Hash", offload: Offload) -> int:
    """Put all of a blob into a hash, off the event loop, and tell its length. Raises ReadFailed."""
    length = blob.size
    blocks = blob.blocks(Span(0, length))
    if blob.local(Span(0, length)) is None:  # the store is waited for on the event loop, not in the thread pool
        for batch in in_batches(blocks, BATCH_BYTES):
            offload(partial(_update, hasher, batch))
        return length

    def hash_some() -> bool:
        block = b""
        for block in islice(blocks, BLOCKS_A_HOP):
            hasher.update(block)
        return bool(block)

    while offload(hash_some):
        pass
    return length


def _update(hasher: "_Hash", blocks: Sequence[bytes | memoryview]) -> None:
    for block in blocks:
        hasher.update(block)


class DigestFollower:
    """Takes bytes on their way to the store, where they continue what is hashed already.

    What it took must come to count, or be forgotten.
    """

    def __init__(self, entry: _Entry) -> None:
        self._entry = entry

    @classmethod
    def alone(cls) -> "DigestFollower":
        """For a file that nobody else knows yet."""
        return cls(_Entry())

    @property
    def digest(self) -> FileDigest:
        """Of all that was taken."""
        return self._entry.hasher.digest()

    def begin(self, offset: int) -> bool:
        """Whether `update` may be called, with the bytes from `offset` on; then `end` must be called."""
        if not self._entry.turn.acquire(blocking=False):
            return False
        if self._entry.offset > offset:  # the hash has taken bytes that never came to count
            self.restart()
        if self._entry.offset == offset:
            return True
        self._entry.turn.release()
        return False

    def update(self, data: memoryview) -> None:
        """Hash the bytes; on any thread."""
        self._entry.hasher.update(data)
        self._entry.offset += len(data)

    def restart(self) -> None:
        """Forget what was hashed: some of it will not come to count."""
        self._entry.hasher, self._entry.offset = FileHasher(), 0

    def end(self) -> None:
        """Let others hash again; where `begin` was called."""
        self._entry.turn.release()


class _EarlyChunks:
    """Chunks that count and whose turn to be hashed has not come: clients send several at once.

    Of what is too much the oldest are dropped, and read back at the end.
    """

    def __init__(self) -> None:
        self._files: dict[uuid.UUID, dict[int, bytes]] = {}
        self._order: OrderedDict[tuple[uuid.UUID, int], None] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def keep(self, file_id: uuid.UUID, offset: int, data: bytes) -> None:
        """Keep a chunk, if there is room for it."""
        with self._lock:
            self._pop(file_id, offset)
            self._files.setdefault(file_id, {})[offset] = data
            self._order[file_id, offset] = None
            self._bytes += len(data)
            while self._bytes > EARLY_BYTES:
                self._pop(*next(iter(self._order)))

    def take(self, file_id: uuid.UUID, offset: int) -> bytes | None:
        """The chunk that begins there, which is not kept any longer."""
        with self._lock:
            return self._pop(file_id, offset)

    def forget(self, file_id: uuid.UUID) -> None:
        """Keep nothing of a file."""
        with self._lock:
            for offset in list(self._files.get(file_id, ())):
                self._pop(file_id, offset)

    def _pop(self, file_id: uuid.UUID, offset: int) -> bytes | None:
        chunks = self._files.get(file_id, {})
        data = chunks.pop(offset, None)
        if data is not None:
            del self._order[file_id, offset]
            self._bytes -= len(data)
            if not chunks:
                del self._files[file_id]
        return data


class RunningDigests:
    """Hash states by file, of this process only: one that is lost (restart, eviction) is computed again from the store.

    Only bytes that are stored for good may be hashed: callers pass the contiguous length that is committed. Of a remote
    store nothing is read back before the end, and then what was not hashed on its way here, by one instance at a time.
    """

    def __init__(self, *, store: BlobStore, offload: Offload) -> None:
        self._store = store
        self._offload = offload
        self._entries: LRUCache[uuid.UUID, _Entry] = LRUCache(MAX_ENTRIES)
        self._read_backs = threading.BoundedSemaphore(READ_BACKS)
        self._early = _EarlyChunks()

    def make_headway(self, file_id: uuid.UUID, committed: int) -> None:
        """Hash some of the bytes up to `committed`, unless somebody else is at it for this file."""
        entry = self._entry(file_id)
        if self._store.is_remote or committed - entry.offset < HEADWAY_BYTES or not entry.turn.acquire(blocking=False):
            return
        try:
            self._hash_up_to(file_id, entry, min(committed, entry.offset + 2 * HEADWAY_BYTES))
        except BlobMissing:  # deleted meanwhile
            self.forget(file_id)
        finally:
            entry.turn.release()

    def digest(self, file_id: uuid.UUID, length: int) -> FileDigest:
        """That of the first `length` bytes. Raises BlobMissing, ReadFailed."""
        entry = self._entry(file_id)
        with entry.turn:
            self._hash_up_to(file_id, entry, length)
            return entry.hasher.digest()

    def is_near(self, file_id: uuid.UUID, length: int) -> bool:
        """Whether little is left to hash of the first `length` bytes, of a remote store nothing."""
        return length - self._entry(file_id).offset <= (0 if self._store.is_remote else 2 * HEADWAY_BYTES)

    def add(self, file_id: uuid.UUID, offset: int, blocks: Sequence[bytes]) -> None:
        """Hash a little that has come to count and is still in memory, once it continues what is hashed already.

        From a disk it is read back soon, more of it at once.
        """
        if not self._store.is_remote or offset < self._entry(file_id).offset:
            return
        self._early.keep(file_id, offset, b"".join(blocks))
        follower, entry = self.follow(file_id), self._entry(file_id)
        while (data := self._early.take(file_id, entry.offset)) is not None:
            if not follower.begin(entry.offset):
                return
            try:
                follower.update(memoryview(data))
            finally:
                follower.end()

    @contextmanager
    def turn(self, file_id: uuid.UUID, length: int) -> Iterator[bool]:
        """The turn of this instance to read a file back, if it must. Whether another one may have done so meanwhile.

        An instance that dies loses its turn to the next one. Raises RangeBusy after TURN_SECONDS.
        """
        if not self._store.is_remote or self.is_near(file_id, length):
            yield False
            return
        with self._store.claims.lock(f"hash-{file_id.hex}", WHOLE, wait_seconds=TURN_SECONDS):
            yield True

    def follow(self, file_id: uuid.UUID) -> "DigestFollower":
        """For the only writer of a file, which hashes its bytes while it has them."""
        entry = self._entry(file_id)
        entry.safe = (entry.hasher.copy(), entry.offset)
        return DigestFollower(entry)

    def go_back(self, file_id: uuid.UUID) -> None:
        """Drop what a writer has put in: some of it never came to count. From a disk all is soon read again."""
        entry = self._entries.pop(file_id, None)
        if entry is not None and entry.safe is not None and self._store.is_remote:
            hasher, offset = entry.safe
            self._entries[file_id] = _Entry(hasher.copy(), offset, entry.safe)

    def forget(self, file_id: uuid.UUID) -> None:
        """Drop the state of a file that is gone."""
        self._entries.pop(file_id, None)
        self._early.forget(file_id)

    def _entry(self, file_id: uuid.UUID) -> _Entry:
        return self._entries.setdefault(file_id, _Entry())

    def _hash_up_to(self, file_id: uuid.UUID, entry: _Entry, stop: int) -> None:
        if self._store.is_remote and entry.offset < stop:
            with self._read_backs:
                for block in read_back(self._store, file_id, Span(entry.offset, stop)):
                    self._offload(partial(entry.hasher.update, block))
                    entry.offset += len(block)
                    del block  # the next one takes its place
        while entry.offset < stop:
            self._offload(lambda: self._hash_pieces(file_id, entry, stop))

    def _hash_pieces(self, file_id: uuid.UUID, entry: _Entry, stop: int) -> None:
        with closing(self._store.open_reader(file_id)) as blob:
            for _ in range(PIECES_A_HOP):
                piece = blob.read(entry.offset, min(PIECE_BYTES, stop - entry.offset))
                if not piece and entry.offset < stop:
                    raise BlobMissing("The stored file is shorter than it should be")
                entry.hasher.update(piece)
                entry.offset += len(piece)
