"""HTTP on a bare socket: for clients that stall, lie or stop in the middle."""

import json
import socket
from dataclasses import dataclass
from typing import Any

import requests

from tests.live.server import LiveServer


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
    """One connection."""

    def __init__(self, server: LiveServer, session: requests.Session | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=30)
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

    def receive_head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next response, interim ones too."""
        while b"\r\n\r\n" not in self._buffer:
            block = self.socket.recv(65536)
            assert block, "closed before an answer"
            self._buffer += block
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        return int(lines[0].split()[1]), headers

    def receive(self) -> Answer:
        """The next response, whole."""
        status, headers = self.receive_head()
        length = int(headers.get("content-length", "0"))
        while len(self._buffer) < length:
            block = self.socket.recv(65536)
            assert block, "closed in mid-body"
            self._buffer += block
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Answer(status, headers, body)

    def is_closed(self) -> bool:
        """Whether the server has closed the connection and nothing is left to read."""
        return not self._buffer and self.socket.recv(1) == b""
