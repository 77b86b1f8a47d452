"""What a backup holds: a small database in each generation of it, one row for each blob that records promise."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from transfer_service.db.sqlite import create_private

NAME = "contents.sqlite3"
_LISTED_AT_ONCE = 200
_TABLES = """
CREATE TABLE IF NOT EXISTS blobs (
    room TEXT, key TEXT, kind TEXT, account TEXT, name TEXT, length INTEGER, sha256 TEXT, version TEXT,
    stored TEXT, problem TEXT, PRIMARY KEY (room, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS blobs_stored ON blobs (stored);
CREATE TABLE IF NOT EXISTS spans (key TEXT, start INTEGER, stop INTEGER, PRIMARY KEY (key, start)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stored_pieces (
    room TEXT, key TEXT, start INTEGER, stop INTEGER, object TEXT, "offset" INTEGER, PRIMARY KEY (room, key, start)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Listed:
    """A blob: what its record promises, `stored` by which SHA-256 it is in the backup, and what is wrong with it.

    `stored` is None where its bytes are not in it. `version` is that of an unfinished upload.
    """

    room: str
    key: str
    kind: str
    account: str | None
    name: str
    length: int
    sha256: str | None
    version: str | None
    stored: str | None = None
    problem: str | None = None


_COLUMNS = tuple(Listed.__dataclass_fields__)
_NAMED = ", ".join(_COLUMNS)


class BackupContents:
    """The contents in the folder of a generation. Nothing of it is durable before the generation is published."""

    def __init__(self, folder: Path, *, writing: bool = False) -> None:
        self.path = folder / NAME
        self._is_writing = writing
        if writing:
            create_private(self.path)
        mode = "rwc" if writing else "ro"
        self._rows = sqlite3.connect(
            f"file:{quote(str(self.path))}?mode={mode}{'' if writing else '&immutable=1'}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        if writing:
            self._rows.execute("PRAGMA synchronous = OFF")
            self._rows.execute("PRAGMA journal_mode = WAL")  # now: later it would wait for all who read it
            self._rows.executescript(_TABLES)

    def add(self, blobs: Iterable[Listed]) -> None:
        """What records promise."""
        marks = ", ".join("?" * len(_COLUMNS))
        self._many(
            f"INSERT OR REPLACE INTO blobs ({_NAMED}) VALUES ({marks})",  # noqa: S608 - columns and question marks
            [tuple(getattr(each, column) for column in _COLUMNS) for each in blobs],
        )

    def add_spans(self, spans: Iterable[tuple[str, int, int]]) -> None:
        """Which bytes of unfinished uploads count: key, start, stop."""
        self._many("INSERT INTO spans VALUES (?, ?, ?)", list(spans))

    def add_pieces(self, pieces: Iterable[Sequence[object]]) -> None:
        """Where an object store has blobs in pieces, as the table of that name has it."""
        self._many("INSERT INTO stored_pieces VALUES (?, ?, ?, ?, ?, ?)", list(pieces))

    def settle(self, found: Iterable[tuple[str | None, str | None, str, str]]) -> None:
        """What became of some: by which SHA-256 it is stored, what is wrong; of room and key."""
        self._many("UPDATE blobs SET stored = ?, problem = ? WHERE room = ? AND key = ?", list(found))

    def _many(self, statement: str, values: Sequence[Sequence[object]]) -> None:
        self._rows.execute("BEGIN")
        self._rows.executemany(statement, values)
        self._rows.execute("COMMIT")

    def batches(self) -> Iterator[list[Listed]]:
        """All blobs, some at a time."""
        last = ("", "")
        while True:
            batch = self._rows.execute(
                f"SELECT {_NAMED} FROM blobs WHERE (room, key) > (?, ?) ORDER BY room, key LIMIT ?",  # noqa: S608
                [*last, _LISTED_AT_ONCE],
            ).fetchall()
            if not batch:
                return
            yield [Listed(*row) for row in batch]
            last = batch[-1][:2]

    def spans_of(self, key: str) -> list[tuple[int, int]]:
        """The bytes of an unfinished upload that count."""
        return self._rows.execute("SELECT start, stop FROM spans WHERE key = ? ORDER BY start", [key]).fetchall()

    def find(self, room: str, keys: Sequence[str]) -> dict[str, Listed]:
        """What is known of some blobs."""
        marks = ", ".join("?" * len(keys))
        found = self._rows.execute(
            f"SELECT {_NAMED} FROM blobs WHERE room = ? AND key IN ({marks})",  # noqa: S608 - question marks
            [room, *keys],
        )
        return {row[1]: Listed(*row) for row in found.fetchall()}

    def named(self, digests: Sequence[str]) -> set[str]:
        """Those of some digests that blobs are stored by."""
        marks = ", ".join("?" * len(digests))
        found = self._rows.execute(f"SELECT stored FROM blobs WHERE stored IN ({marks})", list(digests))  # noqa: S608
        return {row[0] for row in found.fetchall()}

    def faults(self) -> list[Listed]:
        """Those with which something is wrong."""
        found = self._rows.execute(f"SELECT {_NAMED} FROM blobs WHERE problem IS NOT NULL")  # noqa: S608
        return [Listed(*row) for row in found.fetchall()]

    def tally(self) -> dict[str, tuple[int, int]]:
        """How many blobs there are of each kind, and how many bytes they have."""
        found = self._rows.execute("SELECT kind, count(*), sum(length) FROM blobs GROUP BY kind ORDER BY kind")
        return {kind: (count, size) for kind, count, size in found.fetchall()}

    def close(self) -> None:
        """Keep it, as one file."""
        if self._is_writing:
            self._rows.execute("PRAGMA journal_mode = DELETE")
        self._rows.close()
