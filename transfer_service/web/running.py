"""The request that runs, to those who may have to end it (`services.running`)."""

import uuid
from functools import partial
from typing import Any

from flask import request

from transfer_service.services.running import Running, current_request


def run_for(running: Running, account_id: uuid.UUID) -> None:
    """The present request is one for this account: it ends with it."""
    connection: Any = request.environ.get("gunicorn.socket")  # server.client_socket.TransferSocket
    if not hasattr(connection, "when_done") or connection.when_done is not None:
        return
    begun = running.begin(account_id, connection.cut)
    connection.when_done = partial(running.end, begun)


def spare_own_request() -> None:
    """Let the present request come to its answer, also where it ends its own account."""
    running = current_request()
    if running is not None:
        running.is_spared = True
