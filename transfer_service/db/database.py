"""Read and write transactions.

Write transactions on SQLite begin with `BEGIN IMMEDIATE`, so a read-modify-write can neither lose an update nor be
refused half-way, and a lock lets one greenlet of a process in at a time. The wait for another process's transaction
sleeps cooperatively, instead of inside SQLite where it would stop the whole worker. Both waits take from one patience
(`patience.py`), which a request has once. Nothing that waits (network, large disk work) belongs inside a write
transaction.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

from sqlalchemy import Connection, Row, Select, make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from transfer_service.db import reserve
from transfer_service.db.notices import Notices
from transfer_service.db.sqlite import Connections, Run, SqliteWriter, make_engine
from transfer_service.errors import (
    AccountGone,
    ReadOnly,
    SchemaOutdated,
    ServerAway,
    StorageFull,
    StoreUnavailable,
    TransactionLost,
    TransferError,
)
from transfer_service.patience import LOCK_WAIT_SECONDS, LOCKED, jitter, shared_patience, wait_for
from transfer_service.telemetry import meters, traces

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from transfer_service.db.server import DatabaseServer

_UNKNOWN_TO_SQLITE = ("no such table", "no such column", "has no column")
_UNKNOWN_TO_POSTGRESQL = frozenset({"42P01", "42703"})
"""undefined_table, undefined_column"""
_VICTIM = frozenset({"40P01", "40001"})
"""deadlock_detected, serialization_failure"""
RUNS = 5

P = ParamSpec("P")
T = TypeVar("T")
Executor: TypeAlias = Session | Connection
"""What runs a prepared statement."""


def run_inline(work: Callable[[], None]) -> None:
    """Run `work` here and now."""
    work()


class Database:
    """The engines of one process.

    `run_blocking` runs a commit that waits for the disk, off the event loop under gevent. Work without a patience waits
    `lock_wait_seconds` for each transaction. With `is_read_only` no transaction that writes begins: what the doors have
    not refused is refused here.
    """

    def __init__(
        self,
        url: str,
        *,
        run_blocking: Run = run_inline,
        lock_wait_seconds: float = LOCK_WAIT_SECONDS,
        is_read_only: bool = False,
    ) -> None:
        self.url = url
        self.notices = Notices(url)
        self.is_read_only = is_read_only
        self._endings: list[Callable[[], None]] = []
        self._lock_wait_seconds = lock_wait_seconds
        self._system = make_url(url).get_backend_name()
        self.is_sqlite = self._system == "sqlite"
        if self.is_sqlite:
            self._read_engine = make_engine(url, begin="BEGIN")
            self._row_engine = make_engine(url)
            self._connections = Connections(self._row_engine)
            self._writer: SqliteWriter | None = SqliteWriter(self._connections, run_blocking)
            self._server: DatabaseServer | None = None
        else:
            from transfer_service.db import server  # what a database in a file has no need of

            self._server = server.DatabaseServer(url)
            self._writers = threading.BoundedSemaphore(server.CONNECTIONS)
            self._read_engine = self._server.engine
            self._row_engine = self._read_engine.execution_options(isolation_level="AUTOCOMMIT")
            self._writer = None

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one consistent state and changes nothing."""
        with (
            traces.step("database read", db__system__name=self._system),
            failures_named(),
            self._use(),
            Session(self._read_engine, expire_on_commit=False, autoflush=False) as session,
        ):
            yield session

    def batches(self, statement: Select[Any], *, size: int = 500) -> Iterator[Sequence[Row[Any]]]:
        """The rows in the order of their first column, a unique one, in short reads.

        Rows that come or go between two reads disturb nothing: no row is given twice, none that stays is left out.
        """
        key = statement.selected_columns[0]
        page, last = statement.order_by(key).limit(size), None
        while True:
            with self.read() as session:
                rows = session.execute(page if last is None else page.where(key > last)).all()
            if not rows:
                return
            yield rows
            last = rows[-1][0]

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Session]:
        """A write transaction: committed at the end of the block, rolled back if it raises.

        `durable` makes the commit, and all earlier ones, survive power loss before the block ends. Raises ReadOnly.
        """
        with (
            self.write_rows(durable=durable, joins=False) as rows,  # a session rolls back more than its own part
            Session(rows, expire_on_commit=False) as session,
        ):
            yield session
            session.commit()  # what it has, to `rows`, where the transaction goes on to its own end

    @contextmanager
    def read_rows(self) -> Iterator[Connection]:
        """A connection for prepared statements, each of which sees the latest commit: cheaper than `read`."""
        began = 0 if self.is_sqlite else meters.now()  # there readers wait for nobody
        with traces.step("database read", db__system__name=self._system), failures_named(), self._use():
            connection = self._connections.take() if self.is_sqlite else self._row_engine.connect()
            meters.observe(meters.DATABASE_WAIT, began)
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            if self.is_sqlite:  # a file cannot have gone away meanwhile, as a server can
                self._connections.give_back(connection)
            else:
                connection.close()

    @contextmanager
    def urgent_rows(self) -> Iterator[Connection]:
        """A server's connection for a moment, on which each statement stands alone: no crowd is waiting for this one.

        For the little that must not wait behind everybody's requests. Only a server has it.
        """
        assert self._server is not None  # noqa: S101 - a database in a file has no such crowd
        with failures_named(), self._use(), self._server.urgent_engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def write_rows(self, *, durable: bool = False, joins: bool = True) -> Iterator[Connection]:
        """Like `write` for prepared statements: half the price of a session, and the flush is shared with others.

        One patience is for the wait for this process's other writers, and for other processes' locks. Raises ReadOnly.
        """
        if self.is_read_only:
            raise ReadOnly
        began = meters.now()
        with (
            traces.step("database write", db__system__name=self._system),
            failures_named(),
            self._use(),
            shared_patience(self._lock_wait_seconds) as patience,
        ):
            if self._writer is not None:
                with self._writer.transaction(patience, durable=durable, joins=joins) as rows:
                    meters.observe(meters.DATABASE_WAIT, began)
                    yield rows
                return
            wait_for(self._writers, patience)
            try:
                self._check_presence()
                with self._read_engine.begin() as rows:
                    meters.observe(meters.DATABASE_WAIT, began)
                    yield rows
            finally:
                self._writers.release()

    def _use(self) -> "AbstractContextManager[None]":
        """Around all that may wait for a server's answer. Raises ServerAway while that is away."""
        return self._server.work() if self._server is not None else nullcontext()

    def _check_presence(self) -> None:
        """For who has waited for his turn. Raises ServerAway."""
        if self._server is not None:
            self._server.presence.check()

    def check(self) -> None:
        """Prove that the database answers and, where that is allowed, can be written. Raises StoreUnavailable."""
        if self.is_read_only:
            with self.read() as session:
                session.execute(text("SELECT version_num FROM alembic_version"))
            return
        try:
            with self.write() as session:
                session.execute(text("UPDATE alembic_version SET version_num = version_num"))
        except SchemaOutdated:
            raise
        except ServerAway as error:
            raise ServerAway("The database cannot be written") from error
        except (SQLAlchemyError, TransferError) as error:
            raise StoreUnavailable("The database cannot be written") from error

    def take_reserve(self) -> None:
        """Keep some room on the database's own disk, with which it can be opened when that is full."""
        if self.is_sqlite and not self.is_read_only:
            reserve.take(Path(make_url(self.url).database or "").absolute().parent)

    def at_rest(self, work: Callable[[], None]) -> None:
        """Call `work` when nobody asks for anything any more: what runs beside the requests ends there."""
        self._endings.append(work)

    def rest(self) -> None:
        """End what runs beside the requests, and hear no more notices."""
        for work in self._endings:
            work()
        self.notices.close()

    def dispose(self) -> None:
        """Close every connection, and what runs beside the requests."""
        self.rest()
        if self.is_sqlite:
            self._connections.close()
        if self._server is not None:
            self._server.dispose()
        for engine in (self._read_engine, self._row_engine):
            engine.dispose()


