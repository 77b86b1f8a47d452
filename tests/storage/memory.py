"""A store in memory: what the rules need and nothing else, so they are seen to run without paths and descriptors."""

import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from transfer_service.db.database import Executor
from transfer_service.errors import BlobMissing, ClaimLost, RangeBusy, ReadFailed, StoreUnavailable, Superseded
from transfer_service.storage.blobs import WHOLE, AnyKey, BlobFacts, BlobWriter, Key
from transfer_service.storage.room_upkeep import KeptOrphan
from transfer_service.storage.rooms import Room
from transfer_service.wire.ranges import Span

POLL_SECONDS = 0.002
ON_THEIR_WAY_BYTES = 1024 * 1024
MOST_WITHOUT_ROOM = 256 * 1024
"""What a remote store takes at once without having been asked for room."""


@dataclass(eq=False)
class Blob:
    """The bytes of a key, for as long as anybody has them open."""

    data: bytearray = field(default_factory=bytearray)
    modified_at: datetime = field(default_factory=lambda: datetime.now(UTC))


class MemoryReader:
    is_made = False

    def __init__(self, blob: Blob, store: "MemoryStore") -> None:
        self._blob = blob
        self._store = store

    @property
    def size(self) -> int:
        return len(self._blob.data)

    def read(self, start: int, size: int) -> bytes:
        self._store.reads.append(Span(start, start + size))
        self._store.may_read.wait()
        return bytes(self._blob.data[start : start + size])

    def blocks(self, span: Span) -> Iterator[bytes]:
        for start in range(span.start, span.stop, 1000):
            block = self.read(start, min(1000, span.stop - start))
            if len(block) < min(1000, span.stop - start):
                raise ReadFailed
            yield block

    def local(self, _span: Span) -> None:
        """Nowhere on this machine."""

    def close(self) -> None:
        """Nothing is held."""


@dataclass(eq=False)
class MemoryLock:
    """A lock, waited for or held. `turn` grows with each that takes over."""

    claims: "MemoryClaims"
    name: str
    span: Span
    turn: int | None = None
    is_held: bool = False

    def is_wanted(self) -> bool:
        return any(
            other.turn > self.turn
            if self.turn is not None and other.turn is not None
            else self.turn is None and not other.is_held and other.span.overlap(self.span) is not None
            for other in self.claims.locks
            if other is not self and other.name == self.name
        )


class MemoryClaims:
    """Locks by key. Unlike those of a disk they need no blob.

    Those of a remote store `are_lost` as if their holder had been cut off for longer than a lease.
    """

    def __init__(self) -> None:
        self.are_lost = False
        self.locks: list[MemoryLock] = []
        self._guard = threading.RLock()
        self._users: dict[str, int] = {}
        self._secluded: set[str] = set()
        self._turns = 0

    @contextmanager
    def lock(self, key: Key, span: Span, *, wait_seconds: float) -> Iterator[MemoryLock]:
        with self._waited(MemoryLock(self, name_of(key), span), wait_seconds) as lock:
            yield lock

    @contextmanager
    def take_over(self, key: Key, span: Span, *, wait_seconds: float) -> Iterator[MemoryLock]:
        with self._guard:
            self._turns += 1
            lock = MemoryLock(self, name_of(key), span, turn=self._turns)
        with self._waited(lock, wait_seconds):
            yield lock

    @contextmanager
    def _waited(self, lock: MemoryLock, wait_seconds: float) -> Iterator[MemoryLock]:
        deadline = time.monotonic() + wait_seconds
        with self._guard:
            self.locks.append(lock)
        try:
            while not self._try(lock):
                if lock.turn is not None and lock.is_wanted():
                    raise Superseded
                if time.monotonic() >= deadline:
                    raise RangeBusy
                time.sleep(POLL_SECONDS)
            yield lock
        finally:
            with self._guard:
                self.locks.remove(lock)

    def _try(self, lock: MemoryLock) -> bool:
        with self._guard:
            others = [each for each in self.locks if each is not lock and each.name == lock.name]
            is_free = not any(each.is_held and each.span.overlap(lock.span) for each in others)
            came_before = lock.turn is not None and any(
                each.turn is not None and each.turn < lock.turn for each in others
            )
            if is_free and not came_before and not (lock.turn is not None and lock.is_wanted()):
                lock.is_held = True
            return lock.is_held

    def is_locked(self, key: Key, span: Span) -> bool:
        with self._guard:
            return any(each.is_held and each.span.overlap(span) for each in self._of(key))

    def is_in_use(self, key: Key) -> bool:
        with self._guard:
            return bool(self._of(key))

    def _of(self, key: Key) -> list[MemoryLock]:
        name = name_of(key)
        return [each for each in self.locks if each.name == name or each.name.startswith(f"{name}/")]

    @contextmanager
    def in_use(self, key: Key) -> Iterator[None]:
        name = name_of(key)
        with self._guard:
            if name in self._secluded:
                raise RangeBusy
            self._users[name] = self._users.get(name, 0) + 1
        try:
            yield
        finally:
            with self._guard:
                self._users[name] -= 1

    @contextmanager
    def secluded(self, key: Key) -> Iterator[bool]:
        name = name_of(key)
        with self._guard:
            is_free = not (self._users.get(name) or self._of(key) or name in self._secluded)
            if is_free:
                self._secluded.add(name)
        try:
            yield is_free
        finally:
            if is_free:
                self._secluded.discard(name)


