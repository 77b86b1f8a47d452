"""The gunicorn worker class: gevent's, with what file transfer needs from the socket."""

import errno
import fcntl
import http
import json
import os
import socket as sockets
import struct
import sys
import termios
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

import gevent
from gevent import socket
from gunicorn.http import errors
from gunicorn.http.body import LengthReader
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.ggevent import GeventWorker

FIRST_REQUEST_SECONDS = 20.0
STALLED_AFTER_SECONDS = 60.0
IDLE_TICK_SECONDS = 0.25
SENDFILE_BYTES = 1024 * 1024
COPY_BYTES = 256 * 1024
NO_SENDFILE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
DRAIN_BYTES = 64 * 1024
LINGER_SECONDS, LINGER_IDLE_SECONDS = 10.0, 2.0

_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (errors.LimitRequestLine, 414),
    (errors.LimitRequestHeaders, 431),
    (errors.ExpectationFailed, 417),
    (errors.UnsupportedTransferCoding, 501),
    (errors.ForbiddenProxyRequest, 403),
    (errors.ParseException, 400),
)


class TransferSocket(socket.socket):
    """A client's connection that notices who has gone quiet, and sends files from the kernel."""

    _sock: sockets.socket  # gevent's non-blocking one
    file_bytes_sent = 0
    _since_others_ran = 0
    _joins_heads = False
    _head = b""
    has_given_up = False
    gives_up: Callable[[float], bool] | None = None
    """Asked with the seconds of silence while the client is waited for; True ends the stream there and for good."""

    def recv(self, size: int, *args: Any) -> bytes:
        """Receive what is there. Raises ConnectionResetError for a client that stalls, if nobody else is to judge."""
        while self.gives_up is not None:
            try:
                return self._sock.recv(size, *args)
            except BlockingIOError:
                if not self._awaits_more():
                    return b""
        with stall_is_reset():
            return super().recv(size, *args)

    def receive(self, size: int) -> bytearray:
        """Receive `size` bytes, fewer where the stream ends. Raises like `recv`."""
        buffer = bytearray(size)
        view, received = memoryview(buffer), 0
        while received < size:
            try:
                count = self._sock.recv_into(view[received:])
            except BlockingIOError:
                if self._awaits_more():
                    continue
                count = 0
            if count == 0:
                break
            received += count
        view.release()
        del buffer[received:]
        return buffer

    def _awaits_more(self) -> bool:
        """Wait for the client to send. False: it is given up."""
        waited = 0.0
        while not self._is_readable_within(IDLE_TICK_SECONDS):
            waited += IDLE_TICK_SECONDS
            if self.gives_up is not None and self.gives_up(waited):
                self.has_given_up = True  # what comes later belongs to nobody: the connection must close
                return False
            if self.gives_up is None and waited >= STALLED_AFTER_SECONDS:
                raise ConnectionResetError(errno.ECONNRESET, "stalled")
        return True

    def _is_readable_within(self, seconds: float) -> bool:
        try:
            socket.wait_read(self.fileno(), timeout=seconds, timeout_exc=TimeoutError())
        except TimeoutError:
            return False
        return True

    @contextmanager
    def joining_heads(self) -> Iterator[None]:
        """Within this, the head of a response leaves together with what follows it, at the latest at the end."""
        self._joins_heads = True
        try:
            yield
        finally:
            self._joins_heads = False
            if self._head:
                self.sendall(b"")

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send. Raises ConnectionResetError for a client that stops reading."""
        if self._joins_heads and not self._head and data[:7] == b"HTTP/1.":
            self._head = data
            return
        head, self._head = self._head, b""
        left = memoryview(head + data if head else data)
        while left:
            try:
                left = left[self._sock.send(left, flags) :]
            except BlockingIOError:
                self._await_room()

    def _await_room(self) -> None:
        """Wait until the client has made room. Raises ConnectionResetError where it takes nothing for too long.

        Writable is a socket only when a good part of its buffer is free, which takes a slow client minutes; so what
        counts is whether the queue has become shorter.
        """
        while True:
            queued = self._queued_bytes()
            try:
                socket.wait_write(self.fileno(), timeout=self.gettimeout(), timeout_exc=TimeoutError())
            except TimeoutError as error:
                if self._queued_bytes() < queued:
                    continue
                # Or the kernel would keep megabytes for somebody who has gone.
                self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raise ConnectionResetError(errno.ECONNRESET, "stalled") from error
            return

    def _queued_bytes(self) -> int:
        """What the client has not confirmed yet (SIOCOUTQ, tcp(7))."""
        answer = fcntl.ioctl(self.fileno(), termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(answer, sys.byteorder)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send `count` bytes from `offset` on within the kernel; other connections run after every SENDFILE_BYTES."""
        source, sent = file.fileno(), 0
        total = os.fstat(source).st_size - offset if count is None else count
        if self._head:
            self.sendall(b"", sockets.MSG_MORE)
        while sent < total:
            try:
                block = os.sendfile(self.fileno(), source, offset + sent, min(SENDFILE_BYTES, total - sent))
            except BlockingIOError:
                self._await_room()
                continue
            except OSError as error:
                if error.errno not in NO_SENDFILE:
                    raise
                block = self._copy(source, offset + sent, min(COPY_BYTES, total - sent))
            if block == 0:  # shorter than announced: only a closed connection tells the client so
                raise ConnectionResetError(errno.ECONNRESET, "the file ended early")
            sent += block
            self.file_bytes_sent += block
            self._since_others_ran += block
            if self._since_others_ran >= SENDFILE_BYTES:
                self._since_others_ran = 0
                gevent.sleep(0)
        return sent

    def _copy(self, source: int, offset: int, size: int) -> int:
        """Send without the kernel's help, where the file system or the platform has none."""
        data = os.pread(source, size, offset)
        self.sendall(data)
        return len(data)


