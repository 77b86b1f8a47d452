"""What is below a folder, here and at the service, under the same names."""

import os
import stat
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from transfer_service_client.errors import NotFound, TransferError
from transfer_service_client.fetching import Lists, everything_in


@dataclass(frozen=True)
class LocalTree:
    """Names below a local folder. `skipped` are links to folders, devices and the like; `failed` could not be read."""

    folders: frozenset[str] = frozenset()
    sizes: Mapping[str, int] = field(default_factory=dict)
    paths: Mapping[str, Path] = field(default_factory=dict)
    skipped: frozenset[str] = frozenset()
    failed: Mapping[str, Exception] = field(default_factory=dict)


@dataclass(frozen=True)
class RemoteTree:
    """Names below a folder of the service; a size and digest of None is a file that is not whole."""

    folders: frozenset[str] = frozenset()
    files: Mapping[str, tuple[int | None, str | None]] = field(default_factory=dict)


def local_tree(root: Path) -> LocalTree:
    """What is below a folder; links to files count as files. Raises OSError where the folder itself cannot be read."""
    walk = _Walk()
    walk.scan(root, "")
    while walk.waiting:
        folder, name = walk.waiting.pop()
        try:
            walk.scan(folder, f"{name}/")
        except OSError as error:
            walk.failed[name] = error
    return LocalTree(frozenset(walk.folders), walk.sizes, walk.paths, frozenset(walk.skipped), walk.failed)


def remote_tree(client: Lists, folder: str) -> RemoteTree:
    """What is below a folder of the service; a folder that is not there is empty."""
    try:
        folders, files = everything_in(client, folder)
    except NotFound:
        return RemoteTree()
    above = len(folder) + 1 if folder else 0
    return RemoteTree(
        frozenset(each[above:] for each in folders),
        {each.name[above:]: (each.size, each.sha256 if each.is_complete else None) for each in files},
    )


class _Walk:
    def __init__(self) -> None:
        self.folders: set[str] = set()
        self.paths: dict[str, Path] = {}
        self.sizes: dict[str, int] = {}
        self.skipped: set[str] = set()
        self.failed: dict[str, Exception] = {}
        self.waiting: list[tuple[Path, str]] = []

    def scan(self, folder: Path, prefix: str) -> None:
        """Take what lies directly in a folder. Raises OSError."""
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                name = prefix + unicodedata.normalize("NFC", entry.name)  # as the service keeps names
                try:
                    name.encode("utf-8")
                    self._take(entry, name)
                except UnicodeEncodeError:
                    shown = os.fsencode(name).decode("utf-8", "backslashreplace")
                    self.failed[shown] = TransferError(f"{shown} has a name that is no UTF-8")
                except (OSError, TransferError) as error:
                    self.failed[name] = error

    def _take(self, entry: "os.DirEntry[str]", name: str) -> None:
        if name in self.paths or name in self.folders:
            raise TransferError(f"{name} is there twice, in other characters for the same letters")
        found = entry.stat()
        if stat.S_ISDIR(found.st_mode) and not entry.is_symlink():
            self.folders.add(name)
            self.waiting.append((Path(entry.path), name))
        elif stat.S_ISREG(found.st_mode):
            self.paths[name], self.sizes[name] = Path(entry.path), found.st_size
        else:
            self.skipped.add(name)
