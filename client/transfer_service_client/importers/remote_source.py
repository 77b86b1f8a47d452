"""Bytes at another server: streamed as they are needed, and gone on with after a break, by ranges."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import NamedTuple

from transfer_service_client.connection.patience import PATIENCE_SECONDS, pauses
from transfer_service_client.errors import FileChanged, TransferError
from transfer_service_client.uploads.sources import Source


class Broken(Exception):
    """The origin did not answer, broke off, or cannot do it now: the same may go well later."""

    def __init__(self, problem: Exception | str) -> None:
        """`problem` is what happened; where it asks for a pause, that is heeded."""
        super().__init__(str(problem) or type(problem).__name__)
        self.problem = self if isinstance(problem, str) else problem


class Body(NamedTuple):
    """The bytes from some position on, in pieces of any length. `chunks` raises Broken; `close` ends it at any time."""

    chunks: Iterator[bytes]
    close: Callable[[], None]


class RemoteSource(Source):
    """A file of a server that gives ranges. Raises TransferError where the server is away for longer than patience."""

    def __init__(
        self, label: str, size: int, *, sha256: bytes | None = None, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        """`label` names the file in errors. Each byte that arrives gives as much patience once more."""
        super().__init__(size, sha256=sha256)
        self.label = label
        self._patience_seconds = patience_seconds
        self._body: Body | None = None
        self._rest = memoryview(b"")
        self._position = 0

    @abstractmethod
    def _open_at(self, start: int) -> Body:
        """The bytes from `start` on, of the file as it was listed.

        Raises FileChanged where it is another one now, Broken where it may go well later, TransferError.
        """

    def close(self) -> None:
        """End the answer that is being read."""
        body, self._body, self._rest = self._body, None, memoryview(b"")
        if body is not None:
            body.close()

    def _read_into(self, start: int, data: memoryview) -> None:
        if start != self._position:
            self.close()
            self._position = start
        waiting = pauses(self._patience_seconds)
        while data:
            try:
                piece = self._next()
            except Broken as error:
                self.close()
                if not next(waiting)(error.problem):
                    raise TransferError(f"{self.label} cannot be read: {error}") from error
                continue
            count = min(len(piece), len(data))
            data[:count] = piece[:count]
            data, self._rest = data[count:], piece[count:]
            self._position += count
            if count:
                waiting = pauses(self._patience_seconds)
        if self._position == self.size:
            self.close()

    def _next(self) -> memoryview:
        if self._rest:
            return self._rest
        if self._body is None:
            self._body = self._open_at(self._position)
        piece = next(self._body.chunks, None)
        if piece is None:
            raise Broken("The line broke")
        if self._position + len(piece) > self.size:
            raise FileChanged(f"{self.label} was changed while it was imported")
        return memoryview(piece)
