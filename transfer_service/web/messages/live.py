"""Putting Socket.IO together for an app."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Flask
from flask_socketio import SocketIO

from transfer_service.logs import JsonHandler
from transfer_service.services.sign_ins import SignInService
from transfer_service.web.cors import Origins
from transfer_service.web.messages.live_sessions import LiveSessions
from transfer_service.web.messages.rooms import make_manager
from transfer_service.web.messages.socket import EVENTS, ChatNamespace
from transfer_service.web.messages.transport import bound_transports

LIVE = "transfer_service.live_sessions"


def init_socketio(
    app: Flask,
    socketio: SocketIO,
    *,
    sign_ins: SignInService,
    now: Callable[[], datetime],
    redis_url: str | None,
    max_message_bytes: int,
    origins: Origins,
) -> None:
    """Serve `/socket.io/`. Events are handled one after the other, so that nobody can start more than he waits for."""
    log = logging.getLogger("transfer_service.sockets")
    log.handlers, log.propagate = [JsonHandler()], False
    log.setLevel(logging.ERROR)
    silent = log.getChild("transport")  # it tells what clients do wrong
    silent.setLevel(logging.CRITICAL)

    def is_trusted(origin: str, environ: dict[str, Any]) -> bool:
        return origins.may_use_cookies(origin) or origins.is_own(origin, environ.get("HTTP_HOST"))

    def is_allowed(origin: str, environ: dict[str, Any]) -> bool:
        return origins.are_all_allowed or is_trusted(origin, environ)

    socketio.init_app(
        app,
        async_mode="gevent",
        async_handlers=False,
        manage_session=False,
        client_manager=make_manager(redis_url),
        cors_allowed_origins=is_allowed,
        max_http_buffer_size=max_message_bytes,
        ping_interval=25,
        ping_timeout=60,
        logger=log,
        engineio_logger=silent,
    )
    bound_transports(socketio.server.eio)
    _accept_only_own_events(socketio.server)
    sessions = LiveSessions(socketio=socketio, sign_ins=sign_ins, now=now)
    app.extensions[LIVE] = sessions
    socketio.on_namespace(ChatNamespace(sessions, is_trusted))


def _accept_only_own_events(server: Any) -> None:
    """Let nothing else a client names reach the namespace: `disconnect` would run as if it had happened."""
    handle = server._handle_event

    def handle_own(transport_id: str, namespace: str | None, packet_id: int | None, data: Any) -> None:
        if isinstance(data, list) and data and data[0] in EVENTS:
            handle(transport_id, namespace, packet_id, data)

    server._handle_event = handle_own
