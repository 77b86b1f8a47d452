"""A local file that is sent: its bytes, their SHA-256 beside the sending, and whether it stays what it was."""

import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from transfer_service_client.errors import FileChanged

BLOCK_BYTES = 256 * 1024
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
        data = self._read(start, count)
        self._settle()
        known = self._hashed - start
        if known < count:
            self._hashed = start + count
            self._update(memoryview(data)[known:])
        return data

    def hash_up_to(self, position: int) -> None:
        """Read what is before a position and was not hashed yet: what an earlier run has sent."""
        while self._hashed < position:
            start, count = self._hashed, min(BLOCK_BYTES, position - self._hashed)
            data = self._read(start, count)
            self._settle()
            self._hashed = start + count
            self._update(memoryview(data))

    def sha256(self) -> bytes:
        """The digest of the whole."""
        self.hash_up_to(self.size)
        self._settle()
        return self._digest.digest()

    def _update(self, data: memoryview) -> None:
        if self.size <= _INLINE_BYTES:
            self._digest.update(data)
        else:
            self._pending = self._hashing.submit(self._digest.update, data)

    def _settle(self) -> None:
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def _read(self, start: int, count: int) -> bytes:
        self._file.seek(start)
        data = self._file.read(count)
        while data is not None and len(data) < count:  # the kernel may give less than was asked for
            more = self._file.read(count - len(data))
            if not more:
                raise FileChanged(f"{self._path.name} was cut while it was sent")
            data += more
        return data or b""
