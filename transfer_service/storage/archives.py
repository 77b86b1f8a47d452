"""Archives of games on local disk: `<root>/<game data id>.zip`, and parts on their way there, `<root>/<job id>.part`.

Whatever has the name of an archive was verified before it got that name.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from transfer_service.errors import BlobMissing, RangeBusy, ReadFailed, StoreUnavailable
from transfer_service.faults import faults_named, read_faults_named
from transfer_service.storage import range_locks
from transfer_service.storage.disk import BLOCK_UNITS, WHOLE, DiskWriter, absence_named
from transfer_service.storage.folders import make_folder
from transfer_service.storage.installation_mark import InstallationMark
from transfer_service.storage.plain_files import NotPlain, PlainFiles
from transfer_service.storage.quarantine import Quarantine

_NAME = re.compile(r"(0|[1-9][0-9]{0,18})\.(zip|part|ready)", re.ASCII)
_LARGEST_ID = 2**63 - 1
READ_BYTES = 1024 * 1024


class Part:
    """The bytes of a job so far, written one after the other. Blocking: callers decide what runs off the event loop."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._writer = DiskWriter(descriptor, WHOLE)
        self.length = os.fstat(descriptor).st_size

    def append(self, blocks: Sequence[bytes]) -> None:
        """Write on. Raises StorageFull; then none of these blocks counts."""
        self._writer.write(self.length, blocks)
        self.length += sum(map(len, blocks))

    def read_all(self) -> Iterator[bytes]:
        """The bytes so far, in blocks."""
        position = 0
        while block := os.pread(self._descriptor, READ_BYTES, position):
            yield block
            position += len(block)

    def clear(self) -> None:
        """Forget the bytes so far."""
        os.ftruncate(self._descriptor, 0)
        self.length = 0

    def link_to(self, path: Path) -> None:
        """Give these very bytes a second name, whatever has their first one by now. Raises BlobMissing without one."""
        folder = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
        try:  # with a folder os.link follows the symbolic link in /proc, as linkat(2) says
            os.link(f"/proc/self/fd/{self._descriptor}", path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except FileNotFoundError as error:
            raise BlobMissing from error
        finally:
            os.close(folder)

    def is_at(self, path: Path) -> bool:
        """Whether a path leads to these bytes."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), path.lstat())
        except FileNotFoundError:
            return False

    def sync(self) -> None:
        """Return when the bytes survive power loss. Raises StorageFull."""
        with faults_named():
            os.fsync(self._descriptor)


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file of the folder: an archive, or the part of a job."""

    archive_of: int | None
    part_of: int | None
    modified_at: datetime
    stored_bytes: int
    length: int


class GameStore:
    """A folder of archives. Blocking, as `Part`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files = PlainFiles(root)
        self.mark = InstallationMark(root)
        self.quarantine = Quarantine(root, self._place_of)
        make_folder(root)

    @contextmanager
    def open_part(self, job_id: int, *, may_replace: Callable[[], bool]) -> Iterator[Part]:
        """The part of a job, made if there is none. One run has it at a time: another one gets a new, empty part, if it
        may. Raises BlobMissing where it may not, RangeBusy where several want that at once, StorageFull.
        """
        with ExitStack() as opened:
            yield Part(self._open_own_part(self._part_path(job_id), may_replace, opened))

    def _open_own_part(self, path: Path, may_replace: Callable[[], bool], opened: ExitStack) -> int:
        descriptor = self._open(path, 0, opened)
        with suppress(RangeBusy):
            range_locks.claim(descriptor, WHOLE, wait_seconds=0)
            # Bytes with two names are those of a run that was killed in `publish`: they may be the archive's already.
            if os.fstat(descriptor).st_nlink == 1:
                return descriptor
        # A run that has lost its lease still holds the part: from now on it writes into a file without a name.
        if not may_replace():
            raise BlobMissing
        path.unlink(missing_ok=True)
        descriptor = self._open(path, os.O_EXCL, opened)
        range_locks.claim(descriptor, WHOLE, wait_seconds=0)
        return descriptor

    def publish(self, part: Part, job_id: int, game_data_id: int) -> None:
        """Give a part that is whole, verified and synced its name as an archive, for good. Raises BlobMissing where it
        has lost its own name to another run, StorageFull, and ReadFailed where a folder has its place.
        """
        ready = self._root / f"{int(job_id)}.ready"
        ready.unlink(missing_ok=True)  # of a run that was killed right here
        with faults_named():
            part.link_to(ready)
            try:
                ready.replace(self._archive_path(game_data_id))
            except IsADirectoryError as error:  # it would be in the way of every later run too
                raise ReadFailed from error
            self._files.sync(self._root)
        if part.is_at(self._part_path(job_id)):
            self.delete_part(job_id)

    def open_archive(self, game_data_id: int) -> BinaryIO:
        """The archive as an unbuffered file that the caller closes. Raises BlobMissing, ReadFailed."""
        path = self._archive_path(game_data_id)
        with read_faults_named(), absence_named(path):
            return self._files.open_reader(path)

    def has_archive(self, game_data_id: int) -> bool:
        """Whether there is an archive of that name. Raises StoreUnavailable where there is no folder of them."""
        if self.archive_bytes(game_data_id) is not None:
            return True
        if not self._root.is_dir():
            raise StoreUnavailable
        return False

    def archive_bytes(self, game_data_id: int) -> int | None:
        """The size of an archive, None where there is none."""
        facts = self._files.find_facts(self._archive_path(game_data_id))
        return None if facts is None else facts.st_size

    def delete_archive(self, game_data_id: int) -> None:
        """Remove an archive. Open readers keep it."""
        self._archive_path(game_data_id).unlink(missing_ok=True)

    def delete_part(self, job_id: int) -> None:
        """Remove the part of a job, under both of its names."""
        self._part_path(job_id).unlink(missing_ok=True)
        self._part_path(job_id).with_suffix(".ready").unlink(missing_ok=True)

    def list_files(self) -> Iterator[Leftover]:
        """Every archive and part, in no order."""
        with os.scandir(self._root) as entries:
            for entry in entries:
                name = _NAME.fullmatch(entry.name)
                if name is None or int(name[1]) > _LARGEST_ID:
                    continue
                with suppress(FileNotFoundError):
                    facts = entry.stat(follow_symlinks=False)
                    if not stat.S_ISREG(facts.st_mode):
                        continue
                    yield Leftover(
                        archive_of=int(name[1]) if name[2] == "zip" else None,
                        part_of=int(name[1]) if name[2] != "zip" else None,
                        modified_at=datetime.fromtimestamp(facts.st_mtime, tz=UTC),
                        stored_bytes=facts.st_blocks * BLOCK_UNITS,
                        length=facts.st_size,
                    )

    def _place_of(self, name: str) -> Path | None:
        found = _NAME.fullmatch(name)
        return self._root / name if found and found[2] == "zip" and int(found[1]) <= _LARGEST_ID else None

    def _archive_path(self, game_data_id: int) -> Path:
        return self._root / f"{int(game_data_id)}.zip"

    def _part_path(self, job_id: int) -> Path:
        return self._root / f"{int(job_id)}.part"

    def _open(self, path: Path, flags: int, opened: ExitStack) -> int:
        """Open a part for writing until `opened` closes it. Raises RangeBusy where O_EXCL finds one, StorageFull."""
        with faults_named():
            try:
                descriptor = self._files.open(path, flags | os.O_RDWR | os.O_CREAT)
            except NotPlain:  # nothing of ours: away with it
                self._files.remove(path)
                return self._open(path, flags | os.O_EXCL, opened)
            except FileExistsError as error:
                raise RangeBusy from error
        opened.callback(os.close, descriptor)
        return descriptor
