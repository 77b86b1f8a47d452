"""A source of remote downloads that misbehaves where a test says so. HTTP by hand: no library would lie so well.

    with BadSource() as source:
        source.serve("/game.zip", data)                                            # honest, with ranges and an ETag
        source.serve("/game.zip", data, Behaviour(cut_at=1000), HONEST)            # breaks once
        source.serve("/game.zip", data, Behaviour(stall_at=1000))                  # until `source.release()`
        …fetch `source.url_of("/game.zip")`…
        assert [request.range for request in source.requests] == [None, "bytes=1000-"]

Each request to a path takes the next of its behaviours, and the last one stays. Unknown paths are 404.
"""

import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field

from tests.live.bad_answers import HONEST, WAIT_SECONDS, Answer, Behaviour, Drip, Request, redirect

__all__ = ["HONEST", "BadSource", "Behaviour", "Drip", "Request", "redirect"]


@dataclass
class _Resource:
    data: bytes
    plan: list[Behaviour]


@dataclass
class BadSource:
    """Listens on a free port of 127.0.0.1 until the `with` block ends, over TLS if `tls` is given."""

    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    """All that came, in order."""
    connections: int = 0

    def __post_init__(self) -> None:
        self._resources: dict[str, _Resource] = {}
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "BadSource":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name="bad-source")
        self._acceptor.start()
        return self

    def __exit__(self, *_args: object) -> None:
        self.release()
        self._listener.shutdown(socket.SHUT_RDWR)  # which wakes `accept`
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def url_of(self, path: str) -> str:
        return self.url + path

    def serve(self, path: str, data: bytes, *behaviours: Behaviour) -> None:
        """From now on, answer requests to `path`: by each of the behaviours once, and by the last one for ever."""
        with self._lock:
            self._resources[path] = _Resource(data, list(behaviours) or [HONEST])

    def requests_to(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def release(self) -> None:
        """Let all that is stalled go on, now and in future."""
        self._released.set()

    @property
    def open_connections(self) -> int:
        """How many connections are being served right now."""
        return len(self._open)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), name="bad-source-connection")
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket) -> None:
        plain.settimeout(WAIT_SECONDS)
        connection = plain
        try:
            if self.tls is not None:
                connection = self.tls.wrap_socket(plain, server_side=True)
                with self._lock:
                    self._open = (self._open - {plain}) | {connection}
            self._answer(connection)
        except OSError:  # the client has gone, or its handshake failed
            pass
        finally:
            with self._lock:
                self._open -= {plain, connection}
            connection.close()

    def _answer(self, connection: socket.socket) -> None:
        request = _read_request(connection)
        if request is None:
            return
        with self._lock:
            self.requests.append(request)
            resource = self._resources.get(request.path, _Resource(b"", [Behaviour(status=404)]))
            behaviour = resource.plan.pop(0) if len(resource.plan) > 1 else resource.plan[0]
        answer = Answer(connection, request, resource.data, behaviour, self._released)
        answer.send()


def _read_request(connection: socket.socket) -> Request | None:
    """The next request, None if the client leaves first."""
    head = b""
    while b"\r\n\r\n" not in head:
        received = connection.recv(65536)
        if not received:
            return None
        head += received
        if head.startswith(b"\x16"):  # a TLS handshake, where plain HTTP is spoken
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return None
    first, *lines = head.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines)
    return Request(path=first.split(" ")[1], headers={name.lower(): value.strip() for name, _, value in fields})
