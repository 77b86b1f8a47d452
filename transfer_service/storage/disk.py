"""The default store: a file for each blob in a local folder, written in place."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Self
from urllib.parse import quote

from transfer_service.db.database import Executor
from transfer_service.errors import BlobMissing, RangeBusy, ReadFailed, StorageFull, StoreUnavailable
from transfer_service.faults import faults_named, flush_faults_named, read_faults_named
from transfer_service.storage.blob_files import BlobFiles, flush_file_system
from transfer_service.storage.blobs import END, WHOLE, AnyKey, BlobFacts, Key
from transfer_service.storage.deleted_files import DeletedFiles
from transfer_service.storage.direct_io import copy_range, write_cached, write_direct
from transfer_service.storage.disk_reader import DiskReader
from transfer_service.storage.plain_files import write_probe
from transfer_service.storage.quarantine import DiskQuarantine
from transfer_service.storage.range_locks import FileLock, RangeLocks
from transfer_service.storage.rooms import Room
from transfer_service.telemetry import meters, traces
from transfer_service.threads import offload
from transfer_service.wire.ranges import Span

LISTED_AT_ONCE = 500
_HEADROOM_BYTES = 16 * 1024 * 1024


class DiskWriter:
    """An open blob with one span locked (the BlobWriter of `blobs`)."""

    def __init__(self, files: BlobFiles, key: Key, lock: FileLock) -> None:
        self._files = files
        self._key = key
        self._lock = lock
        self._settled = lock.span.start

    @property
    def length(self) -> int:
        """Where the blob ends."""
        return os.fstat(self._lock.descriptor).st_size

    @property
    def settled(self) -> int:
        """Where what was written without a gap ends."""
        return self._settled

    def make_room(self, size: int) -> None:
        """The disk takes it when it is written."""

    def write(self, offset: int, blocks: Sequence[bytes | memoryview]) -> None:
        """Store the blocks one after the other from `offset` on. Raises StorageFull."""
        self._keep_headroom(sum(map(len, blocks)))
        with traces.step("store write"), faults_named():
            write_cached(self._lock.descriptor, offset, blocks)
        self._settle(offset, sum(map(len, blocks)))

    def write_direct(self, offset: int, data: memoryview) -> None:
        """Store `data` past the page cache, where the file system and the memory allow that. Raises StorageFull."""
        self._keep_headroom(len(data))
        with traces.step("store write"), faults_named():
            write_direct(self._lock.descriptor, offset, data)
        self._settle(offset, len(data))

    def _settle(self, offset: int, size: int) -> None:
        if offset <= self._settled:
            self._settled = max(self._settled, offset + size)

    def _keep_headroom(self, size: int) -> None:
        """Refuse before the disk is quite full: the database on it must be able to delete, and people to sign in."""
        disk = os.fstatvfs(self._lock.descriptor)
        headroom = min(_HEADROOM_BYTES, disk.f_blocks * disk.f_frsize // 16)
        if disk.f_bavail * disk.f_frsize < size + headroom:
            raise StorageFull

    def read(self, span: Span, *, is_checked: bool = False) -> bytes:  # noqa: ARG002 - as in `open_reader`
        """The bytes of the span, shorter where the blob ends. Raises ReadFailed."""
        with read_faults_named():
            return os.pread(self._lock.descriptor, span.size, span.start)

    def copy(self, source: Key, span: Span, *, to: int) -> None:
        """Store a span of another blob at `to`. Raises BlobMissing, StorageFull, ReadFailed.

        Within the kernel, and on file systems that can share blocks without copying at all.
        """
        with self._files.open_reader(source) as file:
            self.copy_file(file.fileno(), span, to=to)

    def copy_file(self, descriptor: int, span: Span, *, to: int) -> None:
        """Store a span of an open file at `to`, alike. Raises StorageFull, ReadFailed."""
        self._keep_headroom(span.size)
        with faults_named():
            copied = offload(lambda: copy_range(descriptor, self._lock.descriptor, span, to=to))
        if copied < span.size:
            raise ReadFailed  # shorter than its facts say

    def cut(self) -> None:
        """Cut the blob off where the span starts; the span must reach to the end of anything."""
        self._truncate(self._lock.span.start)

    def _truncate(self, length: int) -> None:
        with faults_named():
            offload(lambda: os.ftruncate(self._lock.descriptor, length))
        self._settled = min(self._settled, length)

    def sync(self) -> None:
        """Return when these bytes and their key survive power loss. Raises StorageFull, FlushFailed."""
        with traces.step("store flush"):
            offload(self._sync)

    def _sync(self) -> None:
        with flush_faults_named():
            meters.fsync(self._lock.descriptor)
            self._files.sync_name(self._files.path_of(self._key))

    def seal(self, length: int, *, flush: bool) -> None:
        """Cut off what is behind `length`, and flush all where that is asked for. Raises StorageFull, FlushFailed."""
        if self.length > length:
            self._truncate(length)
        if flush:
            self.sync()

    def record(self, rows: Executor) -> None:
        """The bytes are where they are found by their key, and the kernel keeps the lock while the process lives."""

    def publish(self, key: Key) -> None:
        """Give these bytes another key, in place of what has it. Raises BlobMissing, StorageFull, ReadFailed."""
        offload(lambda: self._publish(self._files.path_of(self._key), self._files.path_of(key)))

    def _publish(self, own: Path, target: Path) -> None:
        ready = own.with_suffix(".ready")
        ready.unlink(missing_ok=True)  # of a run that was killed right here
        with faults_named():
            try:
                self._files.link(self._lock.descriptor, ready)
            except FileNotFoundError as error:
                raise BlobMissing from error
            try:
                ready.replace(target)
            except IsADirectoryError as error:  # it would be in the way of every later run too
                raise ReadFailed from error
            self._files.sync_name(target)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(self._lock.descriptor), own.lstat()):
                own.unlink()

    def is_wanted(self) -> bool:
        """Whether somebody waits for the lock, or has come after who took it over, or has deleted the blob."""
        return self._lock.is_wanted()


class DiskStore:
    """A folder of blobs (the BlobStore of `blobs`)."""

    is_remote = False

    def __init__(self, root: Path, room: Room) -> None:
        self._root = root
        self._room = room
        self._files = BlobFiles(root, room)
        self.mark = self._files.mark
        self.claims = RangeLocks(self._files)
        self.quarantine = DiskQuarantine(self._files)
        self.deleted = DeletedFiles(root, room)

    @contextmanager
    def open_writer(self, key: Key, span: Span, *, create: bool, wait_seconds: float) -> Iterator[DiskWriter]:
        """Lock a span of a blob, with `create` of a new one too.

        Raises BlobMissing, RangeBusy after `wait_seconds`, StorageFull.
        """
        with self.claims.lock(key, span, wait_seconds=wait_seconds, create=create) as lock:
            # Of a run that was killed in `publish`: they may be the published ones already.
            if self._room.publishes and os.fstat(lock.descriptor).st_nlink > 1:
                raise RangeBusy
            yield DiskWriter(self._files, key, lock)

    def open_new(self, key: Key) -> AbstractContextManager[DiskWriter]:
        """Make a blob under a key that nobody else knows yet, and lock all of it. Raises StorageFull."""
        return self.open_writer(key, WHOLE, create=True, wait_seconds=0)

    @contextmanager
    def take_over(self, key: Key, span: Span, *, create: bool, wait_seconds: float) -> Iterator[DiskWriter]:
        """Like `open_writer`, as the last one who came. Raises like it, and Superseded when somebody comes after."""
        with self.claims.take_over(key, span, wait_seconds=wait_seconds, create=create) as lock:
            yield DiskWriter(self._files, key, lock)

    @contextmanager
    def adopt(
        self, key: Key, source: Self, source_key: Key, length: int, *, may_grow: bool
    ) -> Iterator[Callable[[Executor], None]]:
        """Share the bytes of a whole blob of another room: by a hard link, where the file systems allow that."""
        with source._files.open_reader(source_key) as file:
            if not may_grow and offload(lambda: self._files.share(file.fileno(), key, length)):
                yield lambda _rows: None
                return
            with self.open_new(key) as writer:
                writer.copy_file(file.fileno(), Span(0, length), to=0)
                writer.seal(length, flush=True)
                yield writer.record

    def open_reader(self, key: Key, *, is_checked: bool = False) -> DiskReader:  # noqa: ARG002 - no network is between
        """The blob, for the caller to close. Raises BlobMissing, ReadFailed."""
        with traces.step("store open"):
            return DiskReader(self._files.open_reader(key))

    def find_location(self, key: Key, length: int) -> str | None:
        """Where nginx has the blob, None where it does not end at `length` or somebody writes past that."""
        if self.claims.is_locked(key, Span(length, END)) or self.size(key) != length:
            return None
        return f"{self._room.location}/{quote(self._room.path_of(key))}"

    def find_remote(self, _key: Key, _length: int) -> None:
        """Everything is on this machine."""

    def record_whole(self, _rows: Executor, _key: Key, _length: int) -> None:
        """Nothing is in pieces."""

    def stored_bytes(self, key: Key) -> int | None:
        """The space that a blob or a group takes, None if there is none. Raises StoreUnavailable."""
        found = self._files.stored_bytes(key)
        if found is None:
            self._files.check()
        return found

    def find_lacking(self, keys: Sequence[AnyKey]) -> list[AnyKey]:
        """Those of some blobs that are not there. Raises StoreUnavailable."""
        return [key for key in keys if self.stored_bytes(key) is None]

    def size(self, key: Key) -> int:
        """Where the blob ends. Raises BlobMissing."""
        with faults_named(), self._files.absence_named():
            return self._files.status(key).st_size

    def sync(self, key: Key) -> None:
        """Return when the blob and its key survive power loss. Raises BlobMissing, StorageFull, FlushFailed."""
        offload(lambda: self._sync(key))

    def _sync(self, key: Key) -> None:
        with flush_faults_named(), self._files.absence_named():
            self._files.sync(key)

    def sync_all(self) -> None:
        """Return when everything that was ever written survives power loss. Raises OSError."""
        offload(lambda: flush_file_system(self._root))

    def delete(self, key: Key) -> int:
        """Remove a blob or a group and tell the bytes that this freed, 0 if there was none. Open readers read on."""
        return offload(lambda: self._delete(key))

    def _delete(self, key: Key) -> int:
        freed = self._files.stored_bytes(key)
        return (freed or 0) if self.deleted.take(self._files.place_of(key)) else self._files.remove(key)

    def batches(self) -> Iterator[Sequence[BlobFacts]]:
        """Every blob, or every group, in no order, some hundreds at a time."""
        found = self._files.scan()
        while batch := offload(lambda: list(islice(found, LISTED_AT_ONCE))):
            yield batch

    def check(self) -> None:
        """Prove that the store can be written. Raises StoreUnavailable."""
        try:
            self._files.check()
            write_probe(self._root)
        except (OSError, StoreUnavailable) as error:
            raise StoreUnavailable("The store cannot be written") from error
