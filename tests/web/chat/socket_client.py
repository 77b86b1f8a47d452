"""flask-socketio's client for tests, against a service that reads packets as Engine.IO brings them."""

from collections.abc import Mapping
from typing import Any

from flask import Flask


def connect(app: Flask, headers: Mapping[str, str]) -> Any:
    """A socket of the default namespace. The library hands packets over without the `4` of Engine.IO before them."""
    socketio = app.extensions["socketio"]
    if not hasattr(socketio.server, "receives_bare_packets"):
        receive = socketio.server._handle_eio_message
        socketio.server._handle_eio_message = lambda socket_id, packet: receive(socket_id, f"4{packet}")
        socketio.server.receives_bare_packets = True
    return socketio.test_client(app, headers=headers)