class MemoryWriter:
    def __init__(self, store: "MemoryStore", name: str, blob: Blob, lock: MemoryLock) -> None:
        self._store, self._name, self._blob, self._lock = store, name, blob, lock
        self.settled = lock.span.start

    @property
    def length(self) -> int:
        return len(self._blob.data)

    def make_room(self, _size: int) -> None:
        """There is always room."""

    def write(self, offset: int, blocks: Sequence[bytes | memoryview]) -> None:
        data = b"".join(blocks)
        if not data:
            return
        self._blob.data.extend(bytes(max(offset - self.length, 0)))
        self._blob.data[offset : offset + len(data)] = data
        self._blob.modified_at = datetime.now(UTC)
        if offset <= self.settled:
            self.settled = max(self.settled, offset + len(data))

    def write_direct(self, offset: int, data: memoryview) -> None:
        self.write(offset, [data])

    def read(self, span: Span, *, is_checked: bool = False) -> bytes:  # noqa: ARG002
        return bytes(self._blob.data[span.start : span.stop])

    def copy(self, source: Key, span: Span, *, to: int) -> None:
        data = self._store.open_reader(source).read(span.start, span.size)
        self.write(to, [data])
        if len(data) < span.size:
            raise ReadFailed

    def cut(self) -> None:
        del self._blob.data[self._lock.span.start :]
        self.settled = self._lock.span.start

    def sync(self) -> None:
        self._store.synced.append(self._name)

    def seal(self, length: int, *, flush: bool) -> None:
        del self._blob.data[length:]
        if flush:
            self.sync()

    def record(self, _rows: Executor) -> None:
        """They are where they are."""

    def publish(self, key: Key) -> None:
        if self._store.blobs.get(self._name) is not self._blob:
            raise BlobMissing
        self._store.blobs[self._store.checked(key)] = self._store.blobs.pop(self._name)

    def is_wanted(self) -> bool:
        return self._lock.is_wanted() or self._store.blobs.get(self._name) is not self._blob


