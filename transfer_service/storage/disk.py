"""The default store: one file a blob in a local folder, written in place."""

import errno
import os
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from transfer_service.errors import BlobMissing, FlushFailed, ReadFailed, StorageFull, StoreUnavailable
from transfer_service.faults import faults_named, read_faults_named
from transfer_service.storage import presence, range_locks
from transfer_service.storage.blobs import END, BlobFacts
from transfer_service.storage.direct_io import write_cached, write_direct
from transfer_service.storage.folders import flush_names, make_folder
from transfer_service.storage.installation_mark import InstallationMark
from transfer_service.storage.plain_files import PlainFiles
from transfer_service.storage.probes import write_probe
from transfer_service.storage.quarantine import Quarantine
from transfer_service.wire.ranges import Span

WHOLE = Span(0, END)
BLOCK_UNITS = 512  # of st_blocks, stat(2)
_BLOB_NAME = re.compile(r"[0-9a-f]{32}", re.ASCII)
_HEADROOM_BYTES = 16 * 1024 * 1024


class DiskWriter:
    """An open blob with one span claimed (the BlobWriter of `blobs`)."""

    def __init__(self, descriptor: int, span: Span) -> None:
        self._descriptor = descriptor
        self._span = span
        self._ticket: int | None = None

    def claim(self, *, wait_seconds: float) -> None:
        """Claim the span. Raises RangeBusy."""
        range_locks.claim(self._descriptor, self._span, wait_seconds=wait_seconds)

    def take_over(self, *, wait_seconds: float) -> None:
        """Claim the span as the last one who came. Raises RangeBusy."""
        self._ticket = range_locks.take_over(self._descriptor, self._span, wait_seconds=wait_seconds)

    def write(self, offset: int, blocks: Sequence[bytes | memoryview]) -> None:
        """Store the blocks one after the other from `offset` on. Raises StorageFull."""
        self._keep_headroom(sum(map(len, blocks)))
        with faults_named():
            write_cached(self._descriptor, offset, blocks)

    def write_direct(self, offset: int, data: memoryview) -> None:
        """Store `data` past the page cache, where the file system and the memory allow that. Raises StorageFull."""
        self._keep_headroom(len(data))
        with faults_named():
            write_direct(self._descriptor, offset, data)

    def _keep_headroom(self, size: int) -> None:
        """Refuse before the disk is quite full: the database on it must be able to delete, and people to sign in."""
        disk = os.fstatvfs(self._descriptor)
        headroom = min(_HEADROOM_BYTES, disk.f_blocks * disk.f_frsize // 16)
        if disk.f_bavail * disk.f_frsize < size + headroom:
            raise StorageFull

    def read(self, span: Span) -> bytes:
        """The bytes of the span, shorter where the blob ends. Raises ReadFailed."""
        with read_faults_named():
            return os.pread(self._descriptor, span.size, span.start)

    def copy(self, source: BinaryIO, *, start: int, length: int, to: int) -> None:
        """Store `length` bytes of another blob, from its `start` on, at `to`. Raises StorageFull, ReadFailed.

        Within the kernel, and on file systems that can share blocks without copying at all.
        """
        self._keep_headroom(length)
        done = 0
        while done < length:
            with faults_named():
                copied = os.copy_file_range(source.fileno(), self._descriptor, length - done, start + done, to + done)
            if not copied:
                raise ReadFailed  # shorter than its facts say
            done += copied

    def cut(self) -> None:
        """Cut the blob off where the span starts; the span must reach to the end of anything."""
        with faults_named():
            os.ftruncate(self._descriptor, self._span.start)

    def trim(self, length: int) -> None:
        """Cut the blob off at `length`, which is in the span or at its end, if it is longer."""
        with faults_named():
            if os.fstat(self._descriptor).st_size > length:
                os.ftruncate(self._descriptor, length)

    def close(self) -> None:
        """Give the claim back. Whatever is called afterwards fails: the number may soon be another file's."""
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    def is_wanted(self) -> bool:
        """Whether somebody else waits for a part of this span, or has deleted the blob."""
        if self._ticket is None:
            is_wanted = range_locks.is_wanted(self._descriptor, self._span)
        else:
            is_wanted = range_locks.is_superseded(self._descriptor, self._ticket)
        return is_wanted or not os.fstat(self._descriptor).st_nlink


class DiskStore:
    """A folder of blobs (the BlobStore of `blobs`)."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files = PlainFiles(root)
        self.mark = InstallationMark(root)
        self.quarantine = Quarantine(root, self._place_of)
        make_folder(root)
        self._folders = [root / f"{number:02x}" for number in range(256)]
        if not all(folder.is_dir() for folder in self._folders):
            for folder in self._folders:
                folder.mkdir(mode=0o750, exist_ok=True)
            flush_names(root)

    def path_of(self, blob_id: uuid.UUID) -> Path:
        """Where the blob lies, whether it exists or not."""
        return self._root / blob_id.hex[:2] / blob_id.hex

    def _place_of(self, name: str) -> Path | None:
        return self.path_of(uuid.UUID(hex=name)) if _BLOB_NAME.fullmatch(name) else None

    def relative_path_of(self, blob_id: uuid.UUID) -> str:
        """Where the blob lies under the store's root, for a web server that sends from the same folder."""
        return f"{blob_id.hex[:2]}/{blob_id.hex}"

    @contextmanager
    def open_writer(self, blob_id: uuid.UUID, span: Span, *, create: bool, wait_seconds: float) -> Iterator[DiskWriter]:
        """Claim a span of a blob, with `create` of a new one too.

        Raises BlobMissing, RangeBusy after `wait_seconds`, StorageFull.
        """
        with self._opened(blob_id, span, create=create) as writer:
            writer.claim(wait_seconds=wait_seconds)
            yield writer

    @contextmanager
    def take_over(self, blob_id: uuid.UUID, span: Span, *, create: bool, wait_seconds: float) -> Iterator[DiskWriter]:
        """Like `open_writer`, as the last one who came. Raises like it, and Superseded when somebody comes after."""
        with self._opened(blob_id, span, create=create) as writer:
            writer.take_over(wait_seconds=wait_seconds)
            yield writer

    @contextmanager
    def _opened(self, blob_id: uuid.UUID, span: Span, *, create: bool) -> Iterator[DiskWriter]:
        path = self.path_of(blob_id)
        with faults_named(), absence_named(path):
            descriptor = self._files.open(path, os.O_RDWR | (os.O_CREAT if create else 0))
        writer = DiskWriter(descriptor, span)
        try:
            yield writer
        finally:
            writer.close()

    def open_reader(self, blob_id: uuid.UUID) -> BinaryIO:
        """The blob as an unbuffered file that the caller closes. Raises BlobMissing, ReadFailed."""
        path = self.path_of(blob_id)
        with read_faults_named(), absence_named(path):
            return self._files.open_reader(path)

    def is_settled(self, blob_id: uuid.UUID, length: int) -> bool:
        """Whether the blob ends at `length` and nobody writes past that. Raises BlobMissing, ReadFailed."""
        with self.open_reader(blob_id) as file:
            is_written = range_locks.is_claimed(file.fileno(), Span(length, END))
            return not is_written and os.fstat(file.fileno()).st_size == length

    def is_in_use(self, blob_id: uuid.UUID) -> bool:
        """Whether any process holds a writer of the blob, or waits for one."""
        try:
            with self._files.open_reader(self.path_of(blob_id)) as file:
                descriptor = file.fileno()
                return range_locks.is_claimed(descriptor, WHOLE) or range_locks.is_wanted(descriptor, WHOLE)
        except FileNotFoundError:
            return False

    @contextmanager
    def in_use(self, blob_id: uuid.UUID) -> Iterator[None]:
        """Keep the blob, if there is one, from being removed for resting too long until the block ends.

        Raises RangeBusy where it is just being removed, for long.
        """
        with ExitStack() as opened:
            with suppress(FileNotFoundError):
                file = opened.enter_context(self._files.open_reader(self.path_of(blob_id)))
                presence.join(file.fileno())
            yield

    @contextmanager
    def secluded(self, blob_id: uuid.UUID) -> Iterator[bool]:
        """Whether nobody uses the blob: then nobody begins to until the block ends."""
        with ExitStack() as opened:
            try:
                file = opened.enter_context(self._files.open_reader(self.path_of(blob_id)))
            except FileNotFoundError:
                yield True
                return
            yield presence.is_alone(file.fileno()) and not self.is_in_use(blob_id)

    def stored_bytes(self, blob_id: uuid.UUID) -> int | None:
        """The space the blob takes, None if there is no such blob."""
        facts = self._files.find_facts(self.path_of(blob_id))
        return None if facts is None else facts.st_blocks * BLOCK_UNITS

    def size(self, blob_id: uuid.UUID) -> int:
        """Where the blob ends. Raises BlobMissing."""
        path = self.path_of(blob_id)
        with faults_named(), absence_named(path):
            facts = self._files.find_facts(path)
            if facts is None:
                raise FileNotFoundError
            return facts.st_size

    def sync(self, blob_id: uuid.UUID) -> None:
        """Return when the blob and its name survive power loss. Raises BlobMissing, StorageFull, FlushFailed."""
        path = self.path_of(blob_id)
        with faults_named(), absence_named(path):
            try:
                for target in (path, path.parent):
                    self._files.sync(target)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                raise FlushFailed from error

    def delete(self, blob_id: uuid.UUID) -> int:
        """Remove the blob and tell the bytes that this freed, 0 if there was none. Open readers keep the old bytes."""
        freed = self.stored_bytes(blob_id)
        if freed is not None:
            self._files.remove(self.path_of(blob_id))
        return freed or 0

    def list_blobs(self) -> Iterator[BlobFacts]:
        """Every blob, in no order."""
        for folder in self._folders:
            entries = self._files.scan(folder)
            yield from (facts for entry in entries if (facts := _facts(entry, folder.name)) is not None)

    def check(self) -> None:
        """Prove that the store can be written. Raises StoreUnavailable."""
        try:
            write_probe(self._root)
        except OSError as error:
            raise StoreUnavailable("The store cannot be written") from error


@contextmanager
def absence_named(path: Path) -> Iterator[None]:
    """Raises BlobMissing where nothing is at `path`; StoreUnavailable where its folder is gone too."""
    try:
        yield
    except FileNotFoundError as error:
        if path.parent.is_dir():
            raise BlobMissing from error
        raise StoreUnavailable from error


def _facts(entry: os.DirEntry[str], folder: str) -> BlobFacts | None:
    """The blob behind a directory entry, None where it is something else or has just gone."""
    if not (
        _BLOB_NAME.fullmatch(entry.name) and entry.name.startswith(folder) and entry.is_file(follow_symlinks=False)
    ):
        return None
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    modified_at = datetime.fromtimestamp(status.st_mtime, tz=UTC)
    stored_bytes = status.st_blocks * BLOCK_UNITS
    return BlobFacts(
        blob_id=uuid.UUID(hex=entry.name), modified_at=modified_at, stored_bytes=stored_bytes, length=status.st_size
    )
