"""Descriptors for files must be left when all others are connections'.

They are given out from below, so the number of a new connection tells how many are left.
"""

import resource
from contextlib import suppress
from typing import Any

DESCRIPTORS = 65_536  # as many as deploy/systemd asks for, where the system gives so many
MOST_RESERVED = 64
RETRY_AFTER_SECONDS = 5
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: %d\r\nCache-Control: no-store\r\n"
    b"X-Content-Type-Options: nosniff\r\nContent-Type: application/json\r\nContent-Length: 33\r\n\r\n"
    b'{"detail": "Service unavailable"}'
)


class Descriptors:
    """The limit of this process, raised as far as the system lets it."""

    def __init__(self) -> None:
        self._limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = min(hard, DESCRIPTORS)
        if self._limit < wanted:
            with suppress(OSError, ValueError):  # a sandbox may forbid it
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
                self._limit = wanted
        self._reserved = min(MOST_RESERVED, self._limit // 4)

    def are_few(self, connection: Any) -> bool:
        """Whether a new connection leaves so few that it should be told to come later."""
        return bool(connection.fileno() >= self._limit - self._reserved)

    def are_for_files(self, connection: Any) -> bool:
        """Whether it has taken one of those that files need: it cannot even be listened to."""
        return bool(connection.fileno() >= self._limit - self._reserved // 2)


def turn_away(connection: Any) -> None:
    """Answer whatever is asked with 503, and close at once."""
    with suppress(OSError):
        connection.setblocking(0)
        connection.send(_REFUSAL % RETRY_AFTER_SECONDS)
    connection.close()
