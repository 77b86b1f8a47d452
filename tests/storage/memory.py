"""A store in memory: what the rules need and nothing else, so they are seen to run without paths and descriptors."""

import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from transfer_service.errors import BlobMissing, RangeBusy, ReadFailed, Superseded
from transfer_service.storage.blobs import BlobFacts, KeptOrphan, Key
from transfer_service.storage.rooms import Room
from transfer_service.wire.ranges import Span

POLL_SECONDS = 0.002


@dataclass(eq=False)
class Blob:
    """The bytes of a key, for as long as anybody has them open."""

    data: bytearray = field(default_factory=bytearray)
    modified_at: datetime = field(default_factory=lambda: datetime.now(UTC))


class MemoryReader:
    is_made = False

    def __init__(self, blob: Blob) -> None:
        self._blob = blob

    @property
    def size(self) -> int:
        return len(self._blob.data)

    def read(self, start: int, size: int) -> bytes:
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
    """Locks by key. Unlike those of a disk they need no blob."""

    def __init__(self) -> None:
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

    @property
    def length(self) -> int:
        return len(self._blob.data)

    def write(self, offset: int, blocks: Sequence[bytes | memoryview]) -> None:
        data = b"".join(blocks)
        if not data:
            return
        self._blob.data.extend(bytes(max(offset - self.length, 0)))
        self._blob.data[offset : offset + len(data)] = data
        self._blob.modified_at = datetime.now(UTC)

    def write_direct(self, offset: int, data: memoryview) -> None:
        self.write(offset, [data])

    def read(self, span: Span) -> bytes:
        return bytes(self._blob.data[span.start : span.stop])

    def copy(self, source: Key, span: Span, *, to: int) -> None:
        data = self._store.open_reader(source).read(span.start, span.size)
        self.write(to, [data])
        if len(data) < span.size:
            raise ReadFailed

    def cut(self) -> None:
        del self._blob.data[self._lock.span.start :]

    def trim(self, length: int) -> None:
        del self._blob.data[length:]

    def sync(self) -> None:
        self._store.synced.append(self._name)

    def publish(self, key: Key) -> None:
        if self._store.blobs.get(self._name) is not self._blob:
            raise BlobMissing
        self._store.blobs[self._store.checked(key)] = self._store.blobs.pop(self._name)

    def is_wanted(self) -> bool:
        return self._lock.is_wanted() or self._store.blobs.get(self._name) is not self._blob


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

    def take_back(self, item: KeptOrphan) -> bool:
        if item not in self._kept or self._store.names_of(item.key):
            return False
        self._store.blobs.update(self._kept.pop(item))
        return True

    def remove(self, item: KeptOrphan) -> None:
        self._kept.pop(item, None)


class MemoryMark:
    value: str | None = None

    def read(self) -> str | None:
        return self.value

    def write(self, value: str) -> None:
        self.value = value


class MemoryStore:
    """One room of blobs in a dictionary."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.blobs: dict[str, Blob] = {}
        self.synced: list[str] = []
        self.claims = MemoryClaims()
        self.quarantine = MemoryQuarantine(self)
        self.mark = MemoryMark()

    def checked(self, key: Key) -> str:
        self.room.path_of(key)
        return name_of(key)

    def names_of(self, key: Key) -> list[str]:
        name = name_of(key)
        return [each for each in self.blobs if each == name or (self.room.groups and each.startswith(f"{name}/"))]

    @contextmanager
    def open_writer(self, key: Key, span: Span, *, create: bool, wait_seconds: float) -> Iterator[MemoryWriter]:
        name = self._begin(key, create=create)
        with self.claims.lock(name, span, wait_seconds=wait_seconds) as lock:
            yield MemoryWriter(self, name, self._blob(name), lock)

    @contextmanager
    def take_over(self, key: Key, span: Span, *, create: bool, wait_seconds: float) -> Iterator[MemoryWriter]:
        name = self._begin(key, create=create)
        with self.claims.take_over(name, span, wait_seconds=wait_seconds) as lock:
            yield MemoryWriter(self, name, self._blob(name), lock)

    def _begin(self, key: Key, *, create: bool) -> str:
        name = self.checked(key)
        if create:
            self.blobs.setdefault(name, Blob())
        self._blob(name)
        return name

    def _blob(self, name: str) -> Blob:
        if name not in self.blobs:
            raise BlobMissing
        return self.blobs[name]

    def open_reader(self, key: Key) -> MemoryReader:
        return MemoryReader(self._blob(self.checked(key)))

    def find_location(self, key: Key, length: int) -> None:
        """No web server has it."""

    def stored_bytes(self, key: Key) -> int | None:
        names = self.names_of(key)
        return sum(len(self.blobs[name].data) for name in names) if names else None

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
            del self.blobs[name]
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
