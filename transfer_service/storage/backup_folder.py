"""A folder of backups: stored bytes by their SHA-256, and the generation of everything else that says what they are.

    .transfer-backup        says that the folder is ours; whoever writes locks it
    current                 the name of the generation that counts, replaced in one step
    <generation>/           the database, the contents, the signing key, backup.json
    bytes/<2 hex>/<sha256>  never changed once they are there
    incoming/               what may not have reached the disk yet: whoever comes next removes it

Bytes get their place only once they are on the disk, and a generation counts only once all of it is there. So a backup
that is killed, or loses its power or its room, leaves the one before as it was, and most of its own work to the next.
"""

import errno
import fcntl
import hashlib
import os
import re
import shutil
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from transfer_service.errors import BackupRefused, StorageFull
from transfer_service.storage.blob_files import flush_file_system
from transfer_service.storage.plain_files import flush_names, make_folder

MARK, CURRENT, BYTES, INCOMING = ".transfer-backup", "current", "bytes", "incoming"
FORMAT = "1"
_SETTLED_COUNT, _SETTLED_BYTES = 2000, 512 * 1024**2
"""So much may be lost by a kill, and is brought again."""
_FLUSHED_ALONE_BYTES = 64 * 1024**2
_GENERATION = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")
_OF_THE_DISK = "lost+found"
"""In the first folder of a disk."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_ZEROS = bytes(1024 * 1024)


class BackupFolder:
    """The folder, of one installation, which may not be there yet."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._incoming = root / INCOMING
        self._unsettled: list[tuple[Path, Path, int]] = []

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make it, if it is not there, and keep other backups out of it. Raises BackupRefused."""
        with self._faults_named():
            is_filled = self.root.is_dir() and any(each.name != _OF_THE_DISK for each in self.root.iterdir())
            if is_filled and not (self.root / MARK).is_file():
                raise BackupRefused(f"{self.root} is not empty, and no folder of backups")
            if not self.root.is_dir():
                make_folder(self.root.parent)
                self.root.mkdir(mode=0o700)
                flush_names(self.root.parent)
            self.root.chmod(0o700)
            descriptor = os.open(self.root / MARK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _lock(descriptor, self.root)
                found = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
                if found not in {"", FORMAT}:
                    raise BackupRefused(f"{self.root} was made by a newer version of the service")
                if not found:
                    os.pwrite(descriptor, f"{FORMAT}\n".encode(), 0)
                self._unsettled = []
                yield
            finally:
                os.close(descriptor)

    @contextmanager
    def _faults_named(self) -> Iterator[None]:
        """Raises BackupRefused where the folder's disk is full, or does not do what it is asked."""
        try:
            yield
        except (OSError, sqlite3.OperationalError, StorageFull) as error:
            number = error.errno if isinstance(error, OSError) else None
            if number in _FULL or isinstance(error, StorageFull) or "full" in str(error):  # SQLite has no number
                self._clear(self._incoming)
                raise BackupRefused(f"There is no room left at {self.root}; {self._what_is_left()}") from error
            reason = os.strerror(number) if number else error
            raise BackupRefused(f"{self.root} cannot be written: {reason}; {self._what_is_left()}") from error

    def _what_is_left(self) -> str:
        with suppress(OSError, BackupRefused):
            if self.current() is not None:
                return "the backup that was there is as it was"
        return "there is no backup yet"

    def current(self) -> Path | None:
        """The folder of the generation that counts, None where there is none. Raises BackupRefused."""
        try:
            name = (self.root / CURRENT).read_text().strip()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise BackupRefused(f"{self.root} cannot be read: {error.strerror}") from error
        return self.root / name if name and "/" not in name else None

    def begin(self) -> Path:
        """The empty folder of a new generation. What others have left that were killed goes."""
        current = self.current()
        self._remove_all_but(current.name if current else "")
        self._incoming.mkdir(mode=0o700)
        generation = self.root / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
        generation.mkdir(mode=0o700)
        return generation

    def has(self, sha256: str, length: int) -> bool:
        """Whether these bytes are here already."""
        try:
            return self.place_of(sha256).stat().st_size == length
        except FileNotFoundError:
            return False

    def place_of(self, sha256: str) -> Path:
        """Where bytes with this digest are."""
        return self.root / BYTES / sha256[:2] / sha256

    def add(self, blocks: Iterator[bytes]) -> tuple[str, int]:
        """Store bytes, and tell their SHA-256 and how many they are. Several threads may do so at once.

        They count from the next `settle` on. Raises OSError, and what `blocks` raises.
        """
        draft = self._incoming / uuid.uuid4().hex
        hasher, length = hashlib.sha256(), 0
        try:
            with draft.open("xb", buffering=0) as file:
                for block in blocks:
                    hasher.update(block)
                    length += len(block)
                    _write(file.fileno(), block)
                os.ftruncate(file.fileno(), length)
                if length >= _FLUSHED_ALONE_BYTES:
                    os.fsync(file.fileno())
            draft.chmod(0o600)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        sha256 = hasher.hexdigest()
        if length >= _FLUSHED_ALONE_BYTES:
            self._move(draft, self.place_of(sha256))
        else:
            self._unsettled.append((draft, self.place_of(sha256), length))
        return sha256, length

    def settle(self, *, at_once: bool = False) -> None:
        """Let what was added be there for good, once it has become much, or `at_once`; nobody adds meanwhile."""
        is_much = len(self._unsettled) > _SETTLED_COUNT or sum(each[2] for each in self._unsettled) > _SETTLED_BYTES
        if is_much or (at_once and self._unsettled):
            flush_file_system(self.root)
            for draft, place, _ in self._unsettled:
                self._move(draft, place)
            self._unsettled = []

    @staticmethod
    def _move(draft: Path, place: Path) -> None:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.replace(place)

    def publish(self, generation: Path) -> None:
        """Let a generation be the one that counts, and remove the one before."""
        self.settle(at_once=True)
        flush_file_system(self.root)
        draft = self.root / f"{CURRENT}.new"
        with draft.open("w") as file:
            file.write(f"{generation.name}\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.root / CURRENT)
        flush_names(self.root)
        self._remove_all_but(generation.name)

    def _remove_all_but(self, name: str) -> None:
        """Remove what has come in and what other generations are, and nothing that somebody else has put here."""
        for each in self.root.iterdir():
            if each.name == INCOMING or (_GENERATION.fullmatch(each.name) and each.name != name):
                self._clear(each)

    def prune(self, find_named: Callable[[list[str]], set[str]]) -> int:
        """Remove the bytes that nothing in the generation names any more. How many bytes that frees."""
        freed = 0
        with suppress(FileNotFoundError):
            for shard in (self.root / BYTES).iterdir():
                names = os.listdir(shard)  # noqa: PTH208 - names are all that is needed
                for start in range(0, len(names), 500):
                    some = names[start : start + 500]
                    for name in set(some) - find_named(some):
                        freed += (shard / name).stat().st_size
                        (shard / name).unlink()
        return freed

    @staticmethod
    def _clear(folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)


def _lock(descriptor: int, root: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BackupRefused(f"Another backup to {root} is under way") from error


def _write(descriptor: int, block: bytes) -> None:
    """Write all of a block behind the last one; one of zeros takes no room."""
    if len(block) >= 4096 and block == _ZEROS[: len(block)]:
        os.lseek(descriptor, len(block), os.SEEK_CUR)
        return
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]
