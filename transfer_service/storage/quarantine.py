"""Where a disk keeps what cleanup takes for an orphan (the Quarantine of `room_upkeep`).

`<room>/.quarantine/<instant>/<key>`: a rename away from its place, on the same file system. What is kept is counted
from that instant on, however old the bytes are.
"""

import errno
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from transfer_service.storage.blob_files import BLOCK_UNITS, BlobFiles
from transfer_service.storage.plain_files import PlainFiles
from transfer_service.storage.room_upkeep import KeptOrphan
from transfer_service.threads import offload

FOLDER = ".quarantine"
_INSTANT = "%Y%m%dT%H%M%SZ"
_TAKEN = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR})


class DiskQuarantine:
    """That of one room."""

    def __init__(self, files: BlobFiles) -> None:
        self._folder = files.root / FOLDER
        self._files = files
        self._plain = PlainFiles(files.root)

    def put(self, key: str, *, now: datetime) -> bool:
        """Move a blob or a group here. Whether it was still there. Raises OSError."""
        return offload(lambda: self._put(key, now))

    def _put(self, key: str, now: datetime) -> bool:
        target = self._folder / now.astimezone(UTC).strftime(_INSTANT)
        for folder in (self._folder, target):
            folder.mkdir(mode=0o750, exist_ok=True)
        try:
            self._files.place_of(key).rename(target / key)
        except FileNotFoundError:  # another run was faster
            self._tidy(target / key)
            return False
        return True

    def items(self) -> list[KeptOrphan]:
        """Everything that is kept, in no order."""
        return offload(lambda: list(self._items()))

    def _items(self) -> Iterator[KeptOrphan]:
        for instant in self._plain.names(self._folder):
            with suppress(ValueError):
                since = datetime.strptime(instant, _INSTANT).replace(tzinfo=UTC)
                if since.strftime(_INSTANT) != instant:
                    continue
                for name in self._plain.names(self._folder / instant):
                    if self._files.room.is_listed(name):
                        yield KeptOrphan(name, since, _stored_bytes(self._folder / instant / name))

    def is_missed(self, _item: KeptOrphan) -> bool:
        """Each is all of a blob or a group."""
        return True

    def take_back(self, item: KeptOrphan) -> bool:
        """Put it where it was. Whether that could be done: something may lie there by now, or it has gone."""
        return offload(lambda: self._take_back(self._path_of(item), self._files.place_of(item.key)))

    def _take_back(self, kept: Path, place: Path) -> bool:
        if place.parent != self._files.root:
            self._files.make_folder_of(place)
        try:
            if kept.is_dir():
                kept.rename(place)
            else:
                os.link(kept, place, follow_symlinks=False)  # unlike a rename it replaces nothing
                kept.unlink()
        except OSError as error:
            if error.errno not in _TAKEN | {errno.ENOENT}:
                raise
            return self._is_back(kept, place)
        self._tidy(kept)
        return True

    def _is_back(self, kept: Path, place: Path) -> bool:
        """Whether a run that was killed between the two steps had put it back."""
        with suppress(FileNotFoundError):
            if kept.samefile(place):
                kept.unlink()
                self._tidy(kept)
                return True
        return False

    def remove(self, item: KeptOrphan) -> None:
        """Remove it for good."""
        offload(lambda: self._remove(self._path_of(item)))

    def drop(self, _keys: Collection[str]) -> None:
        """What is deleted in order has never come here."""

    def _remove(self, kept: Path) -> None:
        if kept.is_dir() and not kept.is_symlink():
            self._plain.remove_tree(kept)
        else:
            kept.unlink(missing_ok=True)
        self._tidy(kept)

    def _tidy(self, kept: Path) -> None:
        for folder in (kept.parent, self._folder):
            with suppress(OSError):  # it holds more
                folder.rmdir()

    def _path_of(self, item: KeptOrphan) -> Path:
        return self._folder / item.since.strftime(_INSTANT) / item.key


def _stored_bytes(path: Path) -> int:
    """The space that a file takes, or the files of a folder."""
    with suppress(FileNotFoundError):
        facts = path.lstat()
        if stat.S_ISDIR(facts.st_mode):
            return sum(_stored_bytes(each) for each in path.iterdir())
        return facts.st_blocks * BLOCK_UNITS
    return 0