@contextmanager
def failures_named() -> Iterator[None]:
    """A full disk, and a database that is damaged or does not answer, are the machine's faults and get errors."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if "foreign key" in str(cause).lower():  # all else that rows hang on is locked before they are added
            raise AccountGone from error
        if _is_of_another_schema(cause):
            raise SchemaOutdated from error
        if getattr(cause, "sqlstate", None) in _VICTIM:
            raise TransactionLost from error
        if not _is_of_the_machine(cause):
            raise
        reason = str(cause)
        if "full" in reason or "No space left" in reason:
            raise StorageFull from error
        raise StoreUnavailable(LOCKED if "locked" in reason else None) from error
    except PoolTimeout as error:
        raise StoreUnavailable from error


def run_again(method: Callable[P, T]) -> Callable[P, T]:
    """Run a method again whose transaction the database has undone for the sake of others.

    For methods that do nothing else before their transaction, and have no other one. The order of locks
    (docs/architecture.md) leaves no deadlock among those of this version; an older one, or an administrator's, may.
    """

    @wraps(method)
    def running(*args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(RUNS - 1):
            with suppress(TransactionLost):
                return method(*args, **kwargs)
            time.sleep(jitter(0.005, 0.05))
        return method(*args, **kwargs)

    return running


def _is_of_another_schema(error: BaseException | None) -> bool:
    """Whether tables or columns are unknown that this version of the service needs."""
    if isinstance(error, sqlite3.OperationalError):
        return any(each in str(error) for each in _UNKNOWN_TO_SQLITE)
    return getattr(error, "sqlstate", None) in _UNKNOWN_TO_POSTGRESQL


def _is_of_the_machine(error: BaseException | None) -> bool:
    """Whether a driver's error tells of the database's state, not of what was asked (PEP 249)."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    # A damaged file of SQLite is a DatabaseError and none of its children.
    return not kinds.isdisjoint({"OperationalError", "InternalError"}) or type(error) is sqlite3.DatabaseError
