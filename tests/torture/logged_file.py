"""A file system with one file, the `disk`, that writes down what is written to it and when it is flushed.

    python -m tests.torture.logged_file MOUNTPOINT FOLDER

In FOLDER, `disk` is the file as it is now, `data` are the bytes of all writes one after the other, and `index` has a
record for each write and each flush. A record follows its data, so whoever reads `index` sees only what is whole.
"""

import os
import stat
import struct
import sys
from pathlib import Path
from typing import Any

import mfusepy

RECORD = struct.Struct("<QQ")
"""Offset and length of a write; a flush has no length."""
NAME = "/disk"


class LoggedFile(mfusepy.Operations):  # type: ignore[misc] # without types
    """The calls of the kernel."""

    use_ns = True

    def __init__(self, folder: Path) -> None:
        self._disk = os.open(folder / "disk", os.O_RDWR)
        self._data = os.open(folder / "data", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._index = os.open(folder / "index", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:  # noqa: ARG002 - as the library calls it
        if path == NAME:
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": os.fstat(self._disk).st_size}
        return dict(super().getattr(path))

    def readdir(self, _path: str, _fh: int) -> list[str]:
        return [".", "..", NAME.removeprefix("/")]

    def open(self, _path: str, _flags: int) -> int:
        return 0

    def read(self, _path: str, size: int, offset: int, _fh: int) -> bytes:
        return os.pread(self._disk, size, offset)

    def write(self, _path: str, data: bytes, offset: int, _fh: int) -> int:
        os.pwrite(self._disk, data, offset)
        os.write(self._data, data)
        os.write(self._index, RECORD.pack(offset, len(data)))
        return len(data)

    def fsync(self, _path: str, _datasync: int, _fh: int) -> int:
        os.write(self._index, RECORD.pack(0, 0))
        return 0


if __name__ == "__main__":
    mountpoint, folder = sys.argv[1:]
    mfusepy.FUSE(LoggedFile(Path(folder)), mountpoint, foreground=True, nothreads=True, fsname="logged")
