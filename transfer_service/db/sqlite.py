"""SQLite as the service uses it: WAL mode, explicit transactions, connections that stay open, and one writer at a time.

Opening a connection, beginning and committing by SQLAlchemy costs more than the statements of most transactions. So
connections are kept open, and `BEGIN IMMEDIATE`, `COMMIT` and `ROLLBACK` go to the driver directly.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from transfer_service.db import reserve
from transfer_service.errors import StoreUnavailable
from transfer_service.patience import Patience, jitter, shared_patience, wait_for

_IS_DURABLE = "is_durable"
Run = Callable[[Callable[[], None]], None]
"""Runs work that waits for the disk, off the event loop where there is one."""
_PAUSES = (0.0, 0.001, 0.004)
"""Greenlets all have their turn in the first, threads may need the others."""


class Connections:
    """Open connections, for reading and for writing. The last one that was used is the next.

    So whoever reads after a commit mostly does it where that was made: any other connection has to read every page
    again that it needs.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._idle: list[Connection] = []

    def take(self) -> Connection:
        """One that nobody else has until it is given back; who does not give it back closes it.

        It counts as SQLAlchemy's in the middle of a transaction, so that nothing but this package ends one.
        """
        try:
            return self._idle.pop()
        except IndexError:
            connection = self._engine.connect()
            connection.begin()
            return connection

    def give_back(self, connection: Connection) -> None:
        """Without a transaction, as it came."""
        self._idle.append(connection)

    def close(self) -> None:
        """Close those that nobody has."""
        while self._idle:
            self._idle.pop().close()


class SqliteWriter:
    """Transactions that write; greenlets and threads take turns.

    A durable commit is a flush, and the next transaction cannot begin before its end. So whoever wants one while others
    wait for their turn leaves his transaction open to them: each is a savepoint in it, and one commit with one flush is
    for all. Nobody sees anything of it before, and each of them is told only then, also that he was refused: that may
    rest on what another one in it has done. If the commit fails, nothing of it has happened, and all are told so.
    """

    def __init__(self, connections: Connections, run_blocking: Run) -> None:
        self._connections = connections
        self._run_blocking = run_blocking
        # A lock, not a semaphore: released under gevent, that lets a whole round of other greenlets run.
        self._lock = threading.Lock()
        self._waiting = 0
        self._group: _Group | None = None

    @contextmanager
    def transaction(self, patience: Patience, *, durable: bool, joins: bool = True) -> Iterator[Connection]:
        """A write transaction: committed at the end of the block, rolled back if it raises.

        `durable` makes the commit, and all earlier ones of any connection, survive power loss before the block ends.
        Without `joins` it is in nobody else's.
        """
        refusal: BaseException | None = None
        with self._turn(patience):
            if self._group is not None and not joins:
                self._end_group()
            joined = group = self._group
            if joined is None:
                connection = self._begin(durable=durable)
                try:
                    yield connection
                    if durable and self._waiting:
                        group = self._group = _Group(connection)
                    else:
                        self._commit(connection, durable=durable)
                except BaseException:
                    _discard(connection)
                    raise
            else:
                try:
                    with self._part_of(joined):
                        yield joined.connection
                except BaseException as error:  # noqa: BLE001 - raised below
                    refusal = error
        if group is not None:
            if joined is None:
                _uninterrupted(partial(self._end_behind_others, group))
            group.wait()
        if refusal is not None:
            raise refusal

    @contextmanager
    def _turn(self, patience: Patience) -> Iterator[None]:
        self._waiting += 1
        try:
            wait_for(self._lock, patience)
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._lock.release()

    def _begin(self, *, durable: bool) -> Connection:
        connection = self._connections.take()
        driver = _driver(connection)
        try:
            if durable is not connection.info.get(_IS_DURABLE, False):
                # With FULL a commit flushes the write-ahead log, and with it every earlier commit of any connection.
                driver.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                connection.info[_IS_DURABLE] = durable
            retry_while_locked(lambda: driver.execute("BEGIN IMMEDIATE"))
        except BaseException:
            _discard(connection)
            raise
        return connection

    def _commit(self, connection: Connection, *, durable: bool) -> None:
        if durable:
            self._run_blocking(_driver(connection).commit)
        else:
            _driver(connection).commit()
        self._connections.give_back(connection)

    @contextmanager
    def _part_of(self, group: "_Group") -> Iterator[None]:
        """One of the others' transactions: undone by itself if it raises, unless the database is what has failed."""
        driver, refusal = _driver(group.connection), None
        try:
            driver.execute("SAVEPOINT part")
            try:
                yield
            except BaseException as error:
                if not _is_harmless(error):
                    raise
                driver.execute("ROLLBACK TO part")
                refusal = error
            driver.execute("RELEASE part")
        except BaseException as error:
            self._group = None
            _discard(group.connection)
            group.end(error)
            raise
        if refusal is not None:
            raise refusal

    def _end_behind_others(self, group: "_Group") -> None:
        """Let those run who wait now, then commit: a lock that is free would be taken before they wake up."""
        for seconds in _PAUSES:
            if self._waiting:
                time.sleep(seconds)
        if self._group is group:
            with self._lock:
                if self._group is group:
                    self._end_group()

    def _end_group(self) -> None:
        """Commit, and tell everybody how that went. Whose turn it is calls this."""
        group, self._group = self._group, None
        assert group is not None  # noqa: S101 - for the type checker
        driver = _driver(group.connection)
        try:
            self._run_blocking(driver.commit)
        except BaseException as error:
            is_committed = not driver.in_transaction and not isinstance(error, sqlite3.Error)
            _discard(group.connection)
            group.end(None if is_committed else error)
            if not isinstance(error, Exception):
                raise
        else:
            self._connections.give_back(group.connection)
            group.end()


