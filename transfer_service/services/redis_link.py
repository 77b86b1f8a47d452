"""Asking whether Redis is there: quickly, because everything that is done there can be done without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfer_service.services.shared_windows import ANSWER_SECONDS

if TYPE_CHECKING:
    from redis import Redis


class RedisProbe:
    """Asks the configured Redis whether it is there."""

    def __init__(self, url: str | None) -> None:
        self._client = _connect(url) if url else None

    def is_away(self) -> bool:
        """Whether one is configured and does not answer."""
        if self._client is None:
            return False
        from redis.exceptions import RedisError  # loaded by now

        try:
            self._client.ping()
        except RedisError:
            return True
        return False


def _connect(url: str) -> Redis:
    from redis import Redis  # an optional package: requirements-redis.txt
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Redis.from_url(
        url,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
