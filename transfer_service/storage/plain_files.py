"""What lies in a store: regular files, and never what a symbolic link in their place leads to.

Whoever can put a link into a data folder, by a restored backup or a shared folder, would else choose what the service
reads, sends and deletes.
"""

import errno
import os
import posix
import shutil
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from transfer_service.telemetry import meters

PROBE_NAME = ".probe"
_LINKED = frozenset({errno.ELOOP, errno.ENOTDIR})
_NOT_HERE = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL})
"""What file systems answer that know no files without a name (O_TMPFILE, open(2))."""


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

    def link(self, descriptor: int, path: Path) -> None:
        """Give an open file one more name, whatever has its first one by now.

        Raises FileNotFoundError where it has none any more, or the folder is not there, OSError.
        """
        with self._folder_of(path) as folder:  # with a folder os.link follows the link in /proc, as linkat(2) says
            os.link(f"/proc/self/fd/{descriptor}", path.name, src_dir_fd=folder, dst_dir_fd=folder)

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

    def remove_tree(self, folder: Path) -> None:
        """Remove a folder with all that is in it; in place of it a link, and nothing that it leads to."""
        shutil.rmtree(folder, ignore_errors=True)  # it follows no links
        if folder.is_symlink():
            self.remove(folder)

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
            meters.fsync(descriptor)

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
            posix.close(descriptor)  # gevent's os.close would keep a folder open until the event loop turns


@contextmanager
def _links_refused() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _LINKED:
            raise NotPlain(error.errno, error.strerror) from error
        raise


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, which survive power loss from now on."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(mode=0o750, exist_ok=True)
        flush_names(path.parent)


def flush_names(folder: Path) -> None:
    """Return when the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        meters.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_probe(folder: Path) -> None:
    """Write a little into a folder, and leave nothing there, also where the process is killed meanwhile.

    Raises OSError. Where a file needs a name, one and the same is used by everybody, again and again.
    """
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(folder / PROBE_NAME, flags, 0o600)
    try:
        os.write(descriptor, b"ok")
    finally:
        os.close(descriptor)
