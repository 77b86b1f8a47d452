"""A local file that is sent: its bytes, their SHA-256 beside the sending, and whether it stays what it was."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from transfer_service_client.errors import FileChanged

_BLOCK_BYTES = 1024 * 1024
_INLINE_BYTES = 1024 * 1024  # up to here a thread costs more than it saves


class LocalSource:
    """A file that is open for sending. Used by one thread. Raises OSError where it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb", buffering=0)
        facts = os.fstat(self._file.fileno())
        self.size, self.changed_at = facts.st_size, facts.st_mtime_ns
        self._identity = (facts.st_dev, facts.st_ino)
        self._digest = hashlib.sha256()
        self._hashed = 0
        self._hashing = ThreadPoolExecutor(1, thread_name_prefix="hash")
        self._pending: Future[None] | None = None

    def __enter__(self) -> "LocalSource":
        return self

    def __exit__(self, *_: object) -> None:
        self._hashing.shutdown()
        self._file.close()

    def check(self) -> None:
        """Raises FileChanged where it was written to, cut, replaced or removed since it was opened."""
        try:
            facts = [os.fstat(self._file.fileno()), self._path.stat()]
        except OSError as error:
            raise FileChanged(f"{self._path.name} was removed while it was sent") from error
        for each in facts:
            found = (each.st_size, each.st_mtime_ns, (each.st_dev, each.st_ino))
            if found != (self.size, self.changed_at, self._identity):
                raise FileChanged(f"{self._path.name} was changed while it was sent")

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

    def hash_up_to(self, position: int) -> None:
        """Read what is before a position and was not hashed yet: what an earlier run has sent."""
        while self._hashed < position:
            data = memoryview(bytearray(min(_BLOCK_BYTES, position - self._hashed)))
            self._read_into(self._hashed, data)
            self._hash(self._hashed, data)

    def sha256(self) -> bytes:
        """The digest of the whole."""
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
            self._digest.update(data)
        else:
            self._pending = self._hashing.submit(self._digest.update, data)

    def _settle(self) -> None:
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def _read_into(self, start: int, data: memoryview) -> None:
        self._file.seek(start)
        while data:
            count = self._file.readinto(data)  # the kernel may give less than was asked for
            if not count:
                raise FileChanged(f"{self._path.name} was cut while it was sent")
            data = data[count:]
