"""A receiver of webhooks that keeps what came, and answers as a test says. HTTP by hand: no library would lie so well.

    with Receiver() as receiver:
        receiver.answer("/hook", b"HTTP/1.1 503 No\\r\\n\\r\\n", OK)     # refuses once
        …send to `receiver.url_of("/hook")`…
        assert [request.json["type"] for request in receiver.requests] == ["file.completed"]

Each request to a path takes the next of its answers, and the last one stays; a path without any gets OK. An answer is
bytes, or a function that gets the connection and does with it what it likes.
"""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

OK = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
WAIT_SECONDS = 60.0
Answer = bytes | Callable[[socket.socket], None]


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """Listens on a port of 127.0.0.1 until the `with` block ends, over TLS if `tls` is given."""

    tls: ssl.SSLContext | None = None
    port: int = 0
    requests: list[Received] = field(default_factory=list)
    """All that came whole, in order."""
    connections: int = 0

    def __post_init__(self) -> None:
        self._answers: dict[str, list[Answer]] = {}
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.ended = threading.Event()

    def __enter__(self) -> "Receiver":
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name="receiver", daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *_args: object) -> None:
        self.ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # which wakes `accept`
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def url_of(self, path: str, *, host: str = "127.0.0.1") -> str:
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    def answer(self, path: str, *answers: Answer) -> None:
        """From now on, answer requests to `path` by each of these once, and by the last one for ever."""
        with self._lock:
            self._answers[path] = list(answers)

    def to(self, path: str) -> list[Received]:
        return [request for request in self.requests if request.path == path]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        plain.settimeout(WAIT_SECONDS)
        connection = plain
        with suppress(OSError):
            if self.tls is not None:
                connection = self.tls.wrap_socket(plain, server_side=True)
            request = _read(connection)
            if request is not None:
                with self._lock:
                    self.requests.append(request)
                    plan = self._answers.get(request.path, [OK])
                    answer = plan.pop(0) if len(plan) > 1 else plan[0]
                if isinstance(answer, bytes):
                    connection.sendall(answer)
                else:
                    answer(connection)
        with self._lock:
            self._open.discard(plain)
        connection.close()

    def stay_silent(self, _connection: socket.socket) -> None:
        """An answer: nothing, until the test ends."""
        self.ended.wait(WAIT_SECONDS)

    def drip(self, block: bytes, *, pause_seconds: float = 0.05, first: bytes = b"") -> Answer:
        """An answer: `first`, and then the same again and again, for ever."""

        def dripping(connection: socket.socket) -> None:
            connection.sendall(first)
            while not self.ended.is_set():
                connection.sendall(block)
                time.sleep(pause_seconds)

        return dripping


def _read(connection: socket.socket) -> Received | None:
    """The next request, None if the client leaves first."""
    data = b""
    while b"\r\n\r\n" not in data:
        block = connection.recv(65536)
        if not block:
            return None
        data += block
    head, body = data.split(b"\r\n\r\n", 1)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers["content-length"]):
        block = connection.recv(65536)
        if not block:
            return None
        body += block
    return Received(first.split(" ")[1], headers, body, time.monotonic())
