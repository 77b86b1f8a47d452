"""The gunicorn worker class: gevent's, with what file transfer needs from the socket."""

import http
import resource
import socket as sockets
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

import gevent
from gevent.server import StreamServer
from gunicorn.http import errors, parser
from gunicorn.http.message import Request
from gunicorn.util import http_date
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.ggevent import GeventWorker

from transfer_service.errors import StoreUnavailable
from transfer_service.faults import fault_of
from transfer_service.logs import log_error
from transfer_service.server.client_socket import TransferSocket, stall_is_reset
from transfer_service.server.lazy_body import DRAIN_BYTES, LazyBody
from transfer_service.telemetry import meters
from transfer_service.threads import fill_thread_pool
from transfer_service.wire.error_bodies import format_error

HEAD_BYTES = 64 * 1024  # of a request, before anybody knows who is there
FIRST_REQUEST_SECONDS = 20.0
STALLED_AFTER_SECONDS = 60.0
LINGER_SECONDS, LINGER_IDLE_SECONDS = 10.0, 2.0
CROWDED_SECONDS = 2.0
ACCEPTS_A_TURN = 4  # of the loop: who comes then must be looked at before the next ones take more descriptors
DESCRIPTORS = 65_536  # as many as deploy/systemd asks for, where the system gives so many
MOST_RESERVED = 64
RETRY_AFTER_SECONDS = 5
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: %d\r\nCache-Control: no-store\r\n"
    b"X-Content-Type-Options: nosniff\r\nContent-Type: application/json\r\nContent-Length: 33\r\n\r\n"
    b'{"detail": "Service unavailable"}'
)


