"""The transports under Socket.IO, with bounds: on what a client sends at once or ahead, and on what waits for it.

Until a client has been let in it is a stranger, whatever it sends: a few KiB at a time, for some seconds.
"""

import uuid
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import engineio.socket
from engineio.exceptions import EngineIOError, QueueEmpty
from gevent import sleep, spawn_later
from gevent.queue import Empty

from transfer_service.logs import ENVIRON_KEY
from transfer_service.web.chat.bounds import Held, InFlight, Strangers
from transfer_service.web.chat.websocket import (
    NONSENSE,
    SEPARATOR,
    BoundedServer,
    BoundedWebSocket,
    parse_engine_packet,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

STRANGER_BYTES = 16 * 1024  # a token has at most eight
PACKETS_RECEIVED_AT_ONCE = 10_000
PACKETS_SENT_AT_ONCE = 16  # more of them a python-socketio client drops
POLL_BLOCK_BYTES = 256 * 1024
WAITING_PACKETS, WAITING_CHARACTERS = 1000, 4 * 1024 * 1024
CLOSE_SECONDS = 1.0
MESSAGES_IN_FLIGHT = 2  # of the largest, over all sockets of an account
KEPT_OF_ENVIRON = frozenset({
    "REQUEST_METHOD", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "REMOTE_ADDR", "wsgi.version",
    "wsgi.url_scheme", "wsgi.errors", "wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once", "flask.app",
    ENVIRON_KEY, "HTTP_HOST", "HTTP_ORIGIN", "HTTP_AUTHORIZATION", "HTTP_COOKIE",
})  # fmt: skip
"""What of its first request a client has to be known by; the rest could be a MiB for each."""


class BoundedSocket(engineio.socket.Socket):  # type: ignore[misc] # it has no types
    """One client, whatever its transport. One that leaves too much waiting, or sends nonsense, is dropped."""

    websocket: BoundedServer | None = None
    is_stranger = True
    account_id: uuid.UUID | None = None
    _waiting_characters = 0
    _is_posting = False

    @property
    def message_limit(self) -> int:
        """How many bytes this client may send at once."""
        limit: int = self.server.max_http_buffer_size
        return min(limit, STRANGER_BYTES) if self.is_stranger else limit

    def begin_message(self) -> Held:
        """What a message that begins will hold of its account's share."""
        held: Held = self.server.in_flight.begin(self.account_id)
        return held

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

    def handle_get_request(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Any:
        """Answer a poll, or serve a WebSocket to its end."""
        fields = environ.get("HTTP_CONNECTION", "").lower().split(",")
        if not self.connected and "upgrade" not in map(str.strip, fields):  # Engine.IO would take it for a poll
            self.close(abort=True)
            return self.server._bad_request("Invalid websocket upgrade")
        return super().handle_get_request(environ, start_response)

    def handle_post_request(self, environ: "WSGIEnvironment") -> None:
        """Take the packets of a poll. Raises EngineIOError for a client that is then disconnected."""
        if self._is_posting:
            raise EngineIOError("one poll at a time")
        self._is_posting = True
        try:
            self._receive_poll(environ)
        except (*NONSENSE, OSError) as error:
            raise EngineIOError from error
        finally:
            self._is_posting = False

    def _receive_poll(self, environ: "WSGIEnvironment") -> None:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if not 0 < length <= self.message_limit:
            raise ValueError("no poll, or too large a one")
        held = self.begin_message()
        try:
            self._take_poll(_read(environ["wsgi.input"], length, held))
        finally:
            held.release()

    def _take_poll(self, text: str) -> None:
        if text.count(SEPARATOR) >= PACKETS_RECEIVED_AT_ONCE:
            raise ValueError("too many packets")
        sleep(0)  # putting megabytes together was enough for one turn
        start = 0
        while start <= len(text) and not self.closed:
            end = text.find(SEPARATOR, start)
            end = len(text) if end < 0 else end
            self.receive(parse_engine_packet(text[start:end]))  # all of a text is itself, not a copy
            start = end + 1

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


def _read(stream: Any, length: int, held: Held) -> str:
    """A body as a wire text (`wire.socket_packets`); memory grows with what comes, not with what was announced.

    Raises ValueError where less comes, or the account has too much in flight.
    """
    data = bytearray()
    while len(data) < length:
        block = stream.read(min(POLL_BLOCK_BYTES, length - len(data)))
        if not block or not held.add(len(block)):
            raise ValueError("the body ended early, or there is too much in flight")
        data += block
        sleep(0)  # there may always be something to read
    return data.decode("latin-1")


def bound_transports(server: Any, *, stranger_seconds: float | None = None) -> Strangers:
    """Put the bounds around an Engine.IO server; those of sockets hold for the whole process. Gives the strangers."""
    engineio.socket.Socket = BoundedSocket
    server._async = {**server._async, "websocket": BoundedWebSocket}
    server.in_flight = InFlight(MESSAGES_IN_FLIGHT * server.max_http_buffer_size)
    server.http_compression = False  # it would be done on the event loop, for megabytes
    strangers = Strangers(server.disconnect, seconds=stranger_seconds)
    connect, disconnect = server.handlers["connect"], server.handlers["disconnect"]

    def connected(transport_id: str, environ: "WSGIEnvironment") -> Any:
        strangers.add(transport_id)
        kept = {name: value for name, value in environ.items() if name in KEPT_OF_ENVIRON}
        return connect(transport_id, {**kept, "PATH_INFO": "/", "QUERY_STRING": "", "wsgi.input": BytesIO()})

    def disconnected(transport_id: str, *reason: Any) -> Any:
        strangers.discard(transport_id)
        return disconnect(transport_id, *reason)

    server.handlers["connect"], server.handlers["disconnect"] = connected, disconnected
    server.handle_request = _without_ended_sessions(server, server.handle_request)
    server.handlers["message"] = _guarded(server, server.handlers["message"])
    return strangers


def _without_ended_sessions(server: Any, handle: Callable[..., Any]) -> Callable[..., Any]:
    """The handler of requests: a session that has ended is unknown. Engine.IO remembers it for one request more, and
    fails there.
    """

    def handle_request(environ: "WSGIEnvironment", start_response: "StartResponse") -> Any:
        for session_id in parse_qs(environ.get("QUERY_STRING", "")).get("sid", []):
            session = server.sockets.get(session_id)
            if session is not None and session.closed:
                del server.sockets[session_id]
        return handle(environ, start_response)

    return handle_request


def _guarded(server: Any, handle: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    """The handler of messages: others run between two of them, and a client that sends nonsense is dropped."""

    def guarded(transport_id: str, data: Any) -> Any:
        try:
            return handle(transport_id, data)
        except NONSENSE:
            with suppress(KeyError):
                server.sockets[transport_id].close(abort=True)
            return None
        finally:
            sleep(0)  # one poll may bring thousands

    return guarded
