"""Digests of local files, kept for the next run: a file whose size, times and inode are the same is not read again."""

import os
import sqlite3
import threading
import time
from pathlib import Path

from transfer_service_client.credentials import state_folder
from transfer_service_client.downloads import sha256_of

_SETTLED_SECONDS = 3.0
"""A change within the resolution of a disk's clock (2 s at FAT) would leave the time as it was: young files wait."""
_LATE_COMMIT = 256
_LARGE_BYTES = 64 << 20
_TABLE = (
    "CREATE TABLE IF NOT EXISTS digests (path BLOB PRIMARY KEY, device INTEGER, inode INTEGER, size INTEGER, "
    "mtime_ns INTEGER, ctime_ns INTEGER, sha256 TEXT NOT NULL)"
)


class DigestCache:
    """Digests by path. A cache that cannot be read or written is none; many threads and processes may use it."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or state_folder() / "digests.sqlite3"
        self._lock = threading.Lock()
        self._pending = 0
        self._database: sqlite3.Connection | None = None
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._database = self._open()
        except sqlite3.DatabaseError:
            self._path.unlink(missing_ok=True)
            try:
                self._database = self._open()
            except sqlite3.Error:
                self._database = None
        except OSError:
            self._database = None

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
                self._commit()
                self._database.close()
                self._database = None

    def __enter__(self) -> "DigestCache":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, check_same_thread=False, timeout=10)
        try:
            database.execute(_TABLE)
            database.execute("SELECT sha256, ctime_ns FROM digests LIMIT 1")
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
            if self._database is None:
                return
            try:
                self._database.execute(
                    "INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?, ?, ?)", (key, *_identity(found), digest)
                )
            except (sqlite3.Error, OverflowError):
                return
            self._pending += 1
            if self._pending >= _LATE_COMMIT or found.st_size >= _LARGE_BYTES:
                self._commit()

    def _commit(self) -> None:
        self._pending = 0
        try:
            if self._database is not None:
                self._database.commit()
        except sqlite3.Error:
            return


def _identity(found: os.stat_result) -> tuple[int, int, int, int, int]:
    return _signed(found.st_dev), _signed(found.st_ino), found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _signed(number: int) -> int:
    """SQLite's integers have a sign; inodes of some disks need all 64 bits."""
    return number - (1 << 64) if number >= 1 << 63 else number