class RemoteMemoryWriter:
    """A writer whose bytes are on their way for a while, and are nobody's before they are recorded.

    They are acknowledged when ON_THEIR_WAY_BYTES and a write more have come, or by `sync`. What was not recorded goes
    with the writer.
    """

    def __init__(self, store: "MemoryStore", name: str, lock: MemoryLock) -> None:
        self._store, self._name, self._lock = store, name, lock
        self._was_there = name in store.blobs
        self._changes: list[tuple[int, bytes | None]] = []  # None: cut off there
        self._on_their_way: list[tuple[int, bytes | None]] = []
        self._room = MOST_WITHOUT_ROOM

    @property
    def length(self) -> int:
        return len(self._seen())

    def _seen(self) -> bytearray:
        recorded = self._store.blobs.get(self._name)
        return applied([*self._changes, *self._on_their_way], recorded.data if recorded else bytearray())

    @property
    def settled(self) -> int:
        stop = self._lock.span.start
        for offset, data in self._changes:
            if data is None:
                stop = min(stop, offset)
            elif offset <= stop:
                stop = max(stop, offset + len(data))
        return stop

    def make_room(self, size: int) -> None:
        self._ask()
        self._room = max(size, MOST_WITHOUT_ROOM)

    def _ask(self) -> None:
        if self._store.is_away:
            raise StoreUnavailable

    def write(self, offset: int, blocks: Sequence[bytes | memoryview]) -> None:
        data = b"".join(blocks)
        assert len(data) <= self._room, "nobody has waited for the store"
        self._room = MOST_WITHOUT_ROOM
        if sum(len(each or b"") for _, each in self._on_their_way) >= ON_THEIR_WAY_BYTES:
            self._acknowledge()
        if data:
            self._on_their_way.append((offset, data))

    def write_direct(self, offset: int, data: memoryview) -> None:
        self.write(offset, [data])

    def _acknowledge(self) -> None:
        self._changes += self._on_their_way
        self._on_their_way = []

    def read(self, span: Span, *, is_checked: bool = False) -> bytes:  # noqa: ARG002
        return bytes(self._seen()[span.start : span.stop])

    def copy(self, source: Key, span: Span, *, to: int) -> None:
        data = self._store.open_reader(source).read(span.start, span.size)
        self.make_room(len(data))
        self.write(to, [data])
        if len(data) < span.size:
            raise ReadFailed

    def cut(self) -> None:
        self._cut_at(self._lock.span.start)

    def _cut_at(self, length: int) -> None:
        self._acknowledge()
        self._changes.append((length, None))

    def sync(self) -> None:
        self._ask()
        self._acknowledge()
        self._store.synced.append(self._name)

    def seal(self, length: int, *, flush: bool) -> None:
        self._ask()
        self._cut_at(length)
        if flush:
            self._store.synced.append(self._name)
        self._store.sealed.append(self._name)

    def record(self, rows: Executor) -> None:
        assert rows.in_transaction()
        if self._lock.claims.are_lost:
            raise ClaimLost
        if self._changes and not self._is_gone():
            blob = self._store.blobs.setdefault(self._name, Blob())
            blob.data[:] = applied(self._changes, blob.data)
            blob.modified_at = datetime.now(UTC)
            self._was_there = True

    def publish(self, key: Key) -> None:
        if self._lock.claims.are_lost or self._is_gone():
            raise BlobMissing
        self._store.blobs[self._store.checked(key)] = Blob(self._seen())
        self._store.blobs.pop(self._name, None)

    def is_wanted(self) -> bool:
        return self._lock.is_wanted() or self._is_gone()

    def _is_gone(self) -> bool:
        return self._was_there and self._name not in self._store.blobs


def applied(changes: Sequence[tuple[int, bytes | None]], before: bytearray) -> bytearray:
    """What the changes make of the bytes before them."""
    after = bytearray(before)
    for offset, data in changes:
        if data is None:
            del after[offset:]
        else:
            after.extend(bytes(max(offset - len(after), 0)))
            after[offset : offset + len(data)] = data
    return after


class MemoryQuarantine:
    def __init__(self, store: "MemoryStore") -> None:
        self._store = store
        self._kept: dict[KeptOrphan, dict[str, Blob]] = {}

    def put(self, key: str, *, now: datetime) -> bool:
        taken = {name: self._store.blobs.pop(name) for name in self._store.names_of(key)}
        if taken:
            stored_bytes = sum(len(blob.data) for blob in taken.values())
            self._kept[KeptOrphan(key, now.replace(microsecond=0), stored_bytes)] = taken
        return bool(taken)

    def items(self) -> list[KeptOrphan]:
        return list(self._kept)

    def drop(self, keys: Collection[str]) -> None:
        """Nothing comes here that is deleted in order."""

    def is_missed(self, _item: KeptOrphan) -> bool:
        return True

    def take_back(self, item: KeptOrphan) -> bool:
        if item not in self._kept or self._store.names_of(item.key):
            return False
        self._store.blobs.update(self._kept.pop(item))
        return True

    def remove(self, item: KeptOrphan) -> None:
        self._kept.pop(item, None)


class MemoryDeleted:
    """What is deleted while somebody keeps it."""

    def __init__(self, store: "MemoryStore") -> None:
        self._store = store
        self._keepers = 0
        self.blobs: dict[str, Blob] = {}

    @contextmanager
    def keep(self) -> Iterator[Callable[[], None]]:
        self._keepers += 1
        yield lambda: None
        self._keepers -= 1
        self.remove()

    def take(self, name: str, blob: Blob) -> None:
        if self._keepers:
            self.blobs.setdefault(name, blob)

    def open_reader(self, key: Key) -> MemoryReader:
        if name_of(key) not in self.blobs:
            raise BlobMissing
        return MemoryReader(self.blobs[name_of(key)], self._store)

    def remove(self, *, dry_run: bool = False) -> int:
        freed = 0 if self._keepers else sum(len(blob.data) for blob in self.blobs.values())
        if not self._keepers and not dry_run:
            self.blobs.clear()
        return freed


class MemoryMark:
    value: str | None = None

    def read(self) -> str | None:
        return self.value

    def write(self, value: str) -> None:
        self.value = value


