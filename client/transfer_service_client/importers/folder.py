"""A folder of this machine as an origin: a mounted disk, or the data of a service that keeps files as they are."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from transfer_service_client.folders.walking import LocalFile, LocalFolder, Root, walk
from transfer_service_client.importers.origin import Found, OriginFile, OriginFolder
from transfer_service_client.uploads.local_source import LocalSource


class FolderOrigin:
    """What is in a folder. Links to files count as files."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def found(self) -> Iterator[Found]:
        """What is there. Raises OSError where the folder itself cannot be read."""
        with os.scandir(self._root):
            pass
        for each in walk(Root(self._root, "", is_folder=True)):
            if isinstance(each, LocalFile):
                yield OriginFile(each.name, each.size, partial(LocalSource, each.path))
            elif not isinstance(each, LocalFolder):
                yield each
            elif each.is_empty:
                yield OriginFolder(each.name)

    def close(self) -> None:
        """Nothing is held."""
