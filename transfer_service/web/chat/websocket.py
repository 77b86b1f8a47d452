"""WebSockets under Engine.IO, with bounds on what a client sends at once or ahead."""

import re
from collections import deque
from contextlib import suppress
from itertools import count
from socket import SHUT_RDWR
from typing import Any, Protocol

import gevent.event
import gevent.selectors
import simple_websocket
from engineio.async_drivers.gevent import Thread, WebSocketWSGI
from engineio.packet import MESSAGE, Packet
from gevent import sleep
from wsproto.events import AcceptConnection, CloseConnection, Message, Ping, Request, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from transfer_service.web.chat.bounds import Held

READ_BYTES = 16 * 1024
READ_AHEAD_MESSAGES, READ_AHEAD_CHARACTERS = 16, 1024 * 1024
READS_A_TURN, EVENTS_A_TURN = 16, 32  # a read may hold thousands of empty frames
HANDSHAKE_FIELDS = (
    "HTTP_HOST",
    "HTTP_UPGRADE",
    "HTTP_CONNECTION",
    "HTTP_SEC_WEBSOCKET_KEY",
    "HTTP_SEC_WEBSOCKET_VERSION",
)
"""What the handshake is made of. Without Sec-WebSocket-Extensions nothing is compressed: each connection would hold
hundreds of KiB for it, and a stranger could have us inflate a thousand times what he sends."""
SEPARATOR = "\x1e"
NONSENSE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
"""What comes out of parsers, ours and the libraries', for packets that no client of theirs would send."""
_BROKEN = (OSError, LocalProtocolError, RemoteProtocolError, simple_websocket.ConnectionClosed, *NONSENSE)
# Behind its own digit a message begins with the digit of a Socket.IO packet. Engine.IO takes anything else for JSON.
_TEXT = re.compile(r"4[0-9]|[23](?:probe)?\Z|[156]\Z", re.ASCII)


def is_engine_text(text: str) -> bool:
    """Whether a client of Engine.IO may send this text."""
    return _TEXT.match(text) is not None


def parse_engine_packet(text: str) -> Packet:
    """A packet; the data of a message are all of its text, and nothing where it is binary. Raises ValueError."""
    if text.startswith("b"):
        return Packet(MESSAGE, data=b"")  # nobody wants its bytes
    if not is_engine_text(text):
        raise ValueError("no packet of Engine.IO")
    if text.startswith("4"):
        return Packet(MESSAGE, data=text)
    return Packet(int(text[0]), data=text[1:])


class Owner(Protocol):
    """Whose WebSocket it is."""

    is_stranger: bool

    @property
    def message_limit(self) -> int:
        """How many bytes a message may have by now."""

    def begin_message(self) -> Held:
        """What a message that begins will hold of its account's share."""


