"""flask-socketio's client for tests, against a service that reads packets as Engine.IO brings them."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any
from unittest.mock import patch

from flask import Flask


def connect(app: Flask, headers: Mapping[str, str]) -> Any:
    """A socket of the default namespace. The library hands packets over without the `4` of Engine.IO before them."""
    socketio = app.extensions["socketio"]
    if not hasattr(socketio.server, "receives_bare_packets"):
        receive = socketio.server._handle_eio_message
        socketio.server._handle_eio_message = lambda socket_id, packet: receive(socket_id, f"4{packet}")
        socketio.server.receives_bare_packets = True
    known = socketio.server.manager_initialized  # the client begins it once more than the service does
    begins = patch.object(socketio.server.manager, "initialize") if known else nullcontext()
    socketio.server.manager_initialized = True
    with begins, patch("flask_socketio.test_client.PubSubManager", ()):  # it counts on there being one process
        return socketio.test_client(app, headers=headers)
