"""Clients that follow the progress of a download: all their sockets in one thread."""

import select
import socket
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from benchmarks.servers import Server

WAIT_SECONDS = 60.0
RECEIVE_BYTES = 65536
SMALL_BUFFER_BYTES = 4096
EVENT = b"data: "
OK = b"HTTP/1.1 200 "


class Readers:
    """A stream for each of `tokens`, begun. Use it with `with`. A receive buffer of 0 bytes is the kernel's default."""

    def __init__(self, server: Server, tokens: Sequence[str], path: str, *, receive_buffer_bytes: int = 0) -> None:
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._events: dict[int, int] = {}
        try:
            for token in tokens:
                reader = _connect(server.port, receive_buffer_bytes)
                self._sockets[reader.fileno()] = reader
                self._events[reader.fileno()] = 0
                self._epoll.register(reader, select.EPOLLIN)
                reader.sendall(
                    f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
                )
            self._wait_for_bytes()
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def read(self, seconds: float) -> int:
        """Read everything for so long; the fewest events that one of them got. Raises ConnectionError at an end."""
        self._events = dict.fromkeys(self._events, 0)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for descriptor, _ in self._epoll.poll(left):
                data = self._sockets[descriptor].recv(RECEIVE_BYTES)
                if not data:
                    raise ConnectionError("The server has ended a stream")
                self._events[descriptor] += data.count(EVENT)
        return min(self._events.values())

    def check_connected(self) -> None:
        """Raises RuntimeError where the server has hung up on one."""
        poll = select.poll()
        for reader in self._sockets.values():
            poll.register(reader, select.POLLRDHUP)
        if poll.poll(0):
            raise RuntimeError("The server has ended a stream")

    def _wait_for_bytes(self) -> None:
        """Until the server has begun to answer each of them, by 200."""
        deadline = time.monotonic() + WAIT_SECONDS
        for reader in self._sockets.values():
            poll = select.poll()
            poll.register(reader, select.POLLIN)
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise RuntimeError("The server has left a reader without an answer")
            beginning = reader.recv(len(OK), socket.MSG_PEEK)
            if beginning != OK:
                raise RuntimeError(f"A reader was answered {reader.recv(RECEIVE_BYTES)!r}")

    def _close(self) -> None:
        self._epoll.close()
        for reader in self._sockets.values():
            reader.close()


def _connect(port: int, receive_buffer_bytes: int) -> socket.socket:
    reader = socket.socket()
    if receive_buffer_bytes:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    reader.connect(("127.0.0.1", port))
    return reader
