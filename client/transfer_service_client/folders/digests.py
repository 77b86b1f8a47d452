"""Digests of local files, kept for the next run: a file whose size, times and inode are the same is not read again."""

import os
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path

from transfer_service_client.connection.credentials import state_folder
from transfer_service_client.reading import sha256_of

_SETTLED_SECONDS = 3.0
"""A change within the resolution of a disk's clock (2 s at FAT) would leave the time as it was: young files wait."""
_BUSY_SECONDS = 10.0
_MANY = 256
_LARGE_BYTES = 64 << 20
_COLUMNS = ("path", "device", "inode", "size", "mtime_ns", "ctime_ns", "sha256")
_TABLE = (
    "CREATE TABLE IF NOT EXISTS digests (path BLOB PRIMARY KEY, device INTEGER, inode INTEGER, size INTEGER, "
    "mtime_ns INTEGER, ctime_ns INTEGER, sha256 TEXT NOT NULL)"
)


class DigestCache:
    """Digests by path. A cache that cannot be read or written is none; many threads and processes may use it."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or state_folder() / "digests.sqlite3"
        self._lock = threading.Lock()
        self._new: list[tuple[object, ...]] = []  # written together: a transaction of long would stop other processes
        self._database: sqlite3.Connection | None = None
        with suppress(OSError, sqlite3.Error):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._database = self._open()
            except sqlite3.OperationalError:  # another process writes, or there is no room
                raise
            except sqlite3.DatabaseError:  # it is none, or was damaged
                self._path.unlink(missing_ok=True)
                self._database = self._open()

    def sha256_of(self, path: Path) -> str:
        """The digest (hex) of what a file holds. Raises OSError, also where it changes while it is read."""
        started = time.time()
        before = path.stat()
        key = os.fsencode(path.resolve())
        known = self._find(key, before)
        if known is not None:
            return known
        digest = sha256_of(path)
        after = path.stat()
        if _identity(before) != _identity(after):
            raise OSError(f"{path} changed while it was read")
        if started - max(before.st_mtime, before.st_ctime) > _SETTLED_SECONDS:
            self._keep(key, before, digest)
        return digest

    def close(self) -> None:
        """Write what is not written yet."""
        with self._lock:
            if self._database is not None:
                self._write()
                self._database.close()
                self._database = None

    def __enter__(self) -> "DigestCache":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, check_same_thread=False, timeout=_BUSY_SECONDS)
        try:
            database.execute(_TABLE)
            if [row[1] for row in database.execute("PRAGMA table_info(digests)")] != list(_COLUMNS):
                raise sqlite3.DatabaseError("It has another form")
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _find(self, key: bytes, found: os.stat_result) -> str | None:
        with self._lock:
            if self._database is None:
                return None
            try:
                row = self._database.execute(
                    "SELECT device, inode, size, mtime_ns, ctime_ns, sha256 FROM digests WHERE path = ?", (key,)
                ).fetchone()
            except sqlite3.Error:
                return None
        return row[5] if row is not None and tuple(row[:5]) == _identity(found) else None

    def _keep(self, key: bytes, found: os.stat_result, digest: str) -> None:
        with self._lock:
            self._new.append((key, *_identity(found), digest))
            if len(self._new) >= _MANY or found.st_size >= _LARGE_BYTES:
                self._write()

    def _write(self) -> None:
        new, self._new = self._new, []
        if self._database is not None and new:
            with suppress(sqlite3.Error, OverflowError), self._database:
                self._database.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?, ?, ?)", new)


def _identity(found: os.stat_result) -> tuple[int, int, int, int, int]:
    return _signed(found.st_dev), _signed(found.st_ino), found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _signed(number: int) -> int:
    """SQLite's integers have a sign; inodes of some disks need all 64 bits."""
    return number - (1 << 64) if number >= 1 << 63 else number
