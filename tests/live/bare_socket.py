"""HTTP on a bare socket: for clients that stall, lie or stop in the middle."""

import json
import socket
import ssl
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import requests


class Listening(Protocol):
    """Whatever listens on 127.0.0.1: an instance, or nginx."""

    @property
    def port(self) -> int: ...


@dataclass
class Answer:
    """One parsed response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


class BareClient:
    """One connection, with a small `receive_buffer` for a client that reads slowly, over TLS with a `certificate`."""

    def __init__(
        self,
        server: Listening,
        session: requests.Session | None = None,
        *,
        receive_buffer: int | None = None,
        certificate: Path | None = None,
    ) -> None:
        plain = socket.socket()
        plain.settimeout(60)
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)  # before the window is told
        plain.connect(("127.0.0.1", server.port))
        self.socket = _wrap(plain, certificate) if certificate else plain
        self._token = session.headers["Authorization"] if session else None
        self._buffer = b""

    def __enter__(self) -> "BareClient":
        return self

    def __exit__(self, *_args: object) -> None:
        self.socket.close()

    def send_head(self, method: str, target: str, *headers: str) -> None:
        """The request line and headers, with the session's token."""
        lines = [f"{method} {target} HTTP/1.1", "Host: test", *headers]
        if self._token:
            lines.append(f"Authorization: {self._token!s}")
        self.send("\r\n".join([*lines, "", ""]).encode())

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def peek_head(self) -> bytes:
        """The head of the next response in lower case, as it is on the wire; it stays to be received."""
        while b"\r\n\r\n" not in self._buffer:
            block = self.socket.recv(65536)
            assert block, "closed before an answer"
            self._buffer += block
        return self._buffer.partition(b"\r\n\r\n")[0].lower() + b"\r\n"

    def receive_head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next response, interim ones too."""
        self.peek_head()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        return int(lines[0].split()[1]), headers

    def receive(self, *, has_body: bool = True) -> Answer:
        """The next response, whole; that to a HEAD has no body."""
        status, headers = self.receive_head()
        return Answer(status, headers, self.take(int(headers.get("content-length", "0")) if has_body else 0))

    def take(self, count: int) -> bytes:
        """The next bytes of a body."""
        data = bytearray(self._buffer[:count])
        self._buffer = self._buffer[count:]
        while len(data) < count:
            block = self.socket.recv(min(count - len(data), 1024 * 1024))
            assert block, "closed in mid-body"
            data += block
        return bytes(data)

    def take_buffered(self) -> bytes:
        """What came in one piece with the last head."""
        data, self._buffer = self._buffer, b""
        return data

    def read_to_the_end(self) -> bytes:
        """Everything until the server closes."""
        data = bytearray(self.take_buffered())
        while block := self.socket.recv(65536):
            data += block
        return bytes(data)

    def discard(self, count: int) -> None:
        """Take that much of a body and forget it."""
        taken = min(count, len(self._buffer))
        self._buffer = self._buffer[taken:]
        block = bytearray(min(count, 1024 * 1024))
        flags = 0 if isinstance(self.socket, ssl.SSLSocket) else socket.MSG_TRUNC  # not even copied, tcp(7)
        while taken < count:
            received = self.socket.recv_into(block, min(count - taken, len(block)), flags)
            assert received, "closed in mid-body"
            taken += received

    def reset(self) -> None:
        """Close with a RST instead of a FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def is_closed(self) -> bool:
        """Whether the server has closed the connection and nothing is left to read."""
        return not self._buffer and self.socket.recv(1) == b""


def _wrap(connection: socket.socket, certificate: Path) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(certificate))
    return context.wrap_socket(connection, server_hostname="127.0.0.1")
