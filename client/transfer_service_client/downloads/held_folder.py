"""A folder whose files are opened, replaced and removed by its handle: whoever puts a link in its place, or in that of
one above it, leads nothing elsewhere.
"""

import os
import sys
from pathlib import Path

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


class HeldFolder:
    """A folder that is held until it is closed. Windows has no such handles: there it is its path."""

    def __init__(self, path: Path, below: Path | None = None) -> None:
        """`below`: one above it, without links in its path; no link is followed from there on. Raises OSError."""
        self._path = path
        self._handle: int | None = None
        if sys.platform != "win32":
            self._handle = os.open(path, _FOLDER) if below is None else _beneath(below, path.relative_to(below).parts)

    def open(self, name: str, flags: int, mode: int = 0o600) -> int:
        """A handle of a file in it, which no link leads elsewhere. Raises OSError."""
        return os.open(self._name(name), flags | _NO_LINK, mode, dir_fd=self._handle)

    def stat(self, name: str) -> os.stat_result:
        """What a file or a link in it is. Raises OSError."""
        return os.stat(self._name(name), dir_fd=self._handle, follow_symlinks=False)

    def unlink(self, name: str) -> None:
        """Remove a file in it, where there is one. Raises OSError."""
        try:
            os.unlink(self._name(name), dir_fd=self._handle)  # paths know no handles
        except FileNotFoundError:
            return

    def replace(self, name: str, new: str) -> None:
        """Give a file in it another name, in place of what has that. Raises OSError."""
        source, target = self._name(name), self._name(new)
        if self._handle is None:
            os.replace(source, target)  # noqa: PTH105
        else:
            os.rename(source, target, src_dir_fd=self._handle, dst_dir_fd=self._handle)

    def flush(self) -> None:
        """Have its names on the disk. Raises OSError."""
        if self._handle is not None:
            os.fsync(self._handle)

    def close(self) -> None:
        """Let go of it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _name(self, name: str) -> str:
        return str(self._path / name) if self._handle is None else name


def _beneath(top: Path, labels: tuple[str, ...]) -> int:
    handle = os.open(top, _FOLDER | _NO_LINK)
    for label in labels:
        try:
            inner = os.open(label, _FOLDER | _NO_LINK, dir_fd=handle)
        finally:
            os.close(handle)
        handle = inner
    return handle
