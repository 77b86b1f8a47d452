"""Where a disk keeps what is deleted while a backup reads (the Deleted of `room_upkeep`).

`<room>/.deleted/<key>`: a rename away from its place. Whoever keeps has a lock on a byte of `.deleted/.lock`, which the
kernel drops with its process, and whoever deletes looks for such. The first byte is for who begins to keep, and for who
removes what nobody keeps: never both at once.
"""

import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from transfer_service.errors import BlobMissing, RangeBusy
from transfer_service.faults import read_faults_named
from transfer_service.storage.blobs import END, Key
from transfer_service.storage.disk_reader import DiskReader
from transfer_service.storage.plain_files import PlainFiles, flush_names
from transfer_service.storage.range_locks import claim, is_claimed
from transfer_service.storage.rooms import Room
from transfer_service.threads import offload
from transfer_service.wire.ranges import Span

FOLDER, LOCK = ".deleted", ".lock"
_FIRST, _OTHERS = Span(0, 1), Span(1, END)
_WAIT_SECONDS = 600.0
"""For who removes what a backup of before has left."""


class DeletedFiles:
    """Those of one room, which is the folder `root`."""

    def __init__(self, root: Path, room: Room) -> None:
        self._room = room
        self._folder = root / FOLDER
        self._plain = PlainFiles(root)

    @contextmanager
    def keep(self) -> Iterator[Callable[[], None]]:
        """Keep what any process deletes until the block ends. Raises RangeBusy."""
        self._folder.mkdir(mode=0o750, exist_ok=True)
        flush_names(self._folder.parent)
        with self._opened(os.O_CREAT) as own:
            with self._opened() as turn:
                claim(turn, _FIRST, wait_seconds=_WAIT_SECONDS)
                byte = 1 + secrets.randbelow(END - 1)
                claim(own, Span(byte, byte + 1), wait_seconds=0)
            yield _nothing_is_lost
        self.remove()

    def take(self, place: Path) -> bool:
        """Move what is to be deleted here, if somebody keeps it. Raises OSError."""
        try:
            with self._opened() as lock:
                if not is_claimed(lock, _OTHERS):
                    return False
        except FileNotFoundError:
            return False
        kept = self._folder / place.name
        if os.path.lexists(kept):  # of an earlier life of the key: what was deleted first is what records mean
            return False
        with suppress(FileNotFoundError):
            place.rename(kept)
            return True
        return False

    def open_reader(self, key: Key) -> DiskReader:
        """A blob that was deleted, to be closed. Raises BlobMissing, ReadFailed."""
        path = self._room.path_of(key)
        kept = self._folder / (path if self._room.groups else path.rpartition("/")[2])
        with read_faults_named():
            try:
                return DiskReader(self._plain.open_reader(kept))
            except FileNotFoundError as error:
                raise BlobMissing from error

    def remove(self, *, dry_run: bool = False) -> int:
        """Remove what is here, if nobody keeps it. How many bytes that frees."""
        return offload(lambda: self._remove_all(dry_run=dry_run))

    def _remove_all(self, *, dry_run: bool) -> int:
        with suppress(FileNotFoundError, RangeBusy), self._opened() as lock:
            claim(lock, _FIRST, wait_seconds=0)
            if not is_claimed(lock, _OTHERS):
                names = set(self._plain.names(self._folder)) - {LOCK}
                return sum(self._remove(self._folder / name, dry_run=dry_run) for name in names)
        return 0

    def _remove(self, path: Path, *, dry_run: bool) -> int:
        facts = path.lstat()
        is_folder = stat.S_ISDIR(facts.st_mode)
        freed = sum(each.lstat().st_size for each in path.iterdir()) if is_folder else facts.st_size
        if not dry_run and is_folder:
            self._plain.remove_tree(path)
        elif not dry_run:
            self._plain.remove(path)
        return freed

    @contextmanager
    def _opened(self, flags: int = 0) -> Iterator[int]:
        descriptor = self._plain.open(self._folder / LOCK, os.O_RDWR | flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _nothing_is_lost() -> None:
    """The kernel keeps the lock as long as the process lives."""
