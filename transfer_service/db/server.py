"""A database that is a server, PostgreSQL: how it is connected to, and what ends the wait for one that is away."""

import os
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from transfer_service.db.presence import Presence
from transfer_service.errors import ServerAway, TransactionLost
from transfer_service.logs import Outage
from transfer_service.patience import LOCK_WAIT_SECONDS

CONNECTIONS = 16
ANSWER_SECONDS = 3.0
"""For a connection to be made, and for a probe to be answered."""
MOST_ADDRESSES = 2
REST_SECONDS = 1.0
"""After so long without use a connection is asked whether it is there still."""
_USED_AT = "used_at"
_IDLE_IN_TRANSACTION = "25P03"
_TCP = {"keepalives_idle": 2, "keepalives_interval": 1, "keepalives_count": 3, "tcp_user_timeout": 5_000}
"""libpq's: a peer that is silent for five seconds is gone. PostgreSQL has the same settings for its side."""
_OF_A_SESSION = {
    "lock_timeout": str(round(LOCK_WAIT_SECONDS * 1000)),
    # Of an instance that has vanished, or was frozen in the middle, the locks must not stay for hours.
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "5000",
    "client_connection_check_interval": "2s",
    "idle_in_transaction_session_timeout": "4s",  # as long as a lease: what it commits under a claim is refused then
}


class DatabaseServer:
    """The connections of one process to a PostgreSQL server."""

    def __init__(self, url: str) -> None:
        self.engine: Engine = create_engine(url, pool_size=CONNECTIONS, max_overflow=CONNECTIONS, pool_use_lifo=True)
        self.urgent_engine = create_engine(url, pool_size=1, max_overflow=0)
        self._parameters = connection_parameters(url)
        self._open: weakref.WeakSet[Any] = weakref.WeakSet()
        self.presence = Presence(probe=self._probe, cut=self._cut_all, outage=Outage("database"))
        for engine in (self.engine, self.urgent_engine):
            event.listen(engine, "do_connect", self._connect)
            event.listen(engine, "connect", self._configure)
            event.listen(engine, "connect", _note_use)
            event.listen(engine, "checkin", _note_use)
            event.listen(engine, "checkout", _ask_after_a_rest)

    @contextmanager
    def work(self) -> Iterator[None]:
        """What uses a connection. Raises ServerAway, at once while the server is known to be away.

        Raises TransactionLost where the server has undone what rested for too long in the middle.
        """
        with self.presence.work():
            try:
                yield
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) == _IDLE_IN_TRANSACTION:
                    raise TransactionLost from error
                if error.connection_invalidated:
                    raise ServerAway from error
                raise

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.presence.close()
        self.engine.dispose()
        self.urgent_engine.dispose()

    def _connect(self, dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> Any:
        self.presence.check()
        try:
            return dialect.connect(**with_addresses({**parameters, **self._parameters}))
        except (dialect.loaded_dbapi.OperationalError, OSError) as error:
            raise ServerAway from error

    def _configure(self, connection: Any, _record: Any) -> None:
        set_up(connection)
        self._open.add(connection)

    def _probe(self) -> None:
        """Ask by a new connection, and where there is none to be had at once, by one that is open and idle."""
        import psycopg

        try:
            with psycopg.connect(**with_addresses(self._parameters), autocommit=True) as connection:
                answer_within(connection)
        except psycopg.errors.ConnectionTimeout:
            raise
        except psycopg.OperationalError:
            if not self.engine.pool.checkedin():  # type: ignore[attr-defined] # a QueuePool
                raise
            self._ask_an_idle_one()

    def _ask_an_idle_one(self) -> None:
        """A server that takes no more connections may answer those it has."""
        with suppress(PoolTimeout), self.engine.connect() as rows:
            answer_within(rows.connection.driver_connection)

    def _cut_all(self) -> None:
        for connection in list(self._open):
            cut(connection)


def _note_use(_connection: Any, record: Any) -> None:
    record.info[_USED_AT] = time.monotonic()


def _ask_after_a_rest(connection: Any, record: Any, _fairy: Any) -> None:
    """See that the server has not gone meanwhile. Raises InvalidatePoolError: then the pool connects anew.

    Not by a connection that was just used: each transaction would have a round trip more. Where the server has gone
    since then the first statement says so, and the pool lets go of all others.
    """
    import psycopg

    if time.monotonic() - record.info.get(_USED_AT, 0.0) < REST_SECONDS:
        return
    try:
        is_autocommit, connection.autocommit = connection.autocommit, True
        connection.execute("")
        connection.autocommit = is_autocommit
    except psycopg.OperationalError as error:
        raise InvalidatePoolError from error


def connection_parameters(url: str | URL) -> dict[str, Any]:
    """What libpq is told to connect to the database of `url`, with bounds on every wait unless the URL sets others."""
    parsed = make_url(url)
    _, parameters = parsed.get_dialect()().create_connect_args(parsed)
    return {"connect_timeout": round(ANSWER_SECONDS), **_TCP, **parameters}


def with_addresses(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters with the addresses of the host. Raises OSError.

    libpq looks names up by itself, and everything in the process would stand still meanwhile.
    """
    host = parameters.get("host")
    if not host or "hostaddr" in parameters or set(host) & set("/,@"):
        return parameters
    found = socket.getaddrinfo(host, parameters.get("port"), type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))[:MOST_ADDRESSES]
    return {**parameters, "host": ",".join([host] * len(addresses)), "hostaddr": ",".join(addresses)}


def set_up(connection: Any) -> None:
    """Bound what a session may wait for, and for how long the server keeps it when its client is gone."""
    is_autocommit, connection.autocommit = connection.autocommit, True
    wanted = _OF_A_SESSION
    if connection.info.server_version < 140_000:
        wanted = {name: value for name, value in wanted.items() if name != "client_connection_check_interval"}
    calls = ", ".join("set_config(%s, %s, false)" for _ in wanted)
    connection.execute(f"SELECT {calls}", [text for pair in wanted.items() for text in pair])
    connection.autocommit = is_autocommit


def answer_within(connection: Any, statement: str = "SELECT 1", *, seconds: float = ANSWER_SECONDS) -> None:
    """Have a connection answer; one that does not is cut. Raises the driver's OperationalError."""
    timer = threading.Timer(seconds, cut, [connection])
    timer.daemon = True
    timer.start()
    try:
        connection.execute(statement)
    finally:
        timer.cancel()


def cut(connection: Any) -> None:
    """End every wait for an answer on a connection: for whoever waits the server has closed it."""
    with suppress(Exception):  # it is closed
        twin = socket.socket(fileno=os.dup(connection.fileno()))
        with twin:
            twin.shutdown(socket.SHUT_RDWR)
