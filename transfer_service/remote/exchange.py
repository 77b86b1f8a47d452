"""One request to a source and its answer: errors of the network and of the library become breaks or failures."""

import http.client
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, ReadTimeoutError

from transfer_service.errors import SourceFailed
from transfer_service.remote.connections import (
    Guard,
    Patience,
    PlainConnection,
    SecureConnection,
    is_refusal,
    secure_context,
)
from transfer_service.remote.responses import Head, SourceBroke, SourceRefused
from transfer_service.remote.targets import Target

UNREACHABLE = "The source cannot be reached"
BAD_CERTIFICATE = "The certificate of the source is not valid"
INSECURE = "The source cannot be reached securely"
STALLED = "The source stalled for too long"
CLOSED = "The source closed the connection too often"
NOT_HTTP = "The source does not speak HTTP"
TOO_LATE = "The download took too long"

READ_BYTES = {"http": 256 * 1024, "https": 64 * 1024}
"""For one read. TLS hands out 16 KiB at a time, and allocating much more than that for it costs more than it saves."""
_BODY_ERRORS = (OSError, http.client.HTTPException, HTTPError)


class Answer:
    """An answer whose head is here and whose body is to be read."""

    def __init__(self, response: BaseHTTPResponse, patience: Patience, read_bytes: int) -> None:
        self.head = Head(status=response.status, headers=response.headers)
        self._response, self._patience, self._read_bytes = response, patience, read_bytes

    def read(self) -> bytes:
        """What has come of the body; empty at its end. Raises SourceBroke, SourceFailed."""
        raise_if_late(self._patience)
        try:
            return self._response.read1(self._read_bytes, decode_content=False)
        except _BODY_ERRORS as error:
            raise_if_late(self._patience)
            is_timeout = isinstance(error, TimeoutError | ReadTimeoutError)
            raise SourceBroke(STALLED if is_timeout else CLOSED) from error

    def has_more(self) -> bool:
        """Whether the body goes on. A source that leaves this open for the idle time has said all."""
        if self._response.length_remaining is not None:
            return False
        try:
            with self._patience.hurry():
                return bool(self._response.read1(1, decode_content=False))
        except _BODY_ERRORS:
            return False


class Client:
    """Sends requests through `guard`. Knows no proxies, cookies or passwords, whatever the environment says."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return secure_context()  # loading the authorities takes a while

    @contextmanager
    def get(
        self, target: Target, *, headers: Mapping[str, str], patience: Patience, form: bytes | None = None
    ) -> Iterator[Answer]:
        """The answer, its body unread; closed with its connection in the end, whatever happens.

        With a `form` it is sent by POST. Raises SourceBroke, SourceFailed.
        """
        raise_if_late(patience)
        connection = self._connection(target, patience)
        try:
            _connect(connection, patience)
            response = _ask(connection, target, headers, patience, form)
            yield Answer(response, patience, READ_BYTES[target.scheme])
        finally:
            connection.abandon()

    def _connection(self, target: Target, patience: Patience) -> PlainConnection:
        if target.is_secure:
            return SecureConnection(target, guard=self._guard, patience=patience, context=self._context)
        return PlainConnection(target, guard=self._guard, patience=patience)


def raise_if_late(patience: Patience) -> None:
    """Raise SourceFailed once the deadline has passed."""
    if patience.now() >= patience.until:
        raise SourceFailed(TOO_LATE)


def _connect(connection: PlainConnection, patience: Patience) -> None:
    try:
        connection.connect()
    except ssl.SSLCertVerificationError as error:
        raise SourceFailed(BAD_CERTIFICATE) from error
    except ValueError as error:  # a name that no resolver or certificate can have
        raise SourceFailed(UNREACHABLE) from error
    except OSError as error:
        raise_if_late(patience)
        if is_refusal(error):
            raise SourceRefused(UNREACHABLE) from error
        raise SourceBroke(INSECURE if isinstance(error, ssl.SSLError) else UNREACHABLE) from error


def _ask(
    connection: PlainConnection, target: Target, headers: Mapping[str, str], patience: Patience, form: bytes | None
) -> BaseHTTPResponse:
    """Send the request and read the head, which must be whole within the idle time."""
    try:
        with patience.hurry():
            method = "GET" if form is None else "POST"
            connection.request(method, target.path, form, headers=headers, preload_content=False, decode_content=False)
            response = connection.getresponse()
    except OSError as error:
        raise_if_late(patience)
        raise SourceBroke(STALLED if isinstance(error, TimeoutError) else CLOSED) from error
    except (http.client.HTTPException, HTTPError, ValueError) as error:
        if patience.at_end:
            raise SourceBroke(CLOSED) from error
        raise SourceFailed(NOT_HTTP) from error
    if patience.at_end:
        # http.client takes a head that was cut off for a whole one, and a number in it may be cut off too.
        raise SourceBroke(CLOSED)
    return response
