"""The answers of `tests.live.bad_source`: how each of them is composed, and where it goes wrong."""

import gzip
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

WAIT_SECONDS = 300.0
"""The longest stall, so that a test that has gone wrong ends."""


@dataclass(frozen=True)
class Drip:
    """At most `size` bytes, then `seconds` of silence, and so on."""

    size: int
    seconds: float


@dataclass(frozen=True)
class Behaviour:
    """How one request is answered. Offsets count the bytes of this answer's body."""

    status: int | None = None
    """Instead of 200 or 206; other ones than those have no body, unless `data` is given."""
    headers: tuple[tuple[str, str], ...] = ()
    """Further fields, such as Retry-After or Location; they replace those of the same name."""
    data: bytes | None = None
    """Another content than that of the path, with an ETag of its own."""
    etag: str | None = "of the content"
    """None: the answer has none."""
    ranges: bool = True
    """Whether `Range` is listened to."""
    if_range: bool = True
    """Whether `If-Range` is listened to. Without, a changed file is sent in parts all the same."""
    cut_at: int | None = None
    """The connection is closed after so many bytes."""
    resets: bool = False
    """The cut is a RST, not a FIN."""
    stall_at: int | None = None
    """Silence after so many bytes, until `BadSource.release()` or the end of the client."""
    drip: Drip | None = None
    framing: Literal["length", "chunked", "close"] = "length"
    """How the end of the body is known."""
    announced_length: int | None = None
    """What `Content-Length` says, whatever is sent."""
    extra: bytes = b""
    """Sent after the end of the content; with chunks as part of the body."""
    gzip: bool = False
    """The content is compressed, and `Content-Encoding` says so."""
    head_drip: Drip | None = None
    """The head comes slowly."""
    endless_head: Literal["fields", "line", "interim"] | None = None
    """The head never ends: ever more fields, one line without an end, or ever more `100 Continue`."""
    head_cut_at: int | None = None
    """The connection is closed after so many bytes of the head."""
    raw: bytes | None = None
    """Sent instead of any HTTP."""


HONEST = Behaviour()


def redirect(location: str, *, status: int = 302) -> Behaviour:
    """A redirect to `location`, which is written as it is."""
    return Behaviour(status=status, headers=(("Location", location),))


@dataclass
class Request:
    """One request as it came, and how many bytes of a body it was answered with."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    sent: int = 0

    @property
    def range(self) -> str | None:
        return self.headers.get("range")


class Answer:
    """One answer on its way."""

    def __init__(
        self, connection: socket.socket, request: Request, data: bytes, behaviour: Behaviour, released: threading.Event
    ) -> None:
        self._connection = connection
        self._request = request
        self._behaviour = behaviour
        self._released = released
        self._data = data if behaviour.data is None else behaviour.data
        self._etag = f'"{sha256(self._data).hexdigest()[:16]}"' if behaviour.etag == HONEST.etag else behaviour.etag

    def send(self) -> None:
        behaviour = self._behaviour
        if behaviour.raw is not None:
            self._connection.sendall(behaviour.raw)
            self._finish()
            return
        if behaviour.endless_head is not None:
            self._send_endless_head(behaviour.endless_head)
        head, body = self._compose()
        if behaviour.head_cut_at is not None:
            self._connection.sendall(head[: behaviour.head_cut_at])
            self._finish()
            return
        self._send_dripping(head, behaviour.head_drip)
        self._send_body(body)

    def _compose(self) -> tuple[bytes, bytes]:
        behaviour, data = self._behaviour, self._data
        status, fields = 200, {"Date": "Sun, 01 Nov 2026 12:00:00 GMT", "Connection": "close"}
        start = self._start()
        if start is not None and start >= len(data):
            status, data = 416, b""
            fields["Content-Range"] = f"bytes */{len(self._data)}"
        elif start is not None:
            status, data = 206, data[start:]
            fields["Content-Range"] = f"bytes {start}-{len(self._data) - 1}/{len(self._data)}"
        if behaviour.status is not None:
            status, data = behaviour.status, data if behaviour.status in (200, 206) or behaviour.data else b""
        if behaviour.gzip:
            data, fields["Content-Encoding"] = gzip.compress(data), "gzip"
        if self._etag is not None:
            fields["ETag"] = self._etag
        if behaviour.framing == "chunked":
            fields["Transfer-Encoding"] = "chunked"
        if behaviour.framing == "length" or behaviour.announced_length is not None:
            length = len(data) if behaviour.announced_length is None else behaviour.announced_length
            fields["Content-Length"] = str(length)
        replaced = {name.lower() for name, _ in behaviour.headers}
        kept = [(name, value) for name, value in fields.items() if name.lower() not in replaced]
        lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in [*kept, *behaviour.headers])]
        return "\r\n".join([*lines, "", ""]).encode(), data + behaviour.extra

    def _start(self) -> int | None:
        """Where the range that was asked for begins, None for the whole."""
        match = re.fullmatch(r"bytes=([0-9]+)-", self._request.range or "")
        if match is None or not self._behaviour.ranges:
            return None
        if self._behaviour.if_range and self._request.headers.get("if-range", self._etag) != self._etag:
            return None
        return int(match[1])

    def _send_endless_head(self, kind: Literal["fields", "line", "interim"]) -> None:
        first, more = {
            "fields": (b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n"),
            "line": (b"HTTP/1.1 200 OK\r\nX-More: ", b"and more " * 100),
            "interim": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        }[kind]
        self._connection.sendall(first)
        while not self._released.is_set():
            self._connection.sendall(more)
            time.sleep(0.0005)

    def _send_dripping(self, data: bytes, drip: Drip | None) -> None:
        for block in _blocks(data, drip.size if drip else len(data)):
            self._connection.sendall(block)
            if drip:
                self._pause(drip.seconds)

    def _send_body(self, body: bytes) -> None:
        behaviour = self._behaviour
        ends = [end for end in (behaviour.cut_at, behaviour.stall_at) if end is not None and end < len(body)]
        first = min(ends, default=len(body))
        self._send_part(body[:first])
        if first == behaviour.stall_at:
            self._wait_for_release()
            self._send_part(body[first:])
        elif first == behaviour.cut_at:
            self._finish()
            return
        if behaviour.framing == "chunked":
            self._connection.sendall(b"0\r\n\r\n")
        self._finish()

    def _send_part(self, data: bytes) -> None:
        drip = self._behaviour.drip
        for block in _blocks(data, drip.size if drip else 65536):
            chunk = b"%x\r\n%b\r\n" % (len(block), block) if self._behaviour.framing == "chunked" else block
            self._connection.sendall(chunk)
            self._request.sent += len(block)
            if drip:
                self._pause(drip.seconds)

    def _pause(self, seconds: float) -> None:
        self._released.wait(seconds)

    def _wait_for_release(self) -> None:
        """Return on `release`. Raises OSError when the client has gone."""
        self._connection.settimeout(0.02)
        end = time.monotonic() + WAIT_SECONDS
        while not self._released.is_set() and time.monotonic() < end:
            try:
                if not self._connection.recv(1):
                    raise OSError("the client has gone")
            except TimeoutError:
                continue
        self._connection.settimeout(WAIT_SECONDS)

    def _finish(self) -> None:
        """Close in order, or reset if the behaviour says so. All that was sent arrives, unless it is reset."""
        if self._behaviour.resets:
            time.sleep(0.05)  # what a RST overtakes is lost
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)


def _blocks(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), max(size, 1)):
        yield data[start : start + size]
