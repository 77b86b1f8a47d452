"""Clients' connections: they notice who is idle, and send files from the kernel."""

import errno
import fcntl
import os
import socket as sockets
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import gevent
from gevent import socket

from transfer_service.telemetry import meters

IDLE_TICK_SECONDS = 0.25
SENDFILE_BYTES = 512 * 1024
COPIED_BYTES = 64 * 1024
"""So little leaves sooner in one piece with its head than by the kernel's own means."""
COPY_BYTES = 256 * 1024
PATIENCE_SECONDS, PATIENCE_IN_ALL_SECONDS = 0.1, 0.5
NO_SENDFILE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
_NO_LINGER = struct.pack("ii", 1, 0)


class TransferSocket(socket.socket):
    """A client's connection. Its time-out is how long a client may do nothing while it is waited for."""

    _sock: sockets.socket  # gevent's non-blocking one
    file_bytes_sent = 0
    _since_others_ran = 0
    _joins_heads = False
    _head = b""
    has_given_up = False
    is_cut = False
    when_done: Callable[[], None] | None = None
    """Called once, by the server, when the present request is over."""
    gives_up: Callable[[float], bool] | None = None
    """Asked with the seconds of silence while the client is waited for; True ends the stream there and for good."""

    def cut(self) -> None:
        """End the connection now, whatever is waited for: nothing more is received or sent.

        What has arrived in the kernel, and goes on to, would still be received after `shutdown`.
        """
        self.is_cut = self.has_given_up = True
        with suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)

    def finish(self) -> None:
        """The present request is over."""
        done, self.when_done = self.when_done, None
        if done is not None:
            done()

    def recv(self, size: int, *args: Any) -> bytes:
        """Receive what is there. Raises ConnectionResetError for a client that stalls, if nobody else is to judge."""
        if self.is_cut:
            return b""
        while self.gives_up is not None:
            try:
                return self._sock.recv(size, *args)
            except BlockingIOError:
                if not self._awaits_more():
                    return b""
        with stall_is_reset():
            return super().recv(size, *args)

    def receive_into(self, buffer: memoryview, *, all_of_it: bool, has_some: bool = False) -> int:
        """Fill `buffer`, less of it where the stream ends, and tell how much. Raises like `recv`.

        Without `all_of_it` less also where the client is slow: nothing that has arrived waits for what has not. Nor
        does what the caller `has_some` of already: then nothing at all may come, and nothing is raised.
        """
        received = 0
        patient_until: float | None = None
        while received < len(buffer) and not self.is_cut:
            try:
                count = self._sock.recv_into(buffer[received:])
            except BlockingIOError:
                if (received or has_some) and not all_of_it:
                    patient_until = patient_until or time.monotonic() + PATIENCE_IN_ALL_SECONDS
                    if time.monotonic() >= patient_until or not self._is_readable_within(PATIENCE_SECONDS):
                        break
                    continue
                if self._awaits_more():
                    continue
                count = 0
            except ConnectionError:
                if not (received or has_some):
                    raise
                break  # what came before the reset counts; the next call meets the reset again, or the end
            if count == 0:
                break
            received += count
        return received

    def _awaits_more(self) -> bool:
        """Wait for the client to send. False: it is given up."""
        waited, limit = 0.0, self.gettimeout()
        while not self._is_readable_within(IDLE_TICK_SECONDS):
            waited += IDLE_TICK_SECONDS
            if self.gives_up is not None and self.gives_up(waited):
                self.has_given_up = True  # what comes later belongs to nobody: the connection must close
                return False
            if self.gives_up is None and limit is not None and waited >= limit:
                raise ConnectionResetError(errno.ECONNRESET, "stalled")
        return True

    def _is_readable_within(self, seconds: float) -> bool:
        try:
            socket.wait_read(self.fileno(), timeout=seconds, timeout_exc=TimeoutError())
        except TimeoutError:
            return False
        return True

    @contextmanager
    def joining_heads(self) -> Iterator[None]:
        """Within this, the head of a response leaves together with what follows it, at the latest at the end."""
        self._joins_heads = True
        try:
            yield
        finally:
            self._joins_heads = False
            if self._head:
                self.sendall(b"")

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send. Raises ConnectionResetError for a client that stops reading."""
        if self._joins_heads and not self._head and data[:7] == b"HTTP/1.":
            self._head = data
        else:
            self._send_all(data, flags)
            meters.count(meters.SENT, amount=len(data))
            self._let_others_run(len(data))

    def send(self, data: Any, flags: int = 0, *_: Any) -> int:
        """Like `sendall`, and at once: WebSockets do not look how much of a frame was sent."""
        self._send_all(data, flags)
        return len(data)

    def send_if_idle(self, data: bytes) -> None:
        """Send a little, if the client has confirmed all that came before: who does not read is never waited for."""
        with suppress(OSError):  # whoever reads from the client next meets it again
            if self._queued_bytes() == 0:
                self._send_all(data, 0)

    def _send_all(self, data: Any, flags: int) -> None:
        head, self._head = self._head, b""
        left = memoryview(head + data if head else data)
        while left:
            try:
                left = left[self._sock.send(left, flags) :]
            except BlockingIOError:
                self._await_room()

    def _await_room(self) -> None:
        """Wait until the client has made room. Raises ConnectionResetError where it takes nothing for too long.

        Writable is a socket only when a good part of its buffer is free, which takes a slow client minutes; so what
        counts is whether the queue has become shorter.
        """
        while True:
            queued = self._queued_bytes()
            try:
                socket.wait_write(self.fileno(), timeout=self.gettimeout(), timeout_exc=TimeoutError())
            except TimeoutError as error:
                if self._queued_bytes() < queued:
                    continue
                # Or the kernel would keep megabytes for somebody who has gone.
                self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                raise ConnectionResetError(errno.ECONNRESET, "stalled") from error
            return

    def _queued_bytes(self) -> int:
        """What the client has not confirmed yet (SIOCOUTQ, tcp(7))."""
        answer = fcntl.ioctl(self.fileno(), termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(answer, sys.byteorder)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send `count` bytes from `offset` on within the kernel; other connections run after every SENDFILE_BYTES."""
        source, sent = file.fileno(), 0
        total = os.fstat(source).st_size - offset if count is None else count
        if total <= COPIED_BYTES:
            sent = self._copy(source, offset, total)
            self._note_sent(sent)
        elif self._head:
            self.sendall(b"", sockets.MSG_MORE)
        while sent < total:
            try:
                block = os.sendfile(self.fileno(), source, offset + sent, min(SENDFILE_BYTES, total - sent))
            except BlockingIOError:
                self._await_room()
                continue
            except OSError as error:
                if error.errno not in NO_SENDFILE:
                    raise
                block = self._copy(source, offset + sent, min(COPY_BYTES, total - sent))
            if block == 0:  # shorter than announced: only a closed connection tells the client so
                raise ConnectionResetError(errno.ECONNRESET, "the file ended early")
            sent += block
            self._note_sent(block)
            self._let_others_run(block)
        return sent

    def send_piece(self, piece: Any, before: bytes) -> None:
        """Send a part of a body in many places, with `fileno()`, `offset` and `size`, and what comes before it.

        Raises like `sendall`.
        """
        if before:
            self._send_all(before, sockets.MSG_MORE)
            self._note_sent(len(before))
        self.sendfile(piece, piece.offset, piece.size)

    def _note_sent(self, size: int) -> None:
        self.file_bytes_sent += size
        meters.count(meters.SENT, amount=size)

    def _let_others_run(self, sent: int) -> None:
        """One client that reads quickly would else have the loop for itself."""
        self._since_others_ran += sent
        if self._since_others_ran >= SENDFILE_BYTES:
            self._since_others_ran = 0
            gevent.sleep(0)

    def _copy(self, source: int, offset: int, size: int) -> int:
        """Send without the kernel's help, where the file system or the platform has none."""
        data = os.pread(source, size, offset)
        self._send_all(data, 0)
        return len(data)


@contextmanager
def stall_is_reset() -> Iterator[None]:
    """A client that does not move for too long is as good as gone."""
    try:
        yield
    except TimeoutError as error:
        raise ConnectionResetError(errno.ECONNRESET, "stalled") from error