@contextmanager
def stall_is_reset() -> Iterator[None]:
    """A client that does not move for too long is as good as gone."""
    try:
        yield
    except TimeoutError as error:
        raise ConnectionResetError(errno.ECONNRESET, "stalled") from error


class _Body:
    """A request body that asks for itself: `100 Continue` goes out when the application first reads.

    So it never goes out for a request that is refused by its headers.
    """

    def __init__(self, request: Any, connection: TransferSocket) -> None:
        self._body = request.body
        self._connection = connection
        self._awaits_continue = request._expected_100_continue
        request._expected_100_continue = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)

    def read(self, size: int | None = None) -> bytes | bytearray:
        """Read `size` bytes, fewer where the body ends.

        Raises OSError where the body breaks off or its chunked coding is malformed.
        """
        if self._awaits_continue:
            self._awaits_continue = False
            self._connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            data = self._read_directly(size) if size and self._is_plain() else self._body.read(size)
        except errors.ParseException as error:
            raise OSError("malformed body") from error
        return data

    def _is_plain(self) -> bool:
        """Whether the length of the body is known and all of it still ahead of gunicorn's own buffer for bodies."""
        is_known = isinstance(self._body.reader, LengthReader) and isinstance(self._connection, TransferSocket)
        return is_known and not self._body.buf.tell()

    def _read_directly(self, size: int) -> bytes | bytearray:
        # gunicorn's own buffers would copy every byte four times on its way.
        reader = self._body.reader
        wanted = min(size, reader.length)
        data: bytes | bytearray = reader.unreader.take_buffered()  # what came in one piece with the head
        if len(data) > wanted:
            reader.unreader.unread(data[wanted:])  # the head of the next request
            data = data[:wanted]
        elif not data:
            data = self._connection.receive(wanted)
        reader.length -= len(data)
        return data

    @property
    def leaves_much_unread(self) -> bool:
        """Whether so much of the body is left that the connection is better closed than drained."""
        left = getattr(self._body.reader, "length", None)
        if self._body.failed or getattr(self._connection, "has_given_up", False):
            return True
        if left is None:  # chunked: nobody knows how much is left
            return not self._is_at_end()
        return bool(left > (0 if self._awaits_continue else DRAIN_BYTES))

    def _is_at_end(self) -> bool:
        return getattr(self._body.reader, "parser", None) is None


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

    def timeout_ctx(self) -> gevent.Timeout:
        """The limit for the next request to come on a connection, short for the first one."""
        connection = gevent.getcurrent()
        seconds = self.cfg.keepalive if connection in self._known else min(FIRST_REQUEST_SECONDS, self.cfg.keepalive)
        self._known.add(connection)
        return _IdleTimeout(seconds, self._idle)

    def notify(self) -> None:
        """Called every second: while stopping, let idle connections go so that only transfers are waited for."""
        super().notify()
        if not self.alive:
            for idle in list(self._idle):
                idle.expire()

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve one connection."""
        if not self.cfg.is_ssl:
            client = TransferSocket(client.family, client.type, client.proto, fileno=client.detach())
        AsyncWorker.handle(self, listener, client, addr)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Serve one request. Raises ParseException for one that no HTTP/1.1 client may send (RFC 9112)."""
        fields = [(name, value.strip().lower()) for name, value in req.headers]
        if req.version >= (1, 1) and sum(name == "HOST" for name, _ in fields) != 1:
            raise errors.InvalidHeader("HOST")
        if any(name == "TRANSFER-ENCODING" and value != "chunked" for name, value in fields):
            raise errors.UnsupportedTransferCoding("only chunked")
        body = req.body = _Body(req, sock)
        closes = req.should_close
        req.should_close = lambda: closes() or not self.alive or body.leaves_much_unread
        sock.settimeout(STALLED_AFTER_SECONDS)
        sock.file_bytes_sent = 0
        try:
            with sock.joining_heads() if isinstance(sock, TransferSocket) else stall_is_reset():
                super().handle_request(listener_name, req, sock, addr)
        except StopIteration:
            if body.leaves_much_unread:
                _linger(sock)
            raise
        finally:
            sock.gives_up = None
            with suppress(OSError):
                sock.settimeout(None)

    def handle_error(self, _req: Any, client: Any, _addr: Any, exc: BaseException) -> None:
        """Answer what is no HTTP, or what broke before the application could, in JSON and without a traceback."""
        status = next((code for kind, code in _STATUSES if isinstance(exc, kind)), 500)
        if status == 500:
            self.log.error("Error handling request", exc_info=exc)
        else:
            self.log.debug("Invalid request: %s", type(exc).__name__)
        phrase = http.HTTPStatus(status).phrase
        body = json.dumps({"detail": phrase.capitalize()})
        head = f"HTTP/1.1 {status} {phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        with suppress(OSError):
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())


def _linger(connection: Any) -> None:
    """Close in order: a client that is still sending must be able to read the answer (RFC 9112 section 9.6)."""
    deadline = time.monotonic() + LINGER_SECONDS
    with suppress(OSError):
        connection.shutdown(sockets.SHUT_WR)
        connection.settimeout(LINGER_IDLE_SECONDS)
        while time.monotonic() < deadline and connection.recv(DRAIN_BYTES):
            pass
