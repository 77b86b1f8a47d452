"""A copy of the database as it is at one moment, in a file, while everybody goes on: SQLite's, or PostgreSQL's dump.

What is listed while it is made is of that very moment too.
"""

import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, NullPool, Row, Select, create_engine, inspect, make_url, text

from transfer_service.db.database import failures_named
from transfer_service.db.postgres_programs import begin_program, finish_program
from transfer_service.db.sqlite import create_private
from transfer_service.errors import BackupRefused

SQLITE, POSTGRESQL = "sqlite", "postgresql"
FILE_NAMES = {SQLITE: "database.sqlite3", POSTGRESQL: "database.dump"}
BATCH = 500


class Snapshot(Protocol):
    """The database at one moment."""

    kind: str

    def batches(self, statement: Select[Any], *, size: int = BATCH) -> Iterator[Sequence[Row[Any]]]:
        """The rows of a statement at that moment, some at a time."""

    def first(self, column: str, table: str) -> str | None:
        """What is in a column of the first row of a table, None where there is none, or no such table."""

    def finish(self) -> None:
        """Return when the file is there. Raises BackupRefused."""


def taking(url: str, folder: Path) -> AbstractContextManager[Snapshot]:
    """Begin a copy in a folder, where it gets its name of FILE_NAMES. Raises BackupRefused, StoreUnavailable."""
    is_sqlite = make_url(url).get_backend_name() == SQLITE
    return _taking_sqlite(url, folder) if is_sqlite else _taking_postgresql(url, folder)


class _Rows:
    """What is listed, on one connection that stays at its moment."""

    def __init__(self, rows: Connection) -> None:
        self._rows = rows

    def batches(self, statement: Select[Any], *, size: int = BATCH) -> Iterator[Sequence[Row[Any]]]:
        """The rows of a statement, some at a time, however many there are."""
        with self._rows.execution_options(stream_results=True, max_row_buffer=size).execute(statement) as found:
            yield from found.partitions(size)

    def first(self, column: str, table: str) -> str | None:
        """What is in a column of the first row of a table, None where there is none, or no such table."""
        if not inspect(self._rows).has_table(table):
            return None
        found = self._rows.execute(text(f"SELECT {column} FROM {table}")).scalar()  # noqa: S608 - names of ours
        return None if found is None else str(found)


class _SqliteSnapshot(_Rows):
    kind = SQLITE

    def finish(self) -> None:
        """It is there: it was what is listed."""


@contextmanager
def _taking_sqlite(url: str, folder: Path) -> Iterator[Snapshot]:
    source, copy = make_url(url).database or "", folder / FILE_NAMES[SQLITE]
    create_private(copy)
    with (
        failures_named(),
        closing(sqlite3.connect(source, timeout=30)) as here,
        closing(sqlite3.connect(copy)) as there,
    ):
        # All in one step: a read transaction, which in WAL mode holds up nobody and sees every commit so far.
        here.backup(there, pages=-1)
        there.execute("PRAGMA journal_mode = DELETE")  # or whoever reads it would make files beside it
    engine = reading_engine(copy)
    try:
        with failures_named(), engine.connect() as rows:
            yield _SqliteSnapshot(rows)
    finally:
        engine.dispose()


def reading_engine(path: Path) -> Engine:
    """An engine that reads a file of SQLite and leaves it, and its folder, as they are."""
    return create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True),
        poolclass=NullPool,
    )


class _PostgresqlSnapshot(_Rows):
    kind = POSTGRESQL

    def __init__(self, rows: Connection, dump: "subprocess.Popen[bytes]") -> None:
        super().__init__(rows)
        self._dump = dump

    def finish(self) -> None:
        """Wait for the dump."""
        finish_program(self._dump, "pg_dump")


@contextmanager
def _taking_postgresql(url: str, folder: Path) -> Iterator[Snapshot]:
    target = folder / FILE_NAMES[POSTGRESQL]
    create_private(target)
    engine = create_engine(url, poolclass=NullPool, isolation_level="REPEATABLE READ")
    try:
        with failures_named(), engine.connect() as rows:
            moment = rows.scalar(text("SELECT pg_export_snapshot()"))
            server = int(rows.scalar(text("SHOW server_version_num")) or 0) // 10_000
            options = ["--format=custom", "--no-owner", "--no-privileges", "--no-unlogged-table-data"]
            dump = begin_program("pg_dump", url, [*options, f"--snapshot={moment}", f"--file={target}"], server=server)
            try:
                yield _PostgresqlSnapshot(rows, dump)
            finally:
                if dump.poll() is None:
                    dump.kill()
                dump.wait()
                rows.rollback()
    finally:
        engine.dispose()


def identify(snapshot: Snapshot) -> tuple[str, str]:
    """The schema of a database, and the id of its installation. Raises BackupRefused where it has none."""
    schema, installation = (
        snapshot.first("version_num", "alembic_version"),
        snapshot.first("installation_id", "installation"),
    )
    if schema is None or installation is None:
        raise BackupRefused("The service has never run on this database: there is nothing to back up")
    return schema, installation
