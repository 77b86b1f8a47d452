"""SQLite as the service uses it: WAL mode, explicit transactions, and one connection that writes.

Opening a connection, beginning and committing by SQLAlchemy costs more than the statements of most transactions. So the
writing connection is kept open, and `BEGIN IMMEDIATE`, `COMMIT` and `ROLLBACK` go to the driver directly.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import uniform
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import OperationalError

from transfer_service.db import reserve
from transfer_service.patience import shared_patience

Run = Callable[[Callable[[], None]], None]
"""Runs work that waits for the disk, off the event loop where there is one."""


class SqliteWriter:
    """The connection that writes; it is used by one at a time, who waits for his turn elsewhere."""

    def __init__(self, engine: Engine, run_blocking: Run) -> None:
        self._engine = engine
        self._run_blocking = run_blocking
        self._kept: Connection | None = None
        self._is_durable = False

    @contextmanager
    def transaction(self, *, durable: bool) -> Iterator[Connection]:
        """A write transaction: committed at the end of the block, rolled back if it raises.

        `durable` makes the commit, and all earlier ones of any connection, survive power loss before the block ends.
        The connection counts as SQLAlchemy's in the middle of a transaction, so that nothing but this ends it.
        """
        connection, self._kept = self._kept or self._open(), None
        driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
        try:
            if durable is not self._is_durable:
                # With FULL a commit flushes the write-ahead log, and with it every earlier commit of any connection.
                driver.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._is_durable = durable
            retry_while_locked(lambda: driver.execute("BEGIN IMMEDIATE"))
            yield connection
            if durable:
                self._run_blocking(driver.commit)
            else:
                driver.commit()
        except BaseException:
            _discard(connection, driver)
            raise
        self._kept = connection

    def _open(self) -> Connection:
        connection = self._engine.connect()
        connection.begin()
        self._is_durable = False
        return connection

    def close(self) -> None:
        """Close the connection; the next transaction opens another one."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None


def _discard(connection: Connection, driver: sqlite3.Connection) -> None:
    """Undo what a connection has begun, and close it: after an error nobody knows in what state it is."""
    with suppress(sqlite3.Error):
        driver.rollback()
    connection.close()


def make_engine(url: str, *, begin: str | None = None) -> Engine:
    """An engine whose connections are not shared; without `begin` every statement stands alone."""
    _create_private(Path(make_url(url).database or "").absolute())
    pooling: dict[str, Any] = {"poolclass": NullPool} if begin is None else {}
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": 0.0}, **pooling)

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where this package says, not where the driver guesses
        retry_while_locked(lambda: connection.execute("PRAGMA journal_mode = WAL"))
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")

    def _begin(connection: Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        retry_while_locked(lambda: driver.execute(begin))

    if begin is not None:
        event.listen(engine, "begin", _begin)

    return engine


def _create_private(path: Path) -> None:
    """Make the database's file for its owner alone: a web server may be in the group, and reads files there."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    reserve.give_up_if_full(path.parent)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def retry_while_locked(statement: Callable[[], object]) -> None:
    """Run `statement` again, after short sleeps, for as long as another process holds the lock and patience lasts."""
    with shared_patience() as patience:
        while True:
            try:
                statement()
                return
            except (OperationalError, sqlite3.OperationalError) as error:
                if "locked" not in str(error) or not patience.left_seconds:
                    raise
            with patience.spent():
                time.sleep(uniform(0.0005, 0.005))  # noqa: S311 - jitter, not a secret
