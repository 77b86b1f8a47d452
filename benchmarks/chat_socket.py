"""A Socket.IO client over a WebSocket that costs next to nothing, so that the server is what is measured.

It knows just as much of RFC 6455 and of the Engine.IO and Socket.IO protocols as a server on this machine needs.
"""

import json
import socket
import struct
import time
from collections.abc import Iterator

TIMEOUT_SECONDS = 60.0
READ_BYTES = 256 * 1024
TEXT_FRAME, NO_MASK = 0x81, bytes(4)  # a client's frame has to be masked, and this key changes nothing
HANDSHAKE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
PING, PONG, CONNECT, EVENT, ACK = b"2", b"3", b"40", b"42", b"43"
NEW_MESSAGE, ERROR = b'42["new_message"', b'42["error"'
MESSAGE, UPLOAD = "#message:", "#upload:"  # a content is one of these and a number


class ChatSocket:
    """One member of one conversation. What it has received is in `messages` and `uploads`, as number and instant
    (`time.monotonic`, which is the same for all processes).
    """

    def __init__(self, port: int, token: str, conversation_id: str) -> None:
        self.messages: list[tuple[int, float]] = []
        self.uploads: list[tuple[int, float]] = []
        self.acknowledged, self.acknowledged_at = 0, 0.0
        self._conversation_id = conversation_id
        self._buffer = b""
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._open(token)
        except BaseException:
            self._socket.close()
            raise

    def _open(self, token: str) -> None:
        self._socket.sendall(HANDSHAKE.encode())
        while b"\r\n\r\n" not in self._buffer:
            self._read()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            raise RuntimeError(f"The server opens no WebSocket: {head!r}")
        self._await(b"0")
        self._send("40" + json.dumps({"access_token": token}))
        self._await(CONNECT)
        self._send("420" + json.dumps(["join_conversation", {"conversation_id": self._conversation_id}]))
        self._await(b"430")

    def fileno(self) -> int:
        """For epoll."""
        return self._socket.fileno()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def send_message(self, number: int) -> None:
        """Say MESSAGE and `number`; the acknowledgement will be counted."""
        facts = {"conversation_id": self._conversation_id, "content": f"{MESSAGE}{number}", "type": "text"}
        self._send(f"42{number}" + json.dumps(["send_message", facts]))

    def receive(self) -> None:
        """Take what has arrived, or wait. Raises RuntimeError where the socket was closed or something was refused."""
        self._read()
        now = time.monotonic()
        for packet in self._packets():
            if packet.startswith(NEW_MESSAGE):
                kind, number = _content(packet)
                (self.messages if kind == MESSAGE else self.uploads).append((number, now))
            elif packet.startswith(ACK) and b'"success":true' in packet:
                self.acknowledged, self.acknowledged_at = self.acknowledged + 1, now
            elif packet == PING:
                self._send(PONG.decode())
            elif not packet.startswith(EVENT) or packet.startswith(ERROR):
                raise RuntimeError(f"The server says {packet[:500]!r}")

    def _await(self, kind: bytes) -> None:
        """Wait for the packet that must come next; what comes after it stays in the buffer."""
        while True:
            for packet in self._packets():
                if packet.startswith(kind):
                    return
                if not packet.startswith(EVENT):  # others talk already
                    raise RuntimeError(f"Not {kind!r}, but {packet[:500]!r}")
            self._read()

    def _send(self, packet: str) -> None:
        data = packet.encode()
        size = struct.pack(">B", 0x80 | len(data)) if len(data) < 126 else struct.pack(">BH", 0x80 | 126, len(data))
        self._socket.sendall(bytes([TEXT_FRAME]) + size + NO_MASK + data)

    def _read(self) -> None:
        data = self._socket.recv(READ_BYTES)
        if not data:
            raise RuntimeError("The server has closed a socket")
        self._buffer += data

    def _packets(self) -> Iterator[bytes]:
        """The whole packets in the buffer, each gone from it."""
        while len(self._buffer) >= 2:
            first, size = self._buffer[0], self._buffer[1]
            start = 2 if size < 126 else 4 if size == 126 else 10
            if size >= 126:
                size = int.from_bytes(self._buffer[2:start], "big")
            stop = start + size
            if len(self._buffer) < start or len(self._buffer) < stop:
                return
            if first != TEXT_FRAME:
                raise RuntimeError(f"The server sends a frame of another kind: {self._buffer[:100]!r}")
            packet, self._buffer = self._buffer[start:stop], self._buffer[stop:]
            yield packet


def _content(packet: bytes) -> tuple[str, int]:
    start = packet.index(b"#")
    colon, end = packet.index(b":", start), packet.index(b'"', start)
    return packet[start : colon + 1].decode(), int(packet[colon + 1 : end])
