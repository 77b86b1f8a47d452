"""What is below a folder, here and at the service, under the same names."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from transfer_service_client.errors import NotFound
from transfer_service_client.folders.excluding import NOTHING, Excluding
from transfer_service_client.folders.fetching import Lists, Misplaced, everything_in
from transfer_service_client.folders.walking import LocalFile, LocalFolder, Root, Skipped, Unsendable, walk


@dataclass(frozen=True)
class LocalTree:
    """Names below a local folder. `skipped` is what is no file and no folder, `failed` could not be read."""

    folders: frozenset[str] = frozenset()
    sizes: Mapping[str, int] = field(default_factory=dict)
    paths: Mapping[str, Path] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, Exception] = field(default_factory=dict)

    @property
    def holds_anything(self) -> bool:
        """Whether there is anything at all, sendable or not."""
        return bool(self.folders or self.sizes or self.skipped or self.failed)


@dataclass(frozen=True)
class RemoteTree:
    """Names below a folder of the service; a size and digest of None is a file that is not whole.

    Of what is excluded only the highest names are told.
    """

    folders: frozenset[str] = frozenset()
    files: Mapping[str, tuple[int | None, str | None]] = field(default_factory=dict)
    excluded: frozenset[str] = frozenset()


def local_tree(root: Path, exclude: Excluding = NOTHING) -> LocalTree:
    """What is below a folder; links to files count as files. Raises OSError where the folder itself cannot be read."""
    with os.scandir(root):
        pass
    folders: set[str] = set()
    sizes: dict[str, int] = {}
    paths: dict[str, Path] = {}
    skipped: dict[str, str] = {}
    failed: dict[str, Exception] = {}
    for found in walk(Root(root, "", is_folder=True), exclude=exclude):
        match found:
            case LocalFile(path, name, size):
                paths[name], sizes[name] = path, size
            case LocalFolder(_, name):
                folders.add(name)
            case Skipped(name, reason):
                skipped[name] = reason
            case Unsendable(name, error):
                failed[name] = error
    return LocalTree(frozenset(folders), sizes, paths, skipped, failed)


def remote_tree(client: Lists, folder: str, exclude: Excluding = NOTHING) -> RemoteTree:
    """What is below a folder of the service; a folder that is not there is empty.

    Raises TransferError for a listing of other names: what is below would be compared with, or deleted for, another.
    """
    above = len(folder) + 1 if folder else 0
    folders: set[str] = set()
    files: dict[str, tuple[int | None, str | None]] = {}
    excluded: set[str] = set()
    with suppress(NotFound):
        for each in everything_in(client, folder):
            if isinstance(each, Misplaced):
                raise each.error
            name = (each if isinstance(each, str) else each.name)[above:]
            top = exclude.top_of(name, is_folder=isinstance(each, str))
            if top is not None:
                excluded.add(top)
            elif isinstance(each, str):
                folders.add(name)
            else:
                files[name] = (each.size, each.sha256 if each.is_complete else None)
    return RemoteTree(frozenset(folders), files, frozenset(excluded))
