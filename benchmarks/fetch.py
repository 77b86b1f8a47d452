"""A client that receives files and costs next to nothing: the kernel throws away what comes, without copying it.

That is `recv` with `MSG_TRUNC` on a TCP socket (tcp(7)). Length and status of each answer are checked; `fetch_sha256`
is for looking at the bytes too, outside of what is measured.
"""

import hashlib
import mmap
import socket
import struct
from dataclasses import dataclass
from typing import Any, Self

from benchmarks.measure import MEBIBYTE
from benchmarks.servers import Server
from transfer_service.wire.ranges import Span

TIMEOUT_SECONDS = 120
HEAD_BYTES = 4096
DISCARD_BYTES = 16 * MEBIBYTE
DISCARD = socket.MSG_TRUNC | socket.MSG_WAITALL

_discarded = memoryview(mmap.mmap(-1, DISCARD_BYTES))  # only its size counts: nothing is ever written there


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request that is ready to be sent, and the answer that it must get."""

    request: bytes
    status: int
    length: int
    content_range: bytes = b""


def wanted(server: Server, path: str, length: int, span: Span | None = None) -> Wanted:
    """A file of `length` bytes, whole or a span of it."""
    fields = ["Host: 127.0.0.1"]
    if server.token:
        fields.append(f"Authorization: Bearer {server.token}")
    if span is not None:
        fields.append(f"Range: bytes={span.start}-{span.stop - 1}")
    request = "\r\n".join([f"GET {path} HTTP/1.1", *fields, "", ""]).encode()
    if span is None:
        return Wanted(request, 200, length)
    content_range = f"\r\ncontent-range: bytes {span.start}-{span.stop - 1}/{length}\r\n"
    return Wanted(request, 206, span.size, content_range.encode())


class Fetcher:
    """One connection to a server on this machine; `is_closing` where the last answer was said to be the last."""

    is_closing = False

    def __init__(self, port: int, receive_buffer_bytes: int = 0) -> None:
        self._socket = socket.socket()
        if receive_buffer_bytes:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self._socket.connect(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A blocking socket with the kernel's time-out, not Python's: so one call waits for all that is wanted.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", TIMEOUT_SECONDS, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def fileno(self) -> int:
        """The socket's descriptor, to wait for."""
        return self._socket.fileno()

    def ask(self, file: Wanted) -> None:
        """Send the request only."""
        self._socket.sendall(file.request)

    def drink(self, size: int) -> int:
        """Take at most `size` bytes of what has come, and tell how many that were."""
        return self._more(_discarded[:size], socket.MSG_TRUNC)

    def fetch(self, file: Wanted) -> None:
        """Send the request, and discard what comes. Raises RuntimeError for another answer than the wanted one."""
        self.ask(file)
        left = file.length - len(self._receive_head(file))
        while left:
            left -= self._more(_discarded[: min(left, DISCARD_BYTES)], DISCARD)

    def fetch_sha256(self, file: Wanted, hasher: Any) -> None:
        """Like `fetch`, and give what comes to `hasher`."""
        self.ask(file)
        first = self._receive_head(file)
        hasher.update(first)
        left, buffer = file.length - len(first), memoryview(bytearray(MEBIBYTE))
        while left:
            count = self._more(buffer[: min(left, MEBIBYTE)])
            hasher.update(buffer[:count])
            left -= count

    def _more(self, buffer: memoryview, flags: int = 0) -> int:
        count = self._socket.recv_into(buffer, 0, flags)
        if count == 0:
            raise ConnectionError("The server closed the connection")
        return count

    def _receive_head(self, file: Wanted) -> bytes:
        """Receive the head of the answer, check it, and return what came behind it."""
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            block = self._socket.recv(HEAD_BYTES)
            if not block:
                raise ConnectionError("The server closed the connection")
            data += block
        head = data[: end + 2].lower()
        self.is_closing = b"\r\nconnection: close\r\n" in head
        is_wanted = int(head[9:12]) == file.status and b"\r\ncontent-length: %d\r\n" % file.length in head
        if not (is_wanted and file.content_range in head):
            raise RuntimeError(f"{file.request!r} was answered {data[:end]!r}")
        return data[end + 4 :]


def sha256_of(server: Server, files: list[Wanted]) -> str:
    """The digest of what is fetched, one after the other."""
    hasher = hashlib.sha256()
    with Fetcher(server.port) as fetcher:
        for file in files:
            fetcher.fetch_sha256(file, hasher)
    return hasher.hexdigest()
