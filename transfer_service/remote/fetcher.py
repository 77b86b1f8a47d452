"""Fetching one archive from one source: redirects, breaks, resumption, and bounds for all of it."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from transfer_service.errors import SourceFailed
from transfer_service.remote.connections import Guard, Patience
from transfer_service.remote.exchange import Client, raise_if_late
from transfer_service.remote.responses import SourceBroke, SourceRefused
from transfer_service.remote.targets import Target
from transfer_service.remote.transfers import QUIET_SECONDS, Sink, Transfer
from transfer_service.remote.url_guard import Resolve

__all__ = ["Fetcher", "Limits", "Sink"]

PROGRESS_BYTES = 1024 * 1024
"""What must come between breaks that do not add up."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and counts. `breaks` may come in a row without a MiB of new bytes; `idle_seconds` also bounds a head."""

    connect_seconds: float = 10
    idle_seconds: float = 30
    redirects: int = 5
    breaks: int = 5
    backoff_seconds: float = 0.5
    longest_backoff_seconds: float = 10


class Fetcher:
    """Fetches over HTTP and HTTPS from allowed addresses only. One object serves any number of fetches at once."""

    def __init__(
        self,
        *,
        allow_private: bool,
        limits: Limits = Limits(),
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
        resolve: Resolve = socket.getaddrinfo,
    ) -> None:
        self._client = Client(Guard(allow_private=allow_private, resolve=resolve))
        self._limits = limits
        self._sleep = sleep
        self._now = now

    def fetch(
        self,
        url: str,
        sink: Sink,
        *,
        size: int,
        validator: str | None,
        deadline: float,
        remember_validator: Callable[[str | None], None],
    ) -> None:
        """Append to `sink` until it holds exactly `size` bytes. Raises SourceFailed, and what the sink raises.

        A source that refuses the connection has failed, unless it has given bytes before: it may be starting again.

        `validator` belongs to the bytes the sink holds already; `remember_validator` gets the next one as soon as the
        sink has none of the old bytes left. `deadline` is on the clock of `now`.
        """
        patience = Patience(
            now=self._now,
            until=deadline,
            connect_seconds=self._limits.connect_seconds,
            idle_seconds=self._limits.idle_seconds,
            quiet_seconds=QUIET_SECONDS,
        )
        transfer = Transfer(
            client=self._client,
            target=Target.parse(url),
            sink=sink,
            size=size,
            validator=validator,
            remember_validator=remember_validator,
            patience=patience,
            redirects=self._limits.redirects,
        )
        breaks = _Breaks(self._limits, furthest=sink.length)
        while sink.length != size:
            try:
                transfer.go_on()
            except SourceBroke as broke:
                if isinstance(broke, SourceRefused) and sink.length == 0:
                    raise SourceFailed(broke.detail) from broke  # the next source is there at once
                seconds = breaks.count(broke, length=sink.length)
                raise_if_late(patience)
                self._sleep(max(min(seconds, deadline - self._now()), 0))


class _Breaks:
    """Breaks in a row, and how long to wait after each."""

    def __init__(self, limits: Limits, *, furthest: int) -> None:
        self._limits = limits
        self._furthest = furthest  # a restart from zero is no progress until it passes what was there before
        self._number = 0

    def count(self, broke: SourceBroke, *, length: int) -> float:
        """Seconds to wait before the next try. Raises SourceFailed with the last reason when there were too many."""
        if length >= self._furthest + PROGRESS_BYTES:
            self._furthest, self._number = length, 0
        self._number += 1
        if self._number > self._limits.breaks:
            raise SourceFailed(broke.detail) from broke
        backoff: float = self._limits.backoff_seconds * 2.0 ** (self._number - 1)
        return min(max(backoff, broke.retry_after_seconds), self._limits.longest_backoff_seconds)
