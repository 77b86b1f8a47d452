"""A line between a client and a server that flips bits of one byte of what goes over it, anywhere: heads and bodies."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

Side = Literal["client", "server"]


@dataclass
class FlippingLine:
    """Listens on `port`. Bytes are counted over all connections, since the last `flip`."""

    target: int
    port: int = 0
    passed: dict[Side, int] = field(default_factory=lambda: {"client": 0, "server": 0})
    _flip: tuple[Side, int, int] | None = None
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _sockets: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def flip(self, toward: Side, at: int, bits: int) -> None:
        """Flip these bits of the byte that is so far from here on."""
        with self._guard:
            self.passed = {"client": 0, "server": 0}
            self._flip = (toward, at, bits)

    @property
    def has_flipped(self) -> bool:
        """Whether that byte has come by."""
        return self._flip is None

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                self._sockets.append(client)
                server = socket.create_connection(("127.0.0.1", self.target))
                self._sockets.append(server)
                self._start(self._carry, client, server, "server")
                self._start(self._carry, server, client, "client")

    def _carry(self, source: socket.socket, target: socket.socket, toward: Side) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(self._damaged(bytearray(data), toward))
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _damaged(self, data: bytearray, toward: Side) -> bytearray:
        with self._guard:
            start = self.passed[toward]
            self.passed[toward] += len(data)
            if self._flip is not None and self._flip[0] == toward and start <= self._flip[1] < start + len(data):
                data[self._flip[1] - start] ^= self._flip[2]
                self._flip = None
        return data


@contextmanager
def flipping_line(target: int) -> Iterator[FlippingLine]:
    line, listener = FlippingLine(target), socket.create_server(("127.0.0.1", 0))
    line.port = listener.getsockname()[1]
    line._start(line._accept, listener)
    try:
        yield line
    finally:
        _close([listener])
        line._threads[0].join(10)  # nothing else is let in
        _close(line._sockets)
        for thread in line._threads:
            thread.join(10)


def _close(sockets: list[socket.socket]) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
