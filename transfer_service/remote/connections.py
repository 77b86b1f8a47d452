"""Connections to sources: only to checked addresses, and with an end to every wait."""

import errno
import http.client
import io
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.wait import wait_for_read, wait_for_write

from transfer_service.remote.targets import Target
from transfer_service.remote.url_guard import Resolve, resolve_allowed

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_CANDIDATES = 8
_REFUSALS = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM})
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_FAIL})
BUFFER_BYTES = 64 * 1024


@dataclass
class Patience:
    """How long one exchange may wait, in seconds, and what to do meanwhile.

    A read waits `idle_seconds` at most, and never beyond `until` on the clock of `now`: so a source that sends a byte
    now and then is bounded too. Where nothing came for `pause_seconds`, `on_pause` is called, and the wait goes on.
    """

    now: Callable[[], float]
    until: float
    connect_seconds: float
    idle_seconds: float
    pause_seconds: float
    on_pause: Callable[[], None] | None = None
    at_end: bool = field(default=False, init=False)
    """Whether the source has closed its side."""

    def left(self, longest_seconds: float) -> float:
        """How long to wait now. Raises TimeoutError when the time is up."""
        seconds = min(longest_seconds, self.until - self.now())
        if seconds <= 0:
            raise TimeoutError
        return seconds

    @contextmanager
    def hurry(self) -> Iterator[None]:
        """Inside, the idle time bounds all reads together."""
        until, self.until = self.until, min(self.until, self.now() + self.idle_seconds)
        try:
            yield
        finally:
            self.until = until


@dataclass(frozen=True, slots=True)
class Guard:
    """Opens sockets to hosts, at the very addresses that were checked: a name has no second chance to resolve."""

    allow_private: bool
    resolve: Resolve

    def connect(self, host: str, port: int, patience: Patience) -> socket.socket:
        """A connected socket. Raises OSError, UnicodeError, SourceFailed if an address of the host is forbidden.

        Of several failures the one that may pass is raised: then it is worth to try all of them again.
        """
        candidates = resolve_allowed(host, port, allow_private=self.allow_private, resolve=self.resolve)
        failure: OSError | None = None
        for candidate in candidates[:MAX_CANDIDATES]:
            connection = socket.socket(candidate.family, socket.SOCK_STREAM)
            try:
                connection.settimeout(patience.left(patience.connect_seconds))
                connection.connect(candidate.address)
                return connection
            except OSError as error:
                connection.close()
                if failure is None or is_refusal(failure):
                    failure = error
            except BaseException:
                connection.close()
                raise
        raise failure or OSError("no address")


def is_refusal(error: OSError) -> bool:
    """Whether a failure to connect is an answer: nobody listens there, no way leads there, there is no such name.

    A time that is up, a reset, and a name server that does not answer are none.
    """
    if isinstance(error, socket.gaierror):
        return error.errno in _NO_SUCH_NAME
    return not isinstance(error, ssl.SSLError) and error.errno in _REFUSALS  # whose numbers mean something else


class PlainConnection(HTTPConnection):
    """HTTP to one target. To be ended by `abandon`."""

    def __init__(self, target: Target, *, guard: Guard, patience: Patience) -> None:
        super().__init__(target.host, target.port, timeout=patience.connect_seconds)
        self._guard, self._patience = guard, patience
        self._answer: _PatientResponse | None = None
        self.response_class = self._respond  # type: ignore[assignment]

    def _new_conn(self) -> socket.socket:
        return self._guard.connect(self._dns_host, self.port or self.default_port, self._patience)

    def _respond(self, sock: socket.socket, debuglevel: int = 0, method: str | None = None) -> "_PatientResponse":
        self._answer = _PatientResponse(sock, debuglevel, method, patience=self._patience)
        return self._answer

    def abandon(self) -> None:
        """Close everything: `close` leaves the socket to an answer that lasts until the end of the connection."""
        try:
            self.close()
        finally:
            if self._answer is not None:
                self._answer.close()


class SecureConnection(PlainConnection, HTTPSConnection):
    """HTTP over TLS to one target, whose certificate `context` verifies for the host's name."""

    def __init__(self, target: Target, *, guard: Guard, patience: Patience, context: ssl.SSLContext) -> None:
        super().__init__(target, guard=guard, patience=patience)
        self._context = context

    def connect(self) -> None:
        """Connect and shake hands. Raises what `Guard.connect` does, ssl.SSLError, TimeoutError."""
        self.sock = self._new_conn()
        secure = self._context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
        self.sock = secure
        self.is_verified = _shake_hands(secure, self._patience)


def secure_context() -> ssl.SSLContext:
    """TLS that verifies certificates by the system's authorities, and their names."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _shake_hands(secure: ssl.SSLSocket, patience: Patience) -> bool:
    """A handshake within the time for a connection in all: under gevent the socket's own timeout bounds each read."""
    end = patience.now() + patience.connect_seconds
    secure.settimeout(0)
    while True:
        try:
            secure.do_handshake()
            return True
        except ssl.SSLWantReadError:
            is_ready = wait_for_read(secure, patience.left(max(end - patience.now(), 0)))
        except ssl.SSLWantWriteError:
            is_ready = wait_for_write(secure, patience.left(max(end - patience.now(), 0)))
        if not is_ready:
            raise TimeoutError


class _PatientResponse(http.client.HTTPResponse):
    """A response whose every read asks `patience` how long it may take."""

    def __init__(self, sock: socket.socket, debuglevel: int, method: str | None, *, patience: Patience) -> None:
        super().__init__(sock, debuglevel, method)
        self.fp.close()
        self.fp = io.BufferedReader(_PatientReader(sock, patience), BUFFER_BYTES)


class _PatientReader(io.RawIOBase):
    """The bytes of a socket. Holds the socket open, like `makefile`, until it is closed itself."""

    def __init__(self, connection: socket.socket, patience: Patience) -> None:
        super().__init__()
        self._socket, self._patience = connection, patience
        self._hold = connection.makefile("rb", buffering=0)
        patience.at_end = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Raises TimeoutError, OSError, and what `on_pause` raises."""
        patience = self._patience
        seconds = patience.idle_seconds
        count = None
        if patience.on_pause is not None and patience.pause_seconds < seconds:
            count = self._receive_soon(buffer, patience.on_pause)
            seconds -= patience.pause_seconds
        if count is None:
            self._socket.settimeout(patience.left(seconds))
            count = self._socket.recv_into(buffer)
        patience.at_end = count == 0
        return count

    def _receive_soon(self, buffer: "WriteableBuffer", on_pause: Callable[[], None]) -> int | None:
        """What comes within `pause_seconds`, else None."""
        self._socket.settimeout(self._patience.left(self._patience.pause_seconds))
        try:
            return self._socket.recv_into(buffer)
        except TimeoutError:
            on_pause()
            return None

    def close(self) -> None:
        self._hold.close()
        super().close()
