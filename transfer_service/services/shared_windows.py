"""Counting events in moving windows: in this process, and in Redis for all instances, for as long as it answers.

A Redis that is away, accepts and never answers, or is not found by its name costs one caller ANSWER_SECONDS, and then
nobody anything for BACK_OFF_SECONDS. Meanwhile the counts of this process hold. They are kept all the time, so they
know what happened here when they are needed. `RedisProbe` tells whether it is there now.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from limits import RateLimitItem
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import MovingWindowRateLimiter

from transfer_service.logs import Outage

if TYPE_CHECKING:
    from redis import Redis

ANSWER_SECONDS = 1.0
BACK_OFF_SECONDS = 10.0

WAITING_SECONDS = 120
"""After which an attempt counts no more that nobody has ended: its process is gone."""
_QUEUE_UP = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local places = {}
for number, queue in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', queue, '-inf', now - ARGV[2] * 1000000)
  local last = redis.call('ZREVRANGE', queue, 0, 0, 'WITHSCORES')[2]
  redis.call('ZADD', queue, 'NX', math.max(now, (last or 0) + 1), ARGV[1])
  redis.call('EXPIRE', queue, 2 * ARGV[2])
  places[number] = redis.call('ZRANK', queue, ARGV[1]) + 1
end
return places
"""
"""Puts an attempt at the end of each queue where it does not stand yet, and tells its places, from 1 on."""

Key = tuple[str, ...]
Limit = tuple[RateLimitItem, Key]
T = TypeVar("T")


class Windows:
    """How often something happened to a key within the time of a limit. Never raises for a Redis that is away."""

    def __init__(self, redis_url: str | None, *, used_for: str) -> None:
        self._shared = SharedLimiter(redis_url, used_for=used_for) if redis_url else None

    @cached_property
    def _own(self) -> MovingWindowRateLimiter:
        """Made by the first who counts: it begins with a thread, which a process must not have that forks."""
        return MovingWindowRateLimiter(MemoryStorage())

    def has_room(self, item: RateLimitItem, key: Key, *, cost: int = 1) -> bool:
        """Whether `cost` more are within the limit."""
        if not self._own.test(item, *key, cost=cost):
            return False
        return self._shared is None or self._shared.ask(lambda limiter: limiter.test(item, *key, cost=cost), True)

    def places(self, limits: Sequence[Limit], attempt: str) -> list[int]:
        """The places of an attempt that is under way among those of all instances, under each limit.

        It keeps them until it leaves. Who is behind never comes before it.
        """
        alone = [1] * len(limits)
        if self._shared is None:
            return alone
        queues = list(map(_queue_of, limits))
        return self._shared.ask(
            lambda limiter: [
                int(place)
                for place in _client_of(limiter).eval(_QUEUE_UP, len(queues), *queues, attempt, WAITING_SECONDS)
            ],
            alone,
        )

    def leave(self, limits: Sequence[Limit], attempt: str) -> None:
        """An attempt has ended: what it counts is counted by now."""
        if self._shared is None:
            return

        def give_up_places(limiter: MovingWindowRateLimiter) -> bool:
            with _client_of(limiter).pipeline() as pipeline:
                for queue in map(_queue_of, limits):
                    pipeline.zrem(queue, attempt)
                pipeline.execute()
            return True

        self._shared.ask(give_up_places, False)

    def hit(self, item: RateLimitItem, key: Key) -> None:
        """Count one more."""
        self._own.hit(item, *key)
        if self._shared is not None:
            self._shared.ask(lambda limiter: limiter.hit(item, *key), True)

    def seconds_to_room(self, item: RateLimitItem, key: Key) -> float:
        """How long it takes until the oldest one counted does not count any more."""
        resets = [self._own.get_window_stats(item, *key).reset_time]
        if self._shared is not None:
            resets.append(self._shared.ask(lambda limiter: limiter.get_window_stats(item, *key).reset_time, 0.0))
        return max(resets) - time.time()


def _queue_of(limit: Limit) -> str:
    item, key = limit
    return f"{item.key_for(*key)}/under-way"


def _client_of(limiter: MovingWindowRateLimiter) -> Any:
    storage: Any = limiter.storage
    return storage.get_connection()


class SharedLimiter:
    """The counters in Redis. `used_for` tells the log what is not exact while it is away."""

    def __init__(self, redis_url: str, *, used_for: str) -> None:
        self._outage = Outage("redis", used_for=used_for)
        # Without retries of its own: whoever waits has little time.
        timeouts = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS, "retry": None}
        self._limiter = MovingWindowRateLimiter(storage_from_string(redis_url, wrap_exceptions=True, **timeouts))  # type: ignore[arg-type] # the types know numbers only
        self._is_away = False
        self._next_try = 0.0

    def ask(self, question: Callable[[MovingWindowRateLimiter], T], default: T) -> T:
        """The answer of Redis, or `default` where there is none in time."""
        if self._is_away:
            if time.monotonic() < self._next_try:
                return default
            self._next_try = time.monotonic() + BACK_OFF_SECONDS  # one tries, the others do not wait for it
        answers: list[T] = []

        def work() -> None:
            with suppress(Exception):  # whatever it is, there is no answer then
                answers.append(question(self._limiter))

        # A thread, since looking a name up knows no timeout.
        thread = threading.Thread(target=work, name="redis", daemon=True)
        thread.start()
        thread.join(ANSWER_SECONDS)
        self._is_away = not answers
        if not answers:
            self._next_try = time.monotonic() + BACK_OFF_SECONDS
            self._outage.begin()
            return default
        self._outage.end()
        return answers[0]


class RedisProbe:
    """Asks the configured Redis whether it is there."""

    def __init__(self, url: str | None) -> None:
        self._client = connect_redis(url) if url else None

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


def connect_redis(url: str) -> Redis:
    """A client that waits for ANSWER_SECONDS at most. Nothing is connected yet."""
    from redis import Redis  # an optional package: requirements-redis.txt
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Redis.from_url(
        url,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def network_of(address: str) -> str:
    """The address, or for IPv6 the /64 that one customer has to himself; what is no address stays as it is."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
