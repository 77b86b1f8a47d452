"""The transports under Socket.IO, with bounds: on what a client sends at once or ahead, and on what waits for it."""

from collections.abc import Callable
from contextlib import suppress
from socket import SHUT_RDWR
from typing import Any

import engineio.payload
import engineio.socket
import gevent.event
import gevent.selectors
import simple_websocket
from engineio.async_drivers.gevent import Thread, WebSocketWSGI
from engineio.exceptions import EngineIOError, QueueEmpty
from gevent import sleep, spawn_later
from gevent.queue import Empty
from wsproto.utilities import LocalProtocolError

PACKETS_RECEIVED_AT_ONCE = 10_000  # by default a poll with more than 16 is dropped without a word
PACKETS_SENT_AT_ONCE = 16  # more of them a python-socketio client drops
READ_BYTES = 16 * 1024
READ_AHEAD_MESSAGES, READ_AHEAD_CHARACTERS = 16, 1024 * 1024
WAITING_PACKETS, WAITING_CHARACTERS = 1000, 4 * 1024 * 1024
CLOSE_SECONDS = 1.0
_NONSENSE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
"""What comes out of the libraries' parsers for packets that no client of theirs would send."""


class _Socket(engineio.socket.Socket):  # type: ignore[misc] # it has no types
    """One client, whatever its transport. One that leaves too much waiting, or sends nonsense, is dropped."""

    websocket: "_BoundedServer | None" = None
    _waiting_characters = 0

    def send(self, packet: Any) -> None:
        """Put a packet into the client's queue."""
        if self.closed or self.closing:
            super().send(packet)
            return
        self._waiting_characters += _size(packet)
        if self.queue.qsize() < WAITING_PACKETS and self._waiting_characters <= WAITING_CHARACTERS:
            super().send(packet)
            return
        with suppress(Empty):
            while True:
                self._take(block=False)
        self.close(abort=True)

    def handle_post_request(self, environ: dict[str, Any]) -> None:
        """Take the packets of a poll. Raises EngineIOError for a client that is then disconnected."""
        try:
            super().handle_post_request(environ)
        except _NONSENSE as error:
            raise EngineIOError from error

    def poll(self) -> list[Any]:
        """The next packets for the client, few enough for every client. Raises QueueEmpty."""
        try:
            packets = [self._take(timeout=self.server.ping_interval + self.server.ping_timeout)]
        except Empty as error:
            raise QueueEmpty from error
        if packets == [None]:
            return []
        while len(packets) < PACKETS_SENT_AT_ONCE:
            try:
                packet = self._take(block=False)
            except Empty:
                break
            if packet is None:  # the end, for the next poll to find
                self.queue.put(None)
                break
            packets.append(packet)
        return packets

    def close(self, wait: bool = True, abort: bool = False, reason: Any = None) -> None:  # noqa: ARG002
        """End the connection, without waiting for a client that does not fetch what is left for it."""
        super().close(wait=False, abort=abort, reason=reason)
        if self.websocket is not None:
            spawn_later(CLOSE_SECONDS, self.websocket.cut)

    def _take(self, **how: Any) -> Any:
        packet = self.queue.get(**how)
        self.queue.task_done()
        self._waiting_characters -= _size(packet)
        return packet


def _size(packet: Any) -> int:
    data = getattr(packet, "data", None)
    return len(data) if isinstance(data, (str, bytes)) else 0


class _BoundedServer(simple_websocket.Server):  # type: ignore[misc] # it has no types
    """Reads no further while much waits to be handled: then TCP makes the client wait."""

    def __init__(self, environ: dict[str, object], **arguments: Any) -> None:
        self._was_handled = gevent.event.Event()
        super().__init__(environ, **arguments)

    def receive(self, timeout: float | None = None) -> Any:
        """The next message. Raises ConnectionClosed."""
        message = super().receive(timeout)
        self._was_handled.set()
        return message

    def _handle_events(self) -> bool:
        keeps_going: bool = super()._handle_events()
        while keeps_going and self.connected and self._is_far_ahead():
            self._was_handled.clear()
            self._was_handled.wait(timeout=1.0)
        return keeps_going

    def cut(self) -> None:
        """End the connection under it, whoever waits for whom."""
        with suppress(OSError):
            self.sock.shutdown(SHUT_RDWR)

    def _is_far_ahead(self) -> bool:
        waiting = self.input_buffer
        return len(waiting) > READ_AHEAD_MESSAGES or sum(map(len, waiting)) > READ_AHEAD_CHARACTERS


class _BoundedWebSocket(WebSocketWSGI):  # type: ignore[misc] # it has no types
    """What Engine.IO makes for each WebSocket."""

    def __init__(self, handler: object, server: Any) -> None:
        super().__init__(handler, server)
        self.server_args = {
            "receive_bytes": READ_BYTES,
            "max_message_size": server.max_http_buffer_size,
            "thread_class": Thread,
            "event_class": gevent.event.Event,
            "selector_class": gevent.selectors.DefaultSelector,
        }

    def __call__(self, environ: dict[str, object], _start_response: object) -> object:
        """Serve one WebSocket to its end."""
        self.ws = _BoundedServer(environ, **self.server_args)
        self.app.__self__.websocket = self.ws  # the handler is a method of the client's _Socket
        try:
            self.app(self)
        except _NONSENSE:
            self.app.__self__.close(abort=True)
        finally:
            self.ws.cut()
        raise StopIteration  # gunicorn: the connection is used up

    def close(self) -> None:
        """Say goodbye, where there is still somebody."""
        with suppress(OSError, LocalProtocolError, simple_websocket.ConnectionClosed):
            super().close()


def bound_transports(server: Any) -> None:
    """Put the bounds around an Engine.IO server; those on packets and sockets hold for the whole process."""
    engineio.payload.Payload.max_decode_packets = PACKETS_RECEIVED_AT_ONCE
    engineio.socket.Socket = _Socket
    server._async = {**server._async, "websocket": _BoundedWebSocket}
    server.handlers["message"] = _guarded(server, server.handlers["message"])


def _guarded(server: Any, handle: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    """The handler of messages: others run between two of them, and who sends what Socket.IO cannot read is dropped."""

    def guarded(transport_id: str, data: Any) -> Any:
        try:
            return handle(transport_id, data)
        except _NONSENSE:
            with suppress(KeyError):
                server.sockets[transport_id].close(abort=True)
            return None
        finally:
            sleep(0)  # one poll may bring thousands

    return guarded
