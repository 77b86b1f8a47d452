"""Answers before the answer (104 of the draft): where an upload can be resumed, and how far it got meanwhile."""

import time
from typing import Any

from flask import request

from transfer_service.wire import rufh
from transfer_service.wire.rufh import Version

# A proxy that does not know 104 may close the connection, or hold the response back.
_SIGNS_OF_A_PROXY = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP")
PAUSE_SECONDS = 1.0


class InterimAnswers:
    """To the current request, where they can arrive: on HTTP/1.1, without a proxy, to who names a version."""

    def __init__(self, version: Version) -> None:
        connection: Any = request.environ.get("gunicorn.socket")  # server.client_socket.TransferSocket
        is_direct = not any(field in request.headers for field in _SIGNS_OF_A_PROXY)
        is_known = rufh.wants_interim(request.headers) and request.environ["SERVER_PROTOCOL"] == "HTTP/1.1"
        self._version = version
        self._connection = connection if is_direct and is_known else None
        self._told_at = time.monotonic()

    @property
    def can_arrive(self) -> bool:
        """Whether the client may hear any."""
        return self._connection is not None

    def announce(self, location: str, limits: str | None) -> bool:
        """Tell the client where to resume before it has sent the body. Whether the connection could carry that."""
        if self._connection is None:
            return False
        self._connection.send(rufh.interim_response(self._version, location=location, limits=limits))
        return True

    def acknowledge(self, offset: int) -> None:
        """Tell what counts, at most once a second, and never so that a client that does not read is waited for."""
        now = time.monotonic()
        send = getattr(self._connection, "send_if_idle", None)  # not by TLS of our own
        if send is not None and self._version is not Version.V3 and now - self._told_at >= PAUSE_SECONDS:
            self._told_at = now
            send(rufh.interim_progress(self._version, offset=offset))
