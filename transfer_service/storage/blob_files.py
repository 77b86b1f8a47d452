"""The files of one room: where they are, what is missing, and which names are on the disk."""

import ctypes
import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from transfer_service.errors import BlobMissing, StorageFull, StoreUnavailable
from transfer_service.faults import faults_named, flush_faults_named, read_faults_named
from transfer_service.storage.blobs import BlobFacts, Key
from transfer_service.storage.plain_files import NotPlain, PlainFiles, flush_names, make_folder
from transfer_service.storage.rooms import Room
from transfer_service.telemetry import meters
from transfer_service.threads import offload

BLOCK_UNITS = 512  # of st_blocks, stat(2)

NAME = ".installation"
_MOST_BYTES = 100
_NOT_SHARED = frozenset({errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})
"""What link(2) says of other file systems, of too many names, and of file systems and files that get none."""


class InstallationMark:
    """The mark in one folder (the Mark of `room_upkeep`): on the disk before anybody is told that it is written."""

    def __init__(self, root: Path) -> None:
        self._path = root / NAME
        self._was_there = False

    def is_lost(self) -> bool:
        """Whether the mark is not there any more: then this is another folder, such as that of a disk taken away."""
        return self._was_there and not os.path.lexists(self._path)

    def read(self) -> str | None:
        """What the folder says it belongs to, None where it says nothing. Raises StoreUnavailable."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreUnavailable("The store cannot be read") from error
        self._was_there = True
        with os.fdopen(descriptor, "rb") as file:
            return file.read(_MOST_BYTES).decode(errors="replace").strip()

    def write(self, value: str) -> None:
        """Mark the folder, whatever mark it had. Raises StorageFull, StoreUnavailable."""
        draft = self._path.with_name(f"{NAME}.{uuid.uuid4().hex}")
        offload(lambda: self._put(draft, value))
        self._was_there = True

    def _put(self, draft: Path, value: str) -> None:
        try:
            self._write_draft(draft, value)
            draft.replace(self._path)
            flush_names(self._path.parent)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise StorageFull from error
            raise StoreUnavailable("The store cannot be written") from error
        finally:
            with suppress(OSError):
                draft.unlink()

    def _write_draft(self, draft: Path, value: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(draft, flags, 0o640), "w") as file:
            file.write(f"{value}\n")
            file.flush()
            meters.fsync(file.fileno())


class BlobFiles:
    """The files below one folder, which is made now; folders in it are made when something is to lie in them."""

    def __init__(self, root: Path, room: Room) -> None:
        self.root = root
        self.room = room
        self.mark = InstallationMark(root)
        self._plain = PlainFiles(root)
        self._flushed: set[str] = set()
        make_folder(root)

    def path_of(self, key: Key) -> Path:
        """Where a blob lies, whether it exists or not. Raises BlobMissing for what is no key."""
        return self.root / self.room.path_of(key)

    def open(self, key: Key, *, create: bool) -> int:
        """A descriptor for reading and writing. Raises BlobMissing, StorageFull, StoreUnavailable."""
        path, flags = self.path_of(key), os.O_RDWR | (os.O_CREAT if create else 0)
        with faults_named(), self.absence_named():
            try:
                return self._plain.open(path, flags)
            except FileNotFoundError as error:
                if not create or path.parent == self.root or isinstance(error, NotPlain):
                    raise
            self.make_folder_of(path)
            return self._plain.open(path, flags)

    def open_reader(self, key: Key) -> BinaryIO:
        """The file, unbuffered, for the caller to close. Raises BlobMissing, ReadFailed, StoreUnavailable."""
        path = self.path_of(key)
        with read_faults_named(), self.absence_named():
            return self._plain.open_reader(path)

    @contextmanager
    def opened(self, key: Key) -> Iterator[list[int]]:
        """Descriptors of all that is there of a blob or a group."""
        with ExitStack() as files:
            descriptors = []
            for path in self._paths_of(key):
                with read_faults_named(), suppress(FileNotFoundError):
                    descriptors.append(files.enter_context(self._plain.open_reader(path)).fileno())
            yield descriptors

    def status(self, key: Key) -> os.stat_result:
        """What the file system knows of a blob. Raises FileNotFoundError."""
        found = self._plain.find_facts(self.path_of(key))
        if found is None:
            raise FileNotFoundError
        return found

    def stored_bytes(self, key: Key) -> int | None:
        """The space that a blob or a group takes, None where nothing has its place."""
        if self.room.groups and not os.path.lexists(self.place_of(key)):
            return None
        found = self._statuses(key)
        return sum(each.st_blocks for each in found) * BLOCK_UNITS if found or self.room.groups else None

    def place_of(self, key: Key) -> Path:
        """What is removed as one: the file of a blob, the folder of a group. Raises BlobMissing."""
        return self.root / self.room.place_of(key)

    def remove(self, key: Key) -> int:
        """Take away what has the place of a blob or a group; of a link, the link itself. The bytes that this freed."""
        place, freed = self.place_of(key), self.stored_bytes(key)
        if self.room.groups:
            self._plain.remove_tree(place)
        else:
            self._plain.remove(place)
        return freed or 0

    def scan(self) -> Iterator[BlobFacts]:
        """Every blob, or every group, in no order. Raises StoreUnavailable where there is no room at all."""
        if not self.root.is_dir():
            raise StoreUnavailable
        if not self.room.shards:
            yield from self._scan_folder(self.root)
            return
        for name in self._plain.names(self.root):
            if len(name) == 2:
                with suppress(FileNotFoundError):
                    yield from self._scan_folder(self.root / name)

    def sync(self, key: Key) -> None:
        """Return when a blob and its name are on the disk. Raises FileNotFoundError, OSError."""
        path = self.path_of(key)
        self._plain.sync(path)
        self.sync_name(path)

    def sync_name(self, path: Path) -> None:
        """Return when a name is on the disk, and that of its folder, which may be as new. Raises OSError.

        Whoever made the folder may not have flushed it yet, or may have died before: so what counts is what this
        process has flushed.
        """
        folder = path.parent
        self._plain.sync(folder)
        if folder == self.root or folder.name in self._flushed:
            return
        names = self._plain.names(self.root) if self.room.shards else []
        self._plain.sync(self.root)
        self._flushed.update(names)

    def link(self, descriptor: int, path: Path) -> None:
        """Give an open file one more name in the room. Raises like `PlainFiles.link`."""
        self._plain.link(descriptor, path)

    def share(self, descriptor: int, key: Key, length: int) -> bool:
        """Let a new blob be these very bytes, which survive power loss then.

        False where file systems cannot do that, or the file does not end at `length`. Raises BlobMissing where it was
        removed, FlushFailed, StorageFull.
        """
        path = self.path_of(key)
        if os.fstat(descriptor).st_size != length:
            return False
        with flush_faults_named():
            self.make_folder_of(path)
            try:
                self._plain.link(descriptor, path)
            except FileNotFoundError as error:
                raise BlobMissing from error
            except OSError as error:
                if error.errno in _NOT_SHARED:
                    return False
                raise
            meters.fsync(descriptor)
            self.sync_name(path)
        return True

    def make_folder_of(self, path: Path) -> None:
        """Make the folder that a blob will lie in. Raises StoreUnavailable, OSError."""
        self.check()
        with suppress(FileExistsError):
            path.parent.mkdir(mode=0o750)
        self._flushed.discard(path.parent.name)

    def check(self) -> None:
        """Raises StoreUnavailable where the room is gone, or the disk that it was on.

        A folder of archives may be emptied by hand, its mark included: they can be fetched again.
        """
        if not self.root.is_dir() or (self.mark.is_lost() and not self.room.publishes):
            raise StoreUnavailable

    @contextmanager
    def absence_named(self) -> Iterator[None]:
        """Raises BlobMissing where a file is not there, StoreUnavailable where the room is gone too."""
        try:
            yield
        except FileNotFoundError as error:
            self.check()
            raise BlobMissing from error

    def _paths_of(self, key: Key) -> list[Path]:
        place = self.place_of(key)
        return [place / name for name in self._plain.names(place)] if self.room.groups else [place]

    def _statuses(self, key: Key) -> list[os.stat_result]:
        found = (self._plain.find_facts(path) for path in self._paths_of(key))
        return [status for status in found if status is not None]

    def _scan_folder(self, folder: Path) -> Iterator[BlobFacts]:
        for entry in self._plain.scan(folder):
            is_ours = self.room.is_listed(entry.name) and self.place_of(entry.name).parent == folder
            if is_ours and (facts := self._facts(entry)) is not None:
                yield facts

    def _facts(self, entry: "os.DirEntry[str]") -> BlobFacts | None:
        """What an entry is, None where it is something else or has just gone."""
        is_right = entry.is_dir if self.room.groups else entry.is_file
        if not is_right(follow_symlinks=False):
            return None
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None
        files = self._statuses(entry.name) if self.room.groups else [status]
        return BlobFacts(
            key=entry.name,
            modified_at=datetime.fromtimestamp(status.st_mtime, tz=UTC),
            stored_bytes=sum(each.st_blocks for each in files) * BLOCK_UNITS,
            length=sum(each.st_size for each in files),
        )


def flush_file_system(path: Path) -> None:
    """Return when all that was written to the file system of `path` is on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)
