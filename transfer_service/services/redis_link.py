"""Asking whether Redis is there: quickly, because everything that is done there can be done without."""

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from transfer_service.services.shared_windows import ANSWER_SECONDS


class RedisProbe:
    """Asks the configured Redis whether it is there."""

    def __init__(self, url: str | None) -> None:
        self._client = (
            Redis.from_url(
                url,
                socket_timeout=ANSWER_SECONDS,
                socket_connect_timeout=ANSWER_SECONDS,
                retry=Retry(NoBackoff(), 0),
            )
            if url
            else None
        )

    def is_away(self) -> bool:
        """Whether one is configured and does not answer."""
        if self._client is None:
            return False
        try:
            self._client.ping()
        except RedisError:
            return True
        return False
