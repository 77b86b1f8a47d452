"""What a move of the store has brought over and verified: a small database of its own beside the service's data."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from transfer_service.db.sqlite import create_private

_LISTED_AT_ONCE = 500


class MoveJournal:
    """Knows what is done, also after a kill. A power loss may make it forget: then that is done again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        create_private(path)
        self._rows = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._rows.execute("PRAGMA journal_mode = WAL")
        self._rows.execute(
            "CREATE TABLE IF NOT EXISTS done (room TEXT, key TEXT, stamp TEXT, seen INTEGER, PRIMARY KEY (room, key))"
            " WITHOUT ROWID"
        )

    def find(self, room: str, keys: Sequence[str]) -> dict[str, tuple[str, int]]:
        """The stamps of those that are done, and the passes that have met them last."""
        marks = ", ".join("?" * len(keys))
        found = self._rows.execute(
            f"SELECT key, stamp, seen FROM done WHERE room = ? AND key IN ({marks})",  # noqa: S608 - question marks
            [room, *keys],
        )
        return {key: (stamp, seen) for key, stamp, seen in found.fetchall()}

    def note(self, room: str, stamps: Iterable[tuple[str, str]], *, seen: int) -> None:
        """These are there as their stamps say; they were looked at in the pass `seen`."""
        self._rows.execute("BEGIN")
        self._rows.executemany(
            "INSERT INTO done VALUES (?, ?, ?, ?)"
            " ON CONFLICT (room, key) DO UPDATE SET stamp = excluded.stamp, seen = excluded.seen",
            [(room, key, stamp, seen) for key, stamp in stamps],
        )
        self._rows.execute("COMMIT")

    def not_seen(self, seen: int) -> Iterator[tuple[str, str]]:
        """Room and key of what the pass has not met: it was deleted. It is forgotten when it is told."""
        while True:
            batch = self._rows.execute(
                "SELECT room, key FROM done WHERE seen != ? LIMIT ?", [seen, _LISTED_AT_ONCE]
            ).fetchall()
            if not batch:
                return
            yield from batch
            self._rows.executemany("DELETE FROM done WHERE room = ? AND key = ?", batch)

    def last_pass(self) -> int:
        """The number of the last pass, 0 before the first."""
        return int(self._rows.execute("SELECT coalesce(max(seen), 0) FROM done").fetchone()[0])

    def close(self) -> None:
        """Keep it."""
        self._rows.close()

    def remove_unused(self) -> None:
        """The move was refused before it began: unless it had begun before."""
        if not self.last_pass():
            self.remove()

    def remove(self) -> None:
        """The move has ended."""
        self.close()
        for ending in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
