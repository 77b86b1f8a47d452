"""Local files that are read: files and nothing else, whatever takes their place between a look and the opening."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from io import FileIO
from pathlib import Path

_BLOCK_BYTES = 1 << 20
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def open_file(path: Path) -> FileIO:
    """A file, unbuffered. Raises OSError, also for a pipe, which nobody waits for, and for a device."""
    handle = os.open(path, _READ)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "It is no file", str(path))
        return os.fdopen(handle, "rb", buffering=0)
    except BaseException:
        os.close(handle)
        raise


def sha256_of(path: Path, heard: Callable[[int], None] | None = None) -> str:
    """The digest (hex) of what a file holds; `heard` is told of the bytes as they are read. Raises OSError."""
    with open_file(path) as opened:
        return digest_of(opened, heard).hex()


def digest_of(opened: FileIO, heard: Callable[[int], None] | None = None) -> bytes:
    """The SHA-256 of what an open file holds, from its beginning on. Raises OSError."""
    digest = hashlib.sha256()
    opened.seek(0)
    while block := opened.read(_BLOCK_BYTES):
        digest.update(block)
        if heard is not None:
            heard(len(block))
    return digest.digest()
