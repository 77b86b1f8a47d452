"""Who counts, and who answers Prometheus (TRANSFER_METRICS_BIND).

The first process of a service opens the port before it forks: so an occupied one stops the start, and it stays open
while the process behind it is replaced. Each process that serves or works counts in a file of its own in
`metrics/<address>` of the data folder; whoever answers puts all of them together. So a worker that is a program of its
own belongs to the service that has the same folder and address.
"""

import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
from gevent.monkey import get_original

from transfer_service.errors import TransferError
from transfer_service.faults import fault_of
from transfer_service.telemetry import meters
from transfer_service.telemetry.folder import FolderBusy, MetricsFolder

if TYPE_CHECKING:
    from transfer_service.telemetry.exposition import JobCounts

CONNECTIONS = 64
IDLE_SECONDS = 30.0
"""Prometheus opens a new connection where it rests for longer between two questions."""
FIND_SECONDS = 1.0
FRESH_SECONDS = 5.0


class PortTaken(Exception):
    """Nothing can listen at the address of TRANSFER_METRICS_BIND; the text says why."""


class Metrics:
    """The numbers of the processes that share `data_dir` and `address`, which is `host:port`."""

    def __init__(self, data_dir: Path, address: str) -> None:
        self._address = address
        self._folder = MetricsFolder(data_dir / "metrics" / re.sub(r"[^0-9A-Za-z.]+", "_", address).strip("_"))
        self._listener: Any = None
        self._server: Any = None

    def listen(self) -> None:
        """Take the port and begin to count anew: the first process of a service does. Raises PortTaken."""
        # The system's own socket: one of gevent's would begin its event loop, which no process may have that forks.
        host, _, port = self._address.rpartition(":")
        try:
            found = get_original("socket", "getaddrinfo")(host.strip("[]"), int(port), 0, socket.SOCK_STREAM)
            listener = get_original("socket", "socket")(found[0][0], socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(found[0][4])
            listener.listen(CONNECTIONS)
        except OSError as error:
            raise PortTaken(f"TRANSFER_METRICS_BIND: cannot listen at {self._address}: {error.strerror}") from error
        self._listener = listener
        with suppress(OSError, FolderBusy):  # a full disk must not keep a service from starting
            self._folder.empty()

    def leave(self) -> None:
        """Let go of the port that was inherited: another process answers."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def count(self, role: str) -> None:
        """Count in this process from now on, which is a `service` or a `worker`."""
        with suppress(OSError, FolderBusy):
            meters.begin(self._folder.open(role))

    def answer(self, find_jobs: "Callable[[], JobCounts]") -> None:
        """Answer Prometheus in this process, where one before it has taken the port."""
        if self._listener is None:
            return
        from gevent import socket as cooperative
        from gevent.pywsgi import WSGIHandler, WSGIServer

        from transfer_service.telemetry.exposition import Collector, make_application

        class Handler(WSGIHandler):
            """Gives up who says nothing: there are few places."""

            def __init__(self, connection: Any, *arguments: Any, **named: Any) -> None:
                connection.settimeout(IDLE_SECONDS)
                super().__init__(connection, *arguments, **named)

        listener = cooperative.socket(fileno=self._listener.dup().detach())
        listener.setblocking(False)
        application = make_application(Collector(self._folder, Recently(find_jobs)))
        self._server = WSGIServer(
            listener, application, log=None, error_log=None, handler_class=Handler, spawn=CONNECTIONS
        )
        self._server.start()


class Recently:
    """What a function gave within the last FRESH_SECONDS; it is called beside whoever asks, who waits for a second."""

    def __init__(self, find: "Callable[[], JobCounts]") -> None:
        self._find = find
        self._running: Any = None
        self._found: JobCounts | None = None
        self._found_at = -FRESH_SECONDS

    def __call__(self) -> "JobCounts | None":
        """What there is, None where it does not come in time."""
        if time.monotonic() - self._found_at < FRESH_SECONDS:
            return self._found
        if self._running is None or self._running.ready():
            self._running = gevent.spawn(self._look)
        self._running.join(FIND_SECONDS)
        is_fresh = time.monotonic() - self._found_at < FRESH_SECONDS
        return self._found if is_fresh else None

    def _look(self) -> None:
        try:
            self._found = self._find()
            self._found_at = time.monotonic()
        except Exception as error:
            if not isinstance(error, TransferError) and fault_of(error) is None:
                raise


@cache  # the configuration of gunicorn is read again when that is told to reload: the port stays with this process
def metrics_of(data_dir: Path, address: str | None) -> Metrics | None:
    """The metrics of that address, None where there is none: the same object in all of a process."""
    return Metrics(data_dir, address) if address else None
