"""Where a store keeps what cleanup takes for an orphan, until somebody misses it or its days are over.

`<store>/.quarantine/<instant>/<name>`: a rename away from its place, on the same file system. What is kept is counted
from that instant on, however old the bytes are.
"""

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from transfer_service.storage.plain_files import PlainFiles

FOLDER = ".quarantine"
_INSTANT = "%Y%m%dT%H%M%SZ"
_BLOCK_UNITS = 512  # of st_blocks, stat(2)
_TAKEN = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR})


@dataclass(frozen=True, slots=True)
class KeptOrphan:
    """Something in quarantine: the name it had in its store, and since when it is here."""

    name: str
    since: datetime
    stored_bytes: int
    path: Path


class Quarantine:
    """That of one store. `place_of` tells where what has a name belongs, None for names that are none of the store's.

    Blocking: callers decide what runs off the event loop.
    """

    def __init__(self, root: Path, place_of: Callable[[str], Path | None]) -> None:
        self._folder = root / FOLDER
        self._files = PlainFiles(root)
        self._place_of = place_of

    def put(self, name: str, *, now: datetime) -> None:
        """Move what has this name in the store here. Raises FileNotFoundError where there is nothing, OSError."""
        place = self._place_of(name)
        if place is None:
            raise FileNotFoundError(errno.ENOENT, "no name of the store's")
        target = self._folder / now.astimezone(UTC).strftime(_INSTANT)
        for folder in (self._folder, target):
            folder.mkdir(mode=0o750, exist_ok=True)
        place.rename(target / name)

    def items(self) -> Iterator[KeptOrphan]:
        """Everything that is kept, in no order."""
        for instant in self._files.names(self._folder):
            with suppress(ValueError):
                since = datetime.strptime(instant, _INSTANT).replace(tzinfo=UTC)
                folder = self._folder / instant
                for name in self._files.names(folder):
                    if self._place_of(name) is not None:
                        yield KeptOrphan(name, since, _stored_bytes(folder / name), folder / name)

    def take_back(self, item: KeptOrphan) -> bool:
        """Put it where it was. Whether that could be done: something may lie there by now, or it has gone."""
        place = self._place_of(item.name)
        if place is None:
            return False
        try:
            if item.path.is_dir():
                item.path.rename(place)
            else:
                os.link(item.path, place, follow_symlinks=False)  # unlike a rename it replaces nothing
                item.path.unlink()
        except OSError as error:
            if error.errno not in _TAKEN | {errno.ENOENT}:
                raise
            return self._is_back(item, place)
        self._tidy(item)
        return True

    def _is_back(self, item: KeptOrphan, place: Path) -> bool:
        """Whether a run that was killed between the two steps had put it back."""
        with suppress(FileNotFoundError):
            if item.path.samefile(place):
                item.path.unlink()
                self._tidy(item)
                return True
        return False

    def remove(self, item: KeptOrphan) -> None:
        """Remove it for good."""
        if item.path.is_dir() and not item.path.is_symlink():
            shutil.rmtree(item.path, ignore_errors=True)
        else:
            item.path.unlink(missing_ok=True)
        self._tidy(item)

    def _tidy(self, item: KeptOrphan) -> None:
        for folder in (item.path.parent, self._folder):
            with suppress(OSError):  # it holds more
                folder.rmdir()


def _stored_bytes(path: Path) -> int:
    """The space that a file takes, or the files of a folder."""
    with suppress(FileNotFoundError):
        facts = path.lstat()
        if stat.S_ISDIR(facts.st_mode):
            return sum(_stored_bytes(each) for each in path.iterdir())
        return facts.st_blocks * _BLOCK_UNITS
    return 0