class MemoryStore:
    """One room of blobs in a dictionary.

    One that `is_remote` behaves like a store on other machines, which takes nothing while it `is_away`.
    """

    def __init__(self, room: Room, *, is_remote: bool = False) -> None:
        self.room = room
        self.is_remote = is_remote
        self.is_away = False
        self.blobs: dict[str, Blob] = {}
        self.synced: list[str] = []
        self.sealed: list[str] = []
        self.reads: list[Span] = []
        self.may_read = threading.Event()
        self.may_read.set()
        self.claims = MemoryClaims()
        self.quarantine = MemoryQuarantine(self)
        self.deleted = MemoryDeleted(self)
        self.mark = MemoryMark()

    def checked(self, key: Key) -> str:
        self.room.path_of(key)
        return name_of(key)

    def names_of(self, key: Key) -> list[str]:
        name = name_of(key)
        return [each for each in self.blobs if each == name or (self.room.groups and each.startswith(f"{name}/"))]

    @contextmanager
    def open_writer(self, key: Key, span: Span, *, create: bool, wait_seconds: float) -> Iterator[BlobWriter]:
        name = self._begin(key, create=create)
        with self.claims.lock(name, span, wait_seconds=wait_seconds) as lock:
            yield self._writer(name, lock)

    @contextmanager
    def open_new(self, key: Key) -> Iterator[BlobWriter]:
        assert not self.names_of(key), "the key is not new"
        with self.claims.lock(self._begin(key, create=True), WHOLE, wait_seconds=0) as lock:
            yield self._writer(self.checked(key), lock)

    @contextmanager
    def take_over(self, key: Key, span: Span, *, create: bool, wait_seconds: float) -> Iterator[BlobWriter]:
        name = self._begin(key, create=create)
        with self.claims.take_over(name, span, wait_seconds=wait_seconds) as lock:
            yield self._writer(name, lock)

    def _begin(self, key: Key, *, create: bool) -> str:
        name = self.checked(key)
        if create and not self.is_remote:
            self.blobs.setdefault(name, Blob())
        if not create:
            self._blob(name)
        return name

    def _writer(self, name: str, lock: MemoryLock) -> BlobWriter:
        return (
            RemoteMemoryWriter(self, name, lock) if self.is_remote else MemoryWriter(self, name, self._blob(name), lock)
        )

    def _blob(self, name: str) -> Blob:
        if name not in self.blobs:
            raise BlobMissing
        return self.blobs[name]

    @contextmanager
    def adopt(
        self,
        key: Key,
        source: "MemoryStore",
        source_key: Key,
        length: int,
        *,
        may_grow: bool,  # noqa: ARG002
    ) -> Iterator[Callable[[Executor], None]]:
        data = source.open_reader(source_key).read(0, length)
        with self.open_new(key) as writer:
            writer.make_room(len(data))
            writer.write(0, [data])
            writer.seal(length, flush=True)
            yield writer.record

    def open_reader(self, key: Key, *, is_checked: bool = False) -> MemoryReader:  # noqa: ARG002
        return MemoryReader(self._blob(self.checked(key)), self)

    def find_remote(self, _key: Key, _length: int) -> None:
        """Nobody else has it."""

    def find_location(self, key: Key, length: int) -> None:
        """No web server has it."""

    def record_whole(self, _rows: Executor, key: Key, _length: int) -> None:
        self.sealed.append(name_of(key))

    def stored_bytes(self, key: Key) -> int | None:
        names = self.names_of(key)
        return sum(len(self.blobs[name].data) for name in names) if names else None

    def find_lacking(self, keys: Sequence[AnyKey]) -> list[AnyKey]:
        return [key for key in keys if self.stored_bytes(key) is None]

    def size(self, key: Key) -> int:
        return len(self._blob(self.checked(key)).data)

    def sync(self, key: Key) -> None:
        self._blob(name_of(key))
        self.synced.append(name_of(key))

    def sync_all(self) -> None:
        self.synced += self.blobs

    def delete(self, key: Key) -> int:
        freed = self.stored_bytes(key)
        for name in self.names_of(key):
            self.deleted.take(name, self.blobs.pop(name))
        return freed or 0

    def batches(self) -> Iterator[Sequence[BlobFacts]]:
        units = sorted({name.partition("/")[0] for name in self.blobs})
        for first in range(0, len(units), 3):
            yield [self._facts(unit) for unit in units[first : first + 3]]

    def _facts(self, unit: str) -> BlobFacts:
        blobs = [self.blobs[name] for name in self.names_of(unit)]
        length = sum(len(blob.data) for blob in blobs)
        return BlobFacts(unit, max(blob.modified_at for blob in blobs), stored_bytes=length, length=length)

    def check(self) -> None:
        """It can always be written."""


def name_of(key: Key) -> str:
    return key.hex if isinstance(key, uuid.UUID) else key
