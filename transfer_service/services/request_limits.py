"""How many requests an account, or an address without one, may send (`TRANSFER_RATE_LIMITS`)."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage

from transfer_service.services.shared_windows import SharedLimiter, network_of
from transfer_service.wire.rate_limits import Allowance


@dataclass(frozen=True, slots=True)
class _Limit:
    name: str
    item: RateLimitItem


@dataclass(frozen=True, slots=True)
class _Count:
    used: int
    ends_at: float | None
    """Of the window, in unix seconds: known where too many were counted."""


class RequestLimits:
    """Counts requests in windows that begin with the first of them.

    In Redis, where one is configured, the count is exact over all instances. Each counts for itself besides, and only
    so while Redis is away.
    """

    def __init__(self, limits: str | None, *, redis_url: str | None) -> None:
        self._limits = [_Limit(_name_of(item), item) for item in parse_many(limits)] if limits else []
        self._shared = SharedLimiter(redis_url, used_for="rate limits") if redis_url and self._limits else None

    @cached_property
    def _own(self) -> MemoryStorage:
        """Made by the first who counts: it begins with a thread, which a process must not have that forks."""
        return MemoryStorage()

    @property
    def are_set(self) -> bool:
        """Whether there are any."""
        return bool(self._limits)

    def count(self, *, account_id: uuid.UUID | None, address: str) -> Sequence[Allowance]:
        """Count one request, and tell what is left of each limit, or that this was one too many."""
        who = ("account", str(account_id)) if account_id else ("address", network_of(address))
        return [self._hit(limit, limit.item.key_for("requests", *who)) for limit in self._limits]

    def _hit(self, limit: _Limit, key: str) -> Allowance:
        quota, window_seconds = limit.item.amount, limit.item.get_expiry()
        found = _count_in(self._own, key, limit.item)
        if self._shared is not None:
            found = self._shared.ask(lambda limiter: _count_in(limiter.storage, key, limit.item), found)
        resets_in = None
        if found.ends_at is not None:
            resets_in = min(window_seconds, max(1, ceil(found.ends_at - time.time())))
        return Allowance(
            limit.name, quota, window_seconds, left=max(0, quota - found.used), resets_in_seconds=resets_in
        )


def _count_in(storage: Any, key: str, item: RateLimitItem) -> _Count:
    used = storage.incr(key, item.get_expiry())
    return _Count(used, storage.get_expiry(key) if used > item.amount else None)


def _name_of(item: RateLimitItem) -> str:
    granularity = item.GRANULARITY.name
    return granularity if item.multiples == 1 else f"{item.multiples}-{granularity}s"
