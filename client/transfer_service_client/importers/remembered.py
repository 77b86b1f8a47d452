"""Digests of what was read from origins that know none, kept so that the same version is not read again."""

import json
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

from transfer_service_client.connection.credentials import state_folder

_TABLE = "CREATE TABLE IF NOT EXISTS digests (version TEXT PRIMARY KEY, sha256 TEXT NOT NULL) WITHOUT ROWID"
_BUSY_SECONDS = 10.0


class RememberedDigests:
    """SHA-256 by what tells a version of a file elsewhere from all others. One that cannot be kept is read again."""

    def __init__(self, path: Path | None = None) -> None:
        path = path or state_folder() / "imports.sqlite3"
        self._guard = threading.Lock()
        self._database: sqlite3.Connection | None = None
        with suppress(OSError, sqlite3.Error):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._database = _opened(path)
            except sqlite3.OperationalError:  # another process writes, or there is no room
                raise
            except sqlite3.DatabaseError:  # it is none, or was damaged
                path.unlink(missing_ok=True)
                self._database = _opened(path)

    def find(self, version: tuple[str | int, ...]) -> str | None:
        """The digest (hex) of a version, where it is known."""
        with self._guard, suppress(sqlite3.Error):
            if self._database is not None:
                query = "SELECT sha256 FROM digests WHERE version = ?"
                row = self._database.execute(query, (json.dumps(version),)).fetchone()
                return str(row[0]) if row else None
        return None

    def keep(self, version: tuple[str | int, ...], sha256: str) -> None:
        """Remember the digest of a version."""
        with self._guard, suppress(sqlite3.Error):
            if self._database is not None:
                row = (json.dumps(version), sha256)
                self._database.execute("INSERT OR REPLACE INTO digests VALUES (?, ?)", row)

    def close(self) -> None:
        """Close its file."""
        with self._guard:
            database, self._database = self._database, None
        if database is not None:
            database.close()


def _opened(path: Path) -> sqlite3.Connection:
    """Each row is committed by itself: what a kill leaves counts."""
    database = sqlite3.connect(path, check_same_thread=False, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        database.execute("PRAGMA synchronous=OFF")  # what a loss of power damages is read again
        database.execute(_TABLE)
    except sqlite3.Error:
        database.close()
        raise
    return database
