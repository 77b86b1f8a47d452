"""A local file that is sent, and whether it stays what it was."""

import os
from pathlib import Path

from transfer_service_client.errors import FileChanged
from transfer_service_client.sources import Source


class LocalSource(Source):
    """A file that is open for sending. Raises OSError where it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb", buffering=0)
        facts = os.fstat(self._file.fileno())
        super().__init__(facts.st_size)
        self._changed_at = facts.st_mtime_ns
        self._inode = (facts.st_dev, facts.st_ino)

    @property
    def identity(self) -> tuple[str | int, ...]:
        """Where it is, its size, and when it was changed."""
        return str(self._path.resolve()), self.size, self._changed_at

    def check(self) -> None:
        """Raises FileChanged where it was written to, cut, replaced or removed since it was opened."""
        try:
            facts = [os.fstat(self._file.fileno()), self._path.stat()]
        except OSError as error:
            raise FileChanged(f"{self._path.name} was removed while it was sent") from error
        for each in facts:
            found = (each.st_size, each.st_mtime_ns, (each.st_dev, each.st_ino))
            if found != (self.size, self._changed_at, self._inode):
                raise FileChanged(f"{self._path.name} was changed while it was sent")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_into(self, start: int, data: memoryview) -> None:
        self._file.seek(start)
        while data:
            count = self._file.readinto(data)  # the kernel may give less than was asked for
            if not count:
                raise FileChanged(f"{self._path.name} was cut while it was sent")
            data = data[count:]