class _Group:
    """Transactions that are committed together, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._ended = threading.Event()
        self._failure: BaseException | None = None

    def end(self, failure: BaseException | None = None) -> None:
        """Tell everybody."""
        self._failure = failure
        self._ended.set()

    def wait(self) -> None:
        """Wait for the end. Raises where nothing was committed."""
        _uninterrupted(self._ended.wait)
        failure = self._failure.orig if isinstance(self._failure, DBAPIError) else self._failure
        if isinstance(failure, sqlite3.Error):
            raise type(failure)(*failure.args) from failure  # each his own: a traceback grows where it is raised
        if failure is not None:
            raise StoreUnavailable from failure


def _is_harmless(error: BaseException) -> bool:
    """Whether an error says nothing about the state of the database: it is the caller's, or about what he wanted."""
    return not isinstance(error, DBAPIError | sqlite3.Error) or isinstance(
        error, IntegrityError | sqlite3.IntegrityError
    )


def _driver(connection: Connection) -> sqlite3.Connection:
    driver: Any = connection.connection.driver_connection
    return cast(sqlite3.Connection, driver)


def _discard(connection: Connection) -> None:
    """Undo what a connection has begun, and close it: after an error nobody knows in what state it is."""
    with suppress(sqlite3.Error):
        _driver(connection).rollback()
    connection.close()


def _uninterrupted(wait: Callable[[], object]) -> None:
    """Wait to the end, and raise only then what was thrown into this greenlet meanwhile."""
    interruption: BaseException | None = None
    while True:
        try:
            wait()
            break
        except BaseException as thrown:  # noqa: BLE001 - raised below
            interruption = interruption or thrown
    if interruption is not None:
        raise interruption


def make_engine(url: str, *, begin: str | None = None) -> Engine:
    """An engine whose connections are not shared; without `begin` every statement stands alone."""
    create_private(Path(make_url(url).database or "").absolute())
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


def create_private(path: Path) -> None:
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
                time.sleep(jitter(0.0005, 0.005))