class Descriptors:
    """The limit of this process, raised as far as the system lets it.

    Descriptors are given out from below, so the number of a new connection tells how many are left for files.
    """

    def __init__(self) -> None:
        self._limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = min(hard, DESCRIPTORS)
        if self._limit < wanted:
            with suppress(OSError, ValueError):  # a sandbox may forbid it
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
                self._limit = wanted
        self._reserved = min(MOST_RESERVED, self._limit // 4)

    def are_few(self, connection: Any) -> bool:
        """Whether a new connection leaves so few that it should be told to come later."""
        return bool(connection.fileno() >= self._limit - self._reserved)

    def are_for_files(self, connection: Any) -> bool:
        """Whether it has taken one of those that files need: it cannot even be listened to."""
        return bool(connection.fileno() >= self._limit - self._reserved // 2)


def turn_away(connection: Any) -> None:
    """Answer whatever is asked with 503, and close at once."""
    meters.count(meters.REFUSALS, "crowded")
    with suppress(OSError):
        connection.setblocking(0)
        connection.send(_REFUSAL % RETRY_AFTER_SECONDS)
    connection.close()


class BoundedRequest(Request):  # type: ignore[misc] # gunicorn has no types
    """A request whose head, or trailer section, is 431 once it is longer than HEAD_BYTES.

    gunicorn's own bound is the number of fields times the longest one: 800 KiB, kept as long as the connection is.
    """

    @property
    def max_buffer_headers(self) -> int:
        """The bound that gunicorn's parser asks for."""
        return HEAD_BYTES

    @max_buffer_headers.setter
    def max_buffer_headers(self, _computed: Any) -> None:
        """Never mind gunicorn's own."""


class Crowded(Exception):
    """So many connections are open that the files and the database could not be opened for one more."""


_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (errors.LimitRequestLine, 414),
    (errors.LimitRequestHeaders, 431),
    (errors.ExpectationFailed, 417),
    (errors.UnsupportedTransferCoding, 501),
    (errors.ForbiddenProxyRequest, 403),
    (errors.ParseException, 400),
    (Crowded, 503),
)


class _IdleTimeout(gevent.Timeout):
    """The keep-alive limit of one idle connection, which a graceful stop ends early."""

    def __init__(self, seconds: float, idle: set["_IdleTimeout"]) -> None:
        super().__init__(seconds, None)
        self._idle = idle
        self._greenlet = gevent.getcurrent()

    def __enter__(self) -> "_IdleTimeout":
        self._idle.add(self)
        super().__enter__()
        return self

    def __exit__(self, *args: Any) -> Literal[True] | None:
        self._idle.discard(self)
        self.cancel()
        return True if args[1] is self else None  # like gevent.Timeout(seconds, False): the wait ends quietly

    def expire(self) -> None:
        """End the wait now."""
        gevent.kill(self._greenlet, self)


class TransferWorker(GeventWorker):  # type: ignore[misc] # gunicorn has no types
    """One process of the service."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle: set[_IdleTimeout] = set()
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()
        self.on_stop: Callable[[], None] | None = None  # called once when no more connections are taken
        self._descriptors: Descriptors | None = None
        parser.RequestParser.mesg_class = BoundedRequest

    def run(self) -> None:
        """Serve until the worker is stopped."""
        hub: Any = gevent.get_hub()
        hub.print_exception = _log_unhandled
        self._descriptors = Descriptors()
        StreamServer.max_accept = ACCEPTS_A_TURN
        fill_thread_pool()
        super().run()

    def timeout_ctx(self) -> gevent.Timeout:
        """The limit for the next request to come on a connection, short for the first one."""
        connection = gevent.getcurrent()
        if connection in self._known:  # the next requests may have come already, thousands of them, and nothing waits
            gevent.sleep(0)
        seconds = self.cfg.keepalive if connection in self._known else min(FIRST_REQUEST_SECONDS, self.cfg.keepalive)
        if getattr(connection, "is_crowded", False):
            seconds = CROWDED_SECONDS
        self._known.add(connection)
        return _IdleTimeout(seconds, self._idle)

    def notify(self) -> None:
        """Called every second: while stopping, let idle connections go so that only transfers are waited for."""
        super().notify()
        if not self.alive:
            if self.on_stop is not None:
                gevent.spawn(self.on_stop)
                self.on_stop = None
            for idle in list(self._idle):
                idle.expire()

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve one connection."""
        if self._descriptors is not None:
            if self._descriptors.are_for_files(client):
                turn_away(client)
                return
            connection: Any = gevent.getcurrent()
            connection.is_crowded = self._descriptors.are_few(client)
        if not self.cfg.is_ssl:
            client = TransferSocket(client.family, client.type, client.proto, fileno=client.detach())
        AsyncWorker.handle(self, listener, client, addr)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Serve one request. Raises ParseException for one that no HTTP/1.1 client may send (RFC 9112), Crowded."""
        if getattr(gevent.getcurrent(), "is_crowded", False):
            raise Crowded
        fields = [(name, value.strip().lower()) for name, value in req.headers]
        if req.version >= (1, 1) and sum(name == "HOST" for name, _ in fields) != 1:
            raise errors.InvalidHeader("HOST")
        if any(name == "TRANSFER-ENCODING" and value != "chunked" for name, value in fields):
            raise errors.UnsupportedTransferCoding("only chunked")
        body = req.body = LazyBody(req, sock)
        closes = req.should_close
        req.should_close = lambda: closes() or not self.alive or body.leaves_much_unread
        sock.settimeout(STALLED_AFTER_SECONDS)
        sock.file_bytes_sent = 0
        try:
            with sock.joining_heads() if isinstance(sock, TransferSocket) else stall_is_reset():
                super().handle_request(listener_name, req, sock, addr)
        except StopIteration:
            sock.gives_up = None  # what is left is nobody's
            if body.leaves_much_unread:
                _linger(sock)
            raise
        finally:
            sock.gives_up = None
            if isinstance(sock, TransferSocket):
                sock.finish()
            with suppress(OSError):
                sock.settimeout(None)

    def handle_error(self, req: Any, client: Any, _addr: Any, exc: BaseException) -> None:
        """Answer what is no HTTP, or what broke before the application could, in JSON and without a traceback."""
        status = next((code for kind, code in _STATUSES if isinstance(exc, kind)), 500)
        if status == 500:
            # An object store that goes away before the first byte of a body is sent is such a fault too.
            status = 503 if isinstance(exc, StoreUnavailable) or fault_of(exc) is not None else 500
            log_error(exc)
        else:
            self.log.debug("Invalid request: %s", type(exc).__name__)
        meters.count_request(getattr(req, "method", None) or meters.OTHER_METHOD, None, status)
        if isinstance(exc, Crowded):
            meters.count(meters.REFUSALS, "crowded")
        phrase = http.HTTPStatus(status).phrase
        path = getattr(req, "path", None) or ""
        media_type, body = format_error(path, status, phrase.capitalize(), is_tus=_is_tus(req))
        head = (
            f"HTTP/1.1 {status} {phrase}\r\nConnection: close\r\nDate: {http_date()}\r\nContent-Type: {media_type}\r\n"
        )
        head += "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        if status == 503:
            head += f"Retry-After: {RETRY_AFTER_SECONDS}\r\n"
        with suppress(OSError):
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            _linger(client)


def _is_tus(req: Any) -> bool:
    return any(name == "TUS-RESUMABLE" for name, _ in getattr(req, "headers", ()) or ())


def _log_unhandled(_context: object, _kind: object, error: BaseException, trace: Any) -> None:
    """What ends a greenlet, or keeps the server from accepting, goes to the log like everything else."""
    log_error(error.with_traceback(trace))


def _linger(connection: Any) -> None:
    """Close in order: a client that is still sending must be able to read the answer (RFC 9112 section 9.6)."""
    deadline = time.monotonic() + LINGER_SECONDS
    with suppress(OSError):
        connection.shutdown(sockets.SHUT_WR)
        connection.settimeout(LINGER_IDLE_SECONDS)
        while time.monotonic() < deadline and connection.recv(DRAIN_BYTES):
            pass
