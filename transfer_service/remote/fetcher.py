"""Fetching one archive from one source: redirects, breaks, resumption, and bounds for all of it."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from transfer_service.errors import SourceFailed
from transfer_service.remote.connections import Guard, Patience
from transfer_service.remote.exchange import CLOSED, Answer, Client, raise_if_late
from transfer_service.remote.responses import ANOTHER_SIZE, REDIRECTS, SourceBroke, SourceRefused
from transfer_service.remote.targets import Target
from transfer_service.remote.url_guard import Resolve

TOO_MANY_REDIRECTS = "The source redirects too often"
PIECES = "The source sends too little at a time"
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "transfer-service"}
PROGRESS_BYTES = 1024 * 1024
"""What must come between breaks that do not add up."""

BATCH_BYTES = 1024 * 1024
PAUSE_SECONDS = 0.5
"""Blocks wait no longer than this for further ones."""


class Sink(Protocol):
    """Where the bytes go."""

    @property
    def length(self) -> int:
        """How many bytes it holds."""

    def append(self, blocks: Sequence[bytes]) -> None:
        """Take further bytes. Raises StorageFull."""

    def restart(self) -> None:
        """Forget everything."""


class SinkFailed(Exception):
    """Carries an OSError of a sink past a library that takes every OSError for one of its socket."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error


class Batch:
    """The blocks that the sink does not have yet."""

    def __init__(self, sink: Sink, *, now: Callable[[], float]) -> None:
        self._sink = sink
        self._now = now
        self._blocks: list[bytes] = []
        self._size = 0
        self._since = 0.0

    def missing_until(self, stop: int) -> Iterator[int]:
        """How many bytes are missing up to offset `stop`, until none is."""
        while (missing := stop - self._sink.length - self._size) > 0:
            yield missing

    def add(self, block: bytes) -> None:
        """Take a block, and hand all of them on if they are many or have waited. Raises what the sink does."""
        if not self._blocks:
            self._since = self._now()
        self._blocks.append(block)
        self._size += len(block)
        if self._size >= BATCH_BYTES or self._now() - self._since >= PAUSE_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Hand everything on. Raises what the sink does."""
        if self._blocks:
            blocks, self._blocks, self._size = self._blocks, [], 0
            self._sink.append(blocks)

    def flush_on_pause(self) -> None:
        """`flush` in the middle of a read. Raises SinkFailed instead of OSError."""
        try:
            self.flush()
        except OSError as error:
            raise SinkFailed(error) from error


@dataclass
class Transfer:
    """A fetch of `size` bytes from `target`: what it knows from one request to the next."""

    client: Client
    target: Target
    sink: Sink
    size: int
    validator: str | None
    remember_validator: Callable[[str | None], None]
    patience: Patience
    redirects: int
    may_resume: bool = True
    """Until the source answers a range wrongly: then it is asked for the whole file, and for no range again."""

    def go_on(self) -> None:
        """Ask for what is missing, follow redirects, and take what comes. Raises SourceBroke, SourceFailed."""
        target = self.target
        resumes = self._resumes()
        headers = dict(_HEADERS)
        if resumes is not None:
            headers |= {"Range": f"bytes={self.sink.length}-", "If-Range": resumes}
        for _ in range(self.redirects + 1):
            with self.client.get(target, headers=headers, patience=self.patience) as answer:
                if answer.head.status not in REDIRECTS:
                    self._take(answer, resumes)
                    return
                target = target.follow(answer.head.location())
        raise SourceFailed(TOO_MANY_REDIRECTS)

    def _resumes(self) -> str | None:
        """The validator that the next request resumes by, None if it asks for the whole file."""
        return self.validator if self.may_resume and 0 < self.sink.length < self.size else None

    def _take(self, answer: Answer, resumes: str | None) -> None:
        head = answer.head
        if resumes is not None and head.status == 416:
            self._restart_without_ranges()
            return
        head.raise_for_status(now=datetime.now(UTC))
        head.refuse_encodings()
        if head.status == 200:
            head.check_length(self.size)
            self._begin_anew(head.find_validator())
            self._pour(answer, stop=self.size)
            return
        if resumes is None:
            raise SourceFailed("The source answered 206")
        stop = head.find_stop(start=self.sink.length, size=self.size, validator=resumes)
        if stop is None:
            self._restart_without_ranges()
            return
        self._pour(answer, stop=stop)
        if stop < self.size:  # allowed, but a byte for each request is not to go on for ever
            raise SourceBroke(PIECES)

    def _restart_without_ranges(self) -> None:
        self.may_resume = False
        self.sink.restart()

    def _begin_anew(self, validator: str | None) -> None:
        """Old bytes go before the new validator is known: a crash in between must not leave them together."""
        if self.sink.length:
            self.sink.restart()
        self.validator = validator
        self.remember_validator(validator)

    def _pour(self, answer: Answer, *, stop: int) -> None:
        """Read on until the sink holds `stop` bytes. Raises SourceBroke where they end before, SourceFailed past it."""
        batch = Batch(self.sink, now=self.patience.now)
        self.patience.on_pause = batch.flush_on_pause
        try:
            for missing in batch.missing_until(stop):
                block = answer.read()
                if not block:
                    raise SourceBroke(CLOSED)
                if len(block) > missing:
                    raise SourceFailed(ANOTHER_SIZE)
                batch.add(block)
            if answer.has_more():
                raise SourceFailed(ANOTHER_SIZE)
        except SourceBroke:
            batch.flush()  # what came is worth keeping
            raise
        except SinkFailed as failed:
            raise failed.error from None
        finally:
            self.patience.on_pause = None
        batch.flush()


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
        patience = self._patience(deadline)
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

    def _patience(self, deadline: float) -> Patience:
        return Patience(
            now=self._now,
            until=deadline,
            connect_seconds=self._limits.connect_seconds,
            idle_seconds=self._limits.idle_seconds,
            pause_seconds=PAUSE_SECONDS,
        )


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
