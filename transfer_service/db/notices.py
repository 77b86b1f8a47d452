"""Notices between the processes of an installation: PostgreSQL's LISTEN and NOTIFY. SQLite has none.

A notice says that something is worth a look, and may be lost: with its connection, or with the process. So whoever
listens also looks by himself now and then, and whenever he is told None.
"""

import os
import select
from collections.abc import Callable
from contextlib import closing
from threading import Event, Lock
from typing import Any, TypeAlias

import structlog
from sqlalchemy import Connection, make_url, text
from sqlalchemy.orm import Session

from transfer_service.logs import log_error
from transfer_service.patience import jitter
from transfer_service.threads import run_beside

Handler: TypeAlias = Callable[[str | None], None]
MOST_BYTES = 7_999
"""PostgreSQL refuses longer payloads: send ids."""
BEAT_SECONDS = 2.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 2.0
CLOSE_SECONDS = 5.0
_NOTIFY = text("SELECT pg_notify(:channel, :payload)")


class Notices:
    """The notices of one database, heard over one connection of this process.

    Nothing runs before `begin`, which must come after a fork, and without anybody who listens.
    """

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._is_silent = self._url.get_backend_name() == "sqlite"
        self._handlers: dict[str, list[Handler]] = {}
        self._listener: _Listener | None = None
        self._is_begun = False
        self._changing = Lock()

    def listen(self, channel: str, handler: Handler) -> None:
        """Call `handler` with each payload from now on, and with None when notices may have been missed.

        That is whenever the channel has just begun to be heard. Handlers are called one after the other, on the event
        loop where there is one: they must be quick, and wait for nothing. One that raises is logged.
        """
        with self._changing:
            self._handlers = {**self._handlers, channel: [*self._handlers.get(channel, ()), handler]}
        if self._is_begun:
            self._start()

    def begin(self) -> None:
        """Hear notices from now on, in this process. Whoever needs them calls it; it is cheap where that is done."""
        if not self._is_begun:
            self._is_begun = True
            self._start()

    def notify(self, rows: Session | Connection, channel: str, payload: str) -> None:
        """Send a notice, once the caller's transaction is committed, to every process that listens, also to this one.

        Such commits wait for each other in all of the database, so nothing that happens all the time sends one.
        """
        if len(payload.encode()) > MOST_BYTES:
            raise ValueError("A notice is shorter than 8000 bytes")
        if not self._is_silent:
            rows.execute(_NOTIFY, {"channel": channel, "payload": payload})

    def close(self) -> None:
        """Hear nothing more; `begin` begins again."""
        with self._changing:
            listener, self._listener, self._is_begun = self._listener, None, False
        if listener is not None:
            listener.stop()

    def _start(self) -> None:
        with self._changing:
            if self._is_silent or not self._handlers or not self._is_begun:
                return
            if self._listener is None:
                self._listener = _Listener(self._url, lambda: self._handlers)
            else:
                self._listener.wake()


class _Listener:
    """The thread, or greenlet, that keeps a connection and calls the handlers."""

    def __init__(self, url: Any, handlers: Callable[[], dict[str, list[Handler]]]) -> None:
        self._url = url
        self._handlers = handlers
        self._waker = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._is_stopping = False
        self._ended = Event()
        self._is_down = False
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._guard = Lock()
        run_beside(self._run)

    def wake(self) -> None:
        """Let it look for new channels, and whether it shall stop."""
        with self._guard:
            if not self._ended.is_set():
                os.eventfd_write(self._waker, 1)

    def stop(self) -> None:
        """Return when its connection is closed; where the network holds it up, not much later."""
        self._is_stopping = True
        self.wake()
        self._ended.wait(CLOSE_SECONDS)

    def _run(self) -> None:
        try:
            while not self._is_stopping:
                try:
                    with closing(self._connect()) as connection:
                        self._hear(connection)
                except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                    self._note(error)
                    self._sleep(jitter(0.5, 1.0) * self._pause_seconds)
                    self._pause_seconds = min(2 * self._pause_seconds, LONGEST_PAUSE_SECONDS)
        finally:
            with self._guard:
                self._ended.set()
                os.close(self._waker)

    def _connect(self) -> Any:
        import psycopg

        from transfer_service.db.server import connection_parameters, with_addresses

        parameters = {"application_name": "transfer notices", **connection_parameters(self._url)}
        return psycopg.connect(**with_addresses(parameters), autocommit=True)

    def _hear(self, connection: Any) -> None:
        from transfer_service.db.server import answer_within

        heard: set[str] = set()
        while not self._is_stopping:
            handlers = self._handlers()
            fresh = handlers.keys() - heard
            for channel in fresh:
                answer_within(connection, f'LISTEN "{channel}"')
            self._note(None)
            heard |= fresh
            for channel in fresh:
                self._tell(channel, None)
            for notice in list(connection.notifies(timeout=0)):
                self._tell(notice.channel, notice.payload)
            if not self._sleep(BEAT_SECONDS, connection.fileno()):
                answer_within(connection)  # or a connection that is broken on its way would look like silence

    def _tell(self, channel: str, payload: str | None) -> None:
        for handler in self._handlers().get(channel, ()):
            try:
                handler(payload)
            except Exception as error:  # noqa: BLE001 - the others' notices come all the same
                log_error(error)

    def _sleep(self, seconds: float, *descriptors: int) -> bool:
        """Sleep until something can be read, or somebody wakes this. Whether it was so before the time was over."""
        poll = select.poll()  # gevent's, where it serves
        for each in (self._waker, *descriptors):
            poll.register(each, select.POLLIN)
        ready = poll.poll(round(1000 * seconds))
        if any(descriptor == self._waker for descriptor, _ in ready):
            os.eventfd_read(self._waker)
        return bool(ready)

    def _note(self, error: Exception | None) -> None:
        """Tell the log once when the connection is lost, and once when it is there again."""
        if error is None:
            self._pause_seconds = FIRST_PAUSE_SECONDS
        if self._is_down is (error is not None):
            return
        self._is_down = error is not None
        log = structlog.get_logger()
        if error is None:
            log.info("notices_restored")
        else:
            log.warning("notices_interrupted", error=type(error).__name__)
