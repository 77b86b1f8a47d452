"""Putting Socket.IO together for an app."""

import json
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

import socketio.packet
from flask import Flask
from flask_socketio import SocketIO
from socketio.packet import CONNECT_ERROR

from transfer_service.logs import JsonHandler
from transfer_service.services.accounts.keys import KeyService
from transfer_service.services.accounts.sign_ins import SignInService
from transfer_service.services.event_channels import EventChannel
from transfer_service.web.chat.bounds import Strangers
from transfer_service.web.chat.rooms import make_manager
from transfer_service.web.chat.sessions import LiveSessions
from transfer_service.web.chat.socket import EVENTS, ChatNamespace
from transfer_service.web.chat.transport import bound_transports
from transfer_service.web.cors import Origins
from transfer_service.wire.socket_packets import parse_packet

__all__ = ["LIVE", "SocketIO", "init_socketio"]

LIVE = "transfer_service.live_sessions"


class BoundedPacket(socketio.packet.Packet):  # type: ignore[misc] # it has no types
    """A packet whose cost is settled before it is parsed."""

    def decode(self, encoded_packet: object) -> int:
        """Read a packet, and tell how many binary messages belong to it.

        Raises ValueError, TypeError, RecursionError.
        """
        if not isinstance(encoded_packet, str):
            raise TypeError("a binary message that belongs to no packet")
        packet = parse_packet(encoded_packet)
        self.packet_type, self.namespace, self.id = packet.kind, packet.namespace, packet.number
        self.data = packet.data
        return packet.attachments

    def add_attachment(self, attachment: object) -> Any:
        """Take the place of a binary message, whose bytes no event of ours wants. Raises TypeError for a text."""
        if isinstance(attachment, str):
            raise TypeError("a text in the place of a binary message")
        return super().add_attachment(b"")


def init_socketio(
    app: Flask,
    socketio: SocketIO,
    *,
    sign_ins: SignInService,
    keys: KeyService,
    now: Callable[[], datetime],
    channel: EventChannel | None,
    max_message_bytes: int,
    origins: Origins,
) -> None:
    """Serve `/socket.io/`. Events are handled one after the other, so that nobody can start more than he waits for."""
    log, silent = _make_loggers()

    def is_trusted(origin: str, environ: dict[str, Any]) -> bool:
        return origins.may_use_cookies(origin) or origins.is_own(origin, environ.get("HTTP_HOST"))

    def is_allowed(origin: str, environ: dict[str, Any]) -> bool:
        return origins.are_all_allowed or is_trusted(origin, environ)

    socketio.init_app(
        app,
        async_mode="gevent",
        async_handlers=False,
        manage_session=False,
        client_manager=make_manager(channel),
        cors_allowed_origins=is_allowed,
        max_http_buffer_size=max_message_bytes,
        ping_interval=25,
        ping_timeout=60,
        serializer=BoundedPacket,
        logger=log,
        engineio_logger=silent,
    )
    sessions = LiveSessions(socketio=socketio, sign_ins=sign_ins, keys=keys, now=now)
    app.extensions[LIVE] = sessions
    shape_answers(socketio.server.eio)
    _tell_strangers(socketio.server, bound_transports(socketio.server.eio), sessions)
    _accept_only_own_events(socketio.server)
    socketio.on_namespace(ChatNamespace(sessions, is_trusted))


def _make_loggers() -> tuple[logging.Logger, logging.Logger]:
    """For failures here, and for what the transport says of clients that do wrong, which is dropped."""
    log = logging.getLogger("transfer_service.sockets")
    log.handlers, log.propagate = [JsonHandler()], False
    log.setLevel(logging.ERROR)
    silent = log.getChild("transport")
    silent.setLevel(logging.CRITICAL)
    return log, silent


def _tell_strangers(server: Any, strangers: Strangers, sessions: LiveSessions) -> None:
    """A transport is a stranger's until its client is let in to the one namespace, and again when it has left that."""
    connect, disconnect = server._handle_connect, server._handle_disconnect

    def look(transport_id: str) -> None:
        socket = server.eio.sockets.get(transport_id)
        if socket is None or socket.closed:
            return
        sid = server.manager.sid_from_eio_sid(transport_id, "/")
        is_stranger = sid is None
        socket.account_id = socket.account_id or sessions.account_of(sid)
        if is_stranger and not socket.is_stranger:
            strangers.add(transport_id)
        elif not is_stranger:
            strangers.discard(transport_id)
        socket.is_stranger = is_stranger

    def connecting(transport_id: str, namespace: str | None, data: Any) -> None:
        if namespace not in (None, "/"):
            refusal = server.packet_class(CONNECT_ERROR, data={"message": "Invalid namespace"}, namespace=namespace)
            server._send_packet(transport_id, refusal)
            return
        connect(transport_id, namespace, data)
        look(transport_id)

    def disconnecting(transport_id: str, namespace: str | None, reason: Any = None) -> None:
        disconnect(transport_id, namespace, reason)
        look(transport_id)

    server._handle_connect, server._handle_disconnect = connecting, disconnecting


def _accept_only_own_events(server: Any) -> None:
    """Let nothing else a client names reach the namespace: `disconnect` would run as if it had happened.

    A client that was not let in gets no answer.
    """
    handle = server._handle_event

    def handle_own(transport_id: str, namespace: str | None, packet_id: int | None, data: Any) -> None:
        if data[0] in EVENTS:
            handle(transport_id, namespace, packet_id, data)

    server._handle_event = handle_own


def shape_answers(server: Any) -> None:
    """Make the errors of an Engine.IO server JSON."""
    server._bad_request = lambda message=None: _error("400 BAD REQUEST", str(message or "Bad request"))
    server._method_not_found = lambda: _error("405 METHOD NOT ALLOWED", "Method not allowed", ("Allow", "GET, POST"))


def _error(status: str, detail: str, *headers: tuple[str, str]) -> dict[str, Any]:
    return {
        "status": status,
        "headers": [("Content-Type", "application/json"), *headers],
        "response": json.dumps({"detail": detail}).encode(),
    }