class BoundedServer(simple_websocket.Server):  # type: ignore[misc] # it has no types
    """One WebSocket. It reads no further while much waits to be handled: then TCP makes the client wait.

    Texts are given as wire texts (`wire.socket_packets`),
    binary messages empty: nobody wants their bytes.
    """

    connected: bool

    def __init__(self, environ: dict[str, Any], owner: "Owner") -> None:
        self._owner = owner
        self._held: Held | None = None
        self._held_by_others: deque[Held] = deque()  # first the message that is handled, then those that wait for it
        self._was_handled = gevent.event.Event()
        self._is_handling = False
        self._message = bytearray()
        self._message_bytes = 0
        kept = {name: environ[name] for name in (*HANDSHAKE_FIELDS, "gunicorn.socket") if name in environ}
        super().__init__(
            kept,
            receive_bytes=READ_BYTES,
            thread_class=Thread,
            event_class=gevent.event.Event,
            selector_class=gevent.selectors.DefaultSelector,
        )

    def receive(self, timeout: float | None = None) -> Any:
        """The next message; the one before has been handled. Raises ConnectionClosed."""
        if self._is_handling:
            self._held_by_others.popleft().release()
        self._is_handling = False
        self._was_handled.set()
        message = super().receive(timeout)
        self._is_handling = True
        return message

    def cut(self) -> None:
        """End the connection under it, whoever waits for whom."""
        with suppress(OSError):
            self.sock.shutdown(SHUT_RDWR)

    def _thread(self) -> None:
        try:
            for number in count(1):
                if not self.connected:
                    break
                if number % READS_A_TURN == 0:
                    sleep(0)  # there may always be something to read
                data = self.sock.recv(self.receive_bytes)
                if not data:
                    break
                self.ws.receive_data(data)
                self.connected = self._handle_events()
        except _BROKEN:
            pass  # by the client
        self.connected = False
        self._message = bytearray()
        for held in (self._held, *self._held_by_others):
            if held is not None:
                held.release()
        self.event.set()
        self.sock.close()

    def _handle_events(self) -> bool:
        goes_on = True
        for number, event in enumerate(self.ws.events(), 1):
            if number % EVENTS_A_TURN == 0:
                sleep(0)
            goes_on = self._handle(event)
            if not goes_on:
                break
        while goes_on and self.connected and self._is_far_ahead():
            self._was_handled.clear()
            self._was_handled.wait(timeout=1.0)
        return goes_on

    def _handle(self, event: Any) -> bool:
        if isinstance(event, Request):
            self.sock.send(self.ws.send(AcceptConnection()))
        elif isinstance(event, Ping):
            self.sock.send(self.ws.send(event.response()))
        elif isinstance(event, Message):
            return self._collect(event)
        elif isinstance(event, CloseConnection):
            self.close_reason, self.close_message = event.code, event.reason
            self.sock.send(self.ws.send(event.response()))
            return False
        return True

    def _collect(self, event: Any) -> bool:
        """Add a piece to the message that is under way. False: it is too long."""
        is_text = isinstance(event, TextMessage)
        data = event.data.encode() if is_text else event.data
        self._message_bytes += len(data)
        held = self._held = self._held or self._owner.begin_message()
        is_too_long = self._message_bytes > self._owner.message_limit
        if is_too_long or (is_text and not held.add(len(data))):
            self.sock.send(self.ws.send(CloseConnection(CloseReason.MESSAGE_TOO_BIG, "Message is too big")))
            return False
        if is_text:
            self._message += data
        if event.message_finished:
            message, self._message, self._message_bytes = self._message, bytearray(), 0
            self.input_buffer.append(message.decode("latin-1") if is_text else b"")
            self._held_by_others.append(held)
            self._held = None
            self.event.set()
        return True

    def _is_far_ahead(self) -> bool:
        waiting = self.input_buffer
        if self._owner.is_stranger:  # what comes behind the token may be large, but only if the token counts
            return bool(waiting) or self._is_handling
        return len(waiting) > READ_AHEAD_MESSAGES or sum(map(len, waiting)) > READ_AHEAD_CHARACTERS


class BoundedWebSocket(WebSocketWSGI):  # type: ignore[misc] # it has no types
    """What Engine.IO makes for each WebSocket. `handler` is a method of the client's `transport.BoundedSocket`."""

    def __init__(self, handler: Any, server: Any) -> None:
        super().__init__(handler, server)
        self._owner = handler.__self__
        self._server = server

    def __call__(self, environ: dict[str, Any], _start_response: object) -> object:
        """Serve one WebSocket to its end."""
        owner = self._owner
        try:
            self.ws = BoundedServer(environ, owner)
        except (*_BROKEN, simple_websocket.ConnectionError):
            if not owner.connected:
                owner.close(abort=True)
            return self._server._bad_request("Invalid websocket upgrade")
        owner.websocket = self.ws
        try:
            self.app(self)
        except NONSENSE:
            owner.close(abort=True)
        finally:
            self.ws.cut()
        raise StopIteration  # gunicorn: the connection is used up

    def wait(self) -> Any:
        """The next packet but for messages, which go where they belong without being copied.

        None at the end, which is also where somebody sends what no client of Engine.IO sends.
        """
        while True:
            message = super().wait()
            if not isinstance(message, str) or not self._owner.upgraded:  # before that it is a probe
                return message if message is None or isinstance(message, bytes) or is_engine_text(message) else None
            try:
                packet = parse_engine_packet(message)
            except ValueError:
                return None
            if packet.packet_type != MESSAGE:
                return message
            sleep(0)  # putting megabytes together was enough for one turn
            self._owner.receive(packet)

    def close(self) -> None:
        """Say goodbye, where there is still somebody."""
        with suppress(OSError, LocalProtocolError, simple_websocket.ConnectionClosed):
            super().close()
