"""A local file that is sent, and whether it stays what it was."""

import os
from collections.abc import Iterator
from pathlib import Path

from transfer_service_client.connection.file_parts import IS_POSSIBLE, FilePart
from transfer_service_client.errors import FileChanged
from transfer_service_client.reading import digest_of, open_file
from transfer_service_client.uploads.sources import Source

_PART_BYTES = 1024 * 1024


class LocalSource(Source):
    """A file that is open for sending. Raises OSError where it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open_file(path)
        facts = os.fstat(self._file.fileno())
        super().__init__(facts.st_size)
        self._changed_at, self._touched_at = facts.st_mtime_ns, facts.st_ctime_ns
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
        self._file.seek(self.size)
        if self._file.read(1):  # as those of /proc do, and some of disks that are far away
            raise FileChanged(f"{self._path.name} holds more than its size says")
        if facts[0].st_ctime_ns != self._touched_at:
            self._compare_again(facts[0].st_ctime_ns)

    def _compare_again(self, touched_at: int) -> None:
        """Somebody gave it other rights or another link, or wrote to it and set its time back: only its bytes tell."""
        if self.is_hashed and digest_of(self._file) != self.sha256():
            raise FileChanged(f"{self._path.name} was changed while it was sent")
        if self.is_hashed:
            self._touched_at = touched_at

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def parts(self, start: int, end: int) -> Iterator[memoryview | FilePart]:
        """These bytes for the kernel to send, hashed by another thread just before."""
        return self._parts(start, end) if IS_POSSIBLE else self.blocks(start, end)

    def _parts(self, start: int, end: int) -> Iterator[FilePart]:
        self.hash_up_to(start)
        for at in range(start, end, _PART_BYTES):
            part = FilePart(self._path.name, self._file.fileno(), at, min(_PART_BYTES, end - at))
            self._hash_ahead(at + len(part))
            yield part

    def _read_into(self, start: int, data: memoryview) -> None:
        if not IS_POSSIBLE:
            self._file.seek(start)
        while data:  # the kernel may give less than was asked for
            count = os.preadv(self._file.fileno(), [data], start) if IS_POSSIBLE else self._file.readinto(data)
            if not count:
                raise FileChanged(f"{self._path.name} was cut while it was sent")
            start, data = start + count, data[count:]
