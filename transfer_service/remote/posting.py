"""Sending one message to a receiver by POST: to a checked address, within a time, and the status is all that counts.

The answer is read here, and not by a library: a receiver may send heads without end, or one `100 Continue` after the
other, and what it says beside its status interests nobody.
"""

import http.client
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property

from urllib3.exceptions import HTTPError

from transfer_service.errors import SourceFailed
from transfer_service.remote.connections import (
    Guard,
    Patience,
    PlainConnection,
    SecureConnection,
    is_refusal,
    secure_context,
)
from transfer_service.remote.targets import Target

TRY_SECONDS = 15.0
MOST_HEAD_BYTES = 64 * 1024
"""Of all heads of an answer, interim ones included."""
DRAIN_BYTES, DRAIN_SECONDS = 64 * 1024, 1.0
"""What is read of a body, so that a receiver that closes politely can finish its sentence."""
_READ_BYTES = 16 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9][0-9])(?: [^\r\n]*)?\r?\n")
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r?\n", re.IGNORECASE)
_END = re.compile(rb"\r?\n\r?\n")
_HEADERS = {"Content-Type": "application/json", "User-Agent": "transfer-service", "Connection": "close"}

FORBIDDEN, UNREACHABLE, TIMEOUT, CLOSED = "forbidden", "unreachable", "timeout", "closed"
CERTIFICATE, INSECURE, NOT_HTTP, UNUSABLE = "certificate", "tls", "not_http", "url"


class NotAnswered(Exception):
    """There was no answer with a status; `word` tells why, in nobody's words but ours."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class Poster:
    """Sends messages through `guard`. Knows no proxies, cookies or passwords, and follows no redirects."""

    def __init__(self, guard: Guard, *, now: Callable[[], float], try_seconds: float = TRY_SECONDS) -> None:
        self._guard, self._now, self._try_seconds = guard, now, try_seconds

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return secure_context()  # loading the authorities takes a while

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The status of the final answer. Raises NotAnswered."""
        seconds = self._try_seconds
        patience = Patience(
            now=self._now, until=self._now() + seconds, connect_seconds=seconds, idle_seconds=seconds,
            pause_seconds=seconds,
        )  # fmt: skip
        try:
            target = Target.parse(url)
        except SourceFailed as error:
            raise NotAnswered(UNUSABLE) from error
        connection = self._connection(target, patience)
        try:
            _connect(connection)
            return _exchange(connection, target, body, headers, patience)
        finally:
            connection.abandon()

    def _connection(self, target: Target, patience: Patience) -> PlainConnection:
        if target.is_secure:
            return SecureConnection(target, guard=self._guard, patience=patience, context=self._context)
        return PlainConnection(target, guard=self._guard, patience=patience)


def _connect(connection: PlainConnection) -> None:
    try:
        connection.connect()
    except SourceFailed as error:
        raise NotAnswered(FORBIDDEN) from error
    except ssl.SSLCertVerificationError as error:
        raise NotAnswered(CERTIFICATE) from error
    except TimeoutError as error:
        raise NotAnswered(TIMEOUT) from error
    except ssl.SSLError as error:
        raise NotAnswered(INSECURE) from error
    except (OSError, ValueError) as error:  # ValueError: a name that no resolver or certificate can have
        is_answer = not isinstance(error, OSError) or is_refusal(error)
        raise NotAnswered(UNREACHABLE if is_answer else CLOSED) from error


def _exchange(
    connection: PlainConnection, target: Target, body: bytes, headers: Mapping[str, str], patience: Patience
) -> int:
    """Send the message and read the status."""
    try:
        sock = connection.sock
        assert sock is not None  # noqa: S101 - for the type checker: it is connected
        sock.settimeout(patience.left(patience.idle_seconds))
        # A receiver that answers before it has read everything may close: its answer is there all the same.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", target.path, body=body, headers={**_HEADERS, **headers})
        return _read_status(sock, patience)
    except TimeoutError as error:
        raise NotAnswered(TIMEOUT) from error
    except OSError as error:
        raise NotAnswered(CLOSED) from error
    except (http.client.HTTPException, HTTPError, ValueError) as error:
        raise NotAnswered(UNUSABLE) from error


def _read_status(sock: socket.socket, patience: Patience) -> int:
    """The status of the first head that is no interim one, as soon as that head is whole."""
    received, count = b"", 0
    while True:
        end = _END.search(received)
        while end is not None:
            match = _STATUS.match(received)
            if match is None:
                raise NotAnswered(NOT_HTTP)
            head, received = received[: end.end()], received[end.end() :]
            if not match[1].startswith(b"1") or match[1] == b"101":
                length = _LENGTH.search(head)
                most = int(length[1]) if length is not None else DRAIN_BYTES
                _drain(sock, min(most, DRAIN_BYTES) - len(received), patience)
                return int(match[1])
            end = _END.search(received)
        block = _receive(sock, patience) if count < MOST_HEAD_BYTES else None
        if block is None or (received == b"" and not b"HTTP/".startswith(block[:5])):
            raise NotAnswered(NOT_HTTP)
        if not block:
            raise NotAnswered(CLOSED)
        received, count = received + block, count + len(block)


def _receive(sock: socket.socket, patience: Patience) -> bytes:
    sock.settimeout(patience.left(patience.idle_seconds))
    return sock.recv(_READ_BYTES)


def _drain(sock: socket.socket, missing: int, patience: Patience) -> None:
    """Read a little of the body, for a moment: closed at once, a connection would be reset under the receiver."""
    patience.until = min(patience.until, patience.now() + DRAIN_SECONDS)
    with suppress(OSError):
        while missing > 0 and (block := _receive(sock, patience)):
            missing -= len(block)
