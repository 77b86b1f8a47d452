"""Blocks of a body on their way to a sink: enough at once to be worth its price, but never far behind the network."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

BATCH_BYTES = 1024 * 1024
QUIET_SECONDS = 0.5
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
        if self._size >= BATCH_BYTES or self._now() - self._since >= QUIET_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Hand everything on. Raises what the sink does."""
        if self._blocks:
            blocks, self._blocks, self._size = self._blocks, [], 0
            self._sink.append(blocks)

    def flush_when_quiet(self) -> None:
        """`flush` in the middle of a read. Raises SinkFailed instead of OSError."""
        try:
            self.flush()
        except OSError as error:
            raise SinkFailed(error) from error
