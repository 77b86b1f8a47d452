"""An HTTP client that costs next to nothing, so that the server is what is measured."""

import json
import os
import re
import socket
from dataclasses import dataclass
from typing import Any, BinaryIO, Self

TIMEOUT_SECONDS = 300.0
SENDFILE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, head and body."""

    status: int
    head: bytes
    body: bytes

    def field(self, name: str) -> str:
        """The value of a header field."""
        found = re.search(rf"\r\n{name}: *([^\r]*)".encode(), self.head, re.IGNORECASE)
        if found is None:
            raise RuntimeError(f"The answer has no {name}: {self.head!r}")
        return found[1].decode()

    def expect(self, status: int) -> Self:
        """The answer itself if it has that status. Raises RuntimeError."""
        if self.status != status:
            raise RuntimeError(f"The server answered {self.status}: {self.body[:500]!r}")
        return self

    def json(self) -> dict[str, Any]:
        """The body as an object."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


class Connection:
    """One keep-alive connection to a server on this machine."""

    def __init__(self, port: int, token: str = "") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._authorization = f"Authorization: Bearer {token}\r\n" if token else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    def head(self, method: str, path: str, length: int, media_type: str, more: str = "") -> bytes:
        """Everything before the body; `more` are other fields, each with its end of line."""
        fields = f"Host: 127.0.0.1\r\n{self._authorization}Content-Type: {media_type}\r\n"
        fields += f"Content-Length: {length}\r\n{more}"
        return f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode()

    def request(
        self, method: str, path: str, body: bytes = b"", *, media_type: str = "application/octet-stream"
    ) -> Answer:
        """One small request, composed here and now."""
        return self.exchange(self.head(method, path, len(body), media_type) + body)

    def exchange(self, head: bytes, body: memoryview | None = None) -> Answer:
        """Send a prepared request and read its answer."""
        if body is None:
            self._socket.sendall(head)
        else:
            sent = self._socket.sendmsg([head, body])
            if sent < len(head):
                self._socket.sendall(head[sent:])
                sent = len(head)
            self._socket.sendall(body[sent - len(head) :])
        return self._read_answer()

    def send(self, data: bytes) -> None:
        """Send, and leave it at that."""
        self._socket.sendall(data)

    def exchange_file(self, head: bytes, file: BinaryIO, tail: bytes = b"") -> Answer:
        """Send a prepared request whose body is `file`, from the kernel, and read its answer."""
        self._socket.sendall(head)
        self._socket.settimeout(None)  # a blocking socket: sendfile(2) then waits by itself
        length, offset = os.fstat(file.fileno()).st_size, 0
        while offset < length:
            offset += os.sendfile(self._socket.fileno(), file.fileno(), offset, min(SENDFILE_BYTES, length - offset))
        self._socket.settimeout(TIMEOUT_SECONDS)
        if tail:
            self._socket.sendall(tail)
        return self._read_answer()

    def exchange_head(self, request: bytes) -> Answer:
        """Send a HEAD, and read its answer, which has no body whatever its length says."""
        self._socket.sendall(request)
        data, end = self._read_head()
        return Answer(int(data[9:12]), data[:end], b"")

    def _read_head(self) -> tuple[bytes, int]:
        """What has come when the head is there, and where that ends."""
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._receive()
        return data, end

    def _read_answer(self) -> Answer:
        data, end = self._read_head()
        head = data[:end]
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        while len(data) < end + 4 + length:
            data += self._receive()
        return Answer(int(head[9:12]), head, data[end + 4 :])

    def _receive(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("The server closed the connection")
        return data
