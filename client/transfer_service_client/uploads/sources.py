"""What is sent: bytes that can be read from anywhere on, and their SHA-256, computed beside the sending."""

import hashlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

from transfer_service_client.connection.file_parts import FilePart

_BLOCK_BYTES = 1024 * 1024
_INLINE_BYTES = 1024 * 1024  # up to here a thread costs more than it saves
_HASHED_AT_ONCE = 2 * 1024 * 1024
_AHEAD_BYTES = 8 * 1024 * 1024  # hashed before its turn to be sent: little enough to be in a cache still
_READ_BYTES = 256 * 1024  # of what is only hashed: stays in the cache of one processor
_Self = TypeVar("_Self", bound="Source")  # typing.Self is newer than Python 3.10


class Source(ABC):
    """Bytes that are open for sending. Used by one thread. What reads them raises what its kind says."""

    def __init__(self, size: int, *, sha256: bytes | None = None) -> None:
        """`sha256`: what its origin says that the whole is; then the service compares with that, nothing is hashed."""
        self.size = size
        self.remembered: str | None = None
        """The digest (hex) of an earlier run: enough to see that the same bytes are there, and for nothing else."""
        self._known = sha256
        self._digest = hashlib.sha256()
        self._hashed = 0 if sha256 is None else size
        self._hashing = ThreadPoolExecutor(1, thread_name_prefix="hash")
        self._pending: deque[tuple[int, Future[None]]] = deque()  # where each begins

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._hashing.shutdown()
        self.close()

    @property
    def is_known(self) -> bool:
        """Whether its origin says what it is."""
        return self._known is not None

    @property
    @abstractmethod
    def identity(self) -> tuple[str | int, ...]:
        """What tells these bytes from all others, so that a later run goes on with the same ones."""

    @abstractmethod
    def check(self) -> None:
        """Raises FileChanged where it is not what it was when it was opened."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what it reads from."""

    @abstractmethod
    def _read_into(self, start: int, data: memoryview) -> None:
        """Fill `data` with the bytes from `start` on. Raises FileChanged where there are fewer."""

    def read(self, start: int, count: int) -> bytes:
        """These bytes, which are hashed beside where they are the next. Raises FileChanged where there are fewer."""
        self.hash_up_to(start)
        data = bytearray(count)
        self._read_into(start, memoryview(data))
        self._hash(start, memoryview(data))
        self._settle()
        return bytes(data)

    def blocks(self, start: int, end: int) -> Iterator[memoryview]:
        """These bytes in blocks, hashed beside as by `read`; each holds until the one after the next is asked for."""
        self.hash_up_to(start)
        buffers = (bytearray(_BLOCK_BYTES), bytearray(_BLOCK_BYTES))
        for at in range(start, end, _BLOCK_BYTES):
            count = min(_BLOCK_BYTES, end - at)
            block = memoryview(buffers[(at - start) // _BLOCK_BYTES % 2])[:count]
            self._read_into(at, block)
            self._hash(at, block)
            yield block
        self._settle()  # the buffers go

    def parts(self, start: int, end: int) -> Iterator[memoryview | FilePart]:
        """As `blocks`, but as parts of a file where the kernel can send them."""
        return self.blocks(start, end)

    def hash_up_to(self, position: int) -> None:
        """Read what is before a position and was not hashed yet: what an earlier run has sent."""
        while self._hashed < position:
            data = memoryview(bytearray(min(_BLOCK_BYTES, position - self._hashed)))
            self._read_into(self._hashed, data)
            self._hash(self._hashed, data)

    @property
    def is_hashed(self) -> bool:
        """Whether `sha256` reads nothing any more."""
        return self._hashed >= self.size

    def _hash_ahead(self, position: int) -> None:
        """Wait until all before a position is hashed, with some of what follows on its way: read by another thread."""
        ahead = min(self.size, position + _AHEAD_BYTES)
        while self._hashed < ahead:
            start, self._hashed = self._hashed, min(self._hashed + _HASHED_AT_ONCE, ahead)
            self._pending.append((start, self._hashing.submit(self._hash_span, start, self._hashed)))
        self._settle(position)

    def _hash_span(self, start: int, end: int) -> None:
        buffer = memoryview(bytearray(min(_READ_BYTES, end - start)))
        for at in range(start, end, _READ_BYTES):
            data = buffer[: end - at]
            self._read_into(at, data)
            self._absorb(data)

    def sha256(self) -> bytes:
        """The digest of the whole."""
        if self._known is not None:
            return self._known
        self.hash_up_to(self.size)
        self._settle()
        return self._digest.digest()

    def _hash(self, start: int, data: memoryview) -> None:
        """Hash what is new of these bytes, beside what follows; what was begun before is over then."""
        self._settle()
        known = self._hashed - start
        if known < len(data):
            self._hashed = start + len(data)
            self._update(data[known:])

    def _update(self, data: memoryview) -> None:
        if self.size <= _INLINE_BYTES:
            self._absorb(data)
        else:
            self._pending.append((self._hashed, self._hashing.submit(self._absorb, data)))

    def _absorb(self, data: memoryview) -> None:
        """Take the next bytes into account; each byte comes once, in order."""
        self._digest.update(data)

    def _settle(self, position: int | None = None) -> None:
        """Wait until all that was begun is hashed, or what of it is before a position."""
        while self._pending and (position is None or self._pending[0][0] < position):
            self._pending.popleft()[1].result()
