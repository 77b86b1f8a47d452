"""What lies in a store: regular files, and never what a symbolic link in their place leads to.

Whoever can put a link into a data folder, by a restored backup or a shared folder, would else choose what the service
reads, sends and deletes.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_LINKED = frozenset({errno.ELOOP, errno.ENOTDIR})


class NotPlain(FileNotFoundError):
    """Something else has the place of a file: a link, a pipe. So there is no file."""


class PlainFiles:
    """The files below a folder. That folder itself may be a link, it is the operator's; nothing in it may be one."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, path: Path, flags: int = os.O_RDONLY, mode: int = 0o640) -> int:
        """A descriptor of the file. Raises FileNotFoundError where there is nothing, NotPlain for a link, OSError."""
        # Without O_NONBLOCK the opening of a pipe would wait for somebody at its other end.
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with self._folder_of(path) as folder, _links_refused():
            descriptor = os.open(path.name, flags, mode, dir_fd=folder)
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISREG(kind):
            return descriptor
        os.close(descriptor)
        raise IsADirectoryError(errno.EISDIR, "a folder") if stat.S_ISDIR(kind) else NotPlain(errno.EINVAL, "no file")

    def open_reader(self, path: Path) -> BinaryIO:
        """The file, unbuffered, for the caller to close. Raises like `open`."""
        return os.fdopen(self.open(path), "rb", buffering=0)

    def find_facts(self, path: Path) -> os.stat_result | None:
        """What the file system knows of the file, None where there is none."""
        with suppress(FileNotFoundError), self._folder_of(path) as folder:
            facts = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
            return facts if stat.S_ISREG(facts.st_mode) else None
        return None

    def remove(self, path: Path) -> None:
        """Take the file's name away, if there is one; of a link, the link's own."""
        with suppress(FileNotFoundError), self._folder_of(path) as folder:
            os.unlink(path.name, dir_fd=folder)

    def names(self, folder: Path) -> list[str]:
        """The names in a folder, none where there is no such folder."""
        with suppress(FileNotFoundError), self._opened(folder, os.O_RDONLY) as descriptor:
            return os.listdir(descriptor)  # noqa: PTH208 - of what is open, whatever has its name by now
        return []

    def scan(self, folder: Path) -> Iterator["os.DirEntry[str]"]:
        """What is in a folder, nothing where a link has its place. Raises FileNotFoundError where it is gone."""
        with suppress(NotPlain), self._opened(folder, os.O_RDONLY) as descriptor, os.scandir(descriptor) as entries:
            yield from entries

    def sync(self, path: Path) -> None:
        """Return when the file's bytes are on the disk, or the names in a folder. Raises FileNotFoundError, OSError."""
        with self._opened(path, os.O_RDONLY | os.O_NONBLOCK, is_folder=False) as descriptor:
            os.fsync(descriptor)

    def _folder_of(self, path: Path) -> AbstractContextManager[int]:
        return self._opened(path.parent, os.O_PATH)

    @contextmanager
    def _opened(self, path: Path, flags: int, *, is_folder: bool = True) -> Iterator[int]:
        """Something of the store, held open, so that nobody can put a link in its place meanwhile. Raises NotPlain."""
        flags |= os.O_CLOEXEC | (os.O_DIRECTORY if is_folder else 0) | (0 if path == self._root else os.O_NOFOLLOW)
        with _links_refused():
            descriptor = os.open(path, flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


@contextmanager
def _links_refused() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _LINKED:
            raise NotPlain(error.errno, error.strerror) from error
        raise
