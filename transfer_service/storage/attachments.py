"""Attachments of chat messages on local disk: `<root>/<message id>/<filename>`, written once and never changed."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from transfer_service.errors import BlobMissing
from transfer_service.faults import faults_named, read_faults_named
from transfer_service.storage import range_locks
from transfer_service.storage.disk import BLOCK_UNITS, WHOLE, DiskWriter, absence_named
from transfer_service.storage.folders import make_folder
from transfer_service.storage.installation_mark import InstallationMark
from transfer_service.storage.plain_files import PlainFiles
from transfer_service.storage.quarantine import Quarantine

_MESSAGE_ID = re.compile(r"[0-9a-f]{24}", re.ASCII)


@dataclass(frozen=True, slots=True)
class AttachmentFacts:
    """What lies on disk for a message."""

    message_id: str
    modified_at: datetime
    stored_bytes: int
    length: int


class AttachmentStore:
    """A folder of attachments. Blocking: callers decide what runs off the event loop."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._plain = PlainFiles(root)
        self.mark = InstallationMark(root)
        self.quarantine = Quarantine(root, lambda name: root / name if _MESSAGE_ID.fullmatch(name) else None)
        make_folder(root)

    @contextmanager
    def create(
        self, message_id: str, filename: str, *, is_needed: Callable[[], bool] = lambda: False
    ) -> Iterator[DiskWriter]:
        """A new attachment, which is gone again where the block raises, unless it `is_needed`. Raises StorageFull.

        A commit can fail in telling that it succeeded. Where nobody can tell whether it is needed, it stays: cleanup
        will see.
        """
        path = self._path(message_id, filename)
        with faults_named():
            path.parent.mkdir(mode=0o750)
        try:
            with faults_named():
                descriptor = self._plain.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            try:
                range_locks.claim(descriptor, WHOLE, wait_seconds=0)  # cleanup sees that somebody is at it
                yield DiskWriter(descriptor, WHOLE)
            finally:
                os.close(descriptor)
        except BaseException:
            if not is_needed():
                self.delete(message_id)
            raise

    def sync(self, message_id: str, filename: str) -> None:
        """Return when the attachment and its name survive power loss. Raises StorageFull."""
        path = self._path(message_id, filename)
        with faults_named():
            for target in (path, path.parent, self._root):
                self._plain.sync(target)

    def open_reader(self, message_id: str, filename: str) -> BinaryIO:
        """The attachment as an unbuffered file that the caller closes. Raises BlobMissing, ReadFailed."""
        path = self._path(message_id, filename)
        with read_faults_named(), absence_named(path.parent):
            return self._plain.open_reader(path)

    def delete(self, message_id: str) -> int:
        """Remove what lies there for a message and tell the bytes that this freed. Open readers keep the old ones."""
        folder = self._folder(message_id)
        freed = _stored_bytes(self._facts(message_id))
        shutil.rmtree(folder, ignore_errors=True)  # it follows no links
        if folder.is_symlink():
            self._plain.remove(folder)
        return freed

    def stored_bytes(self, message_id: str) -> int | None:
        """The space that a message's attachment takes, None where nothing lies here for it."""
        return _stored_bytes(self._facts(message_id)) if os.path.lexists(self._folder(message_id)) else None

    def is_in_use(self, message_id: str) -> bool:
        """Whether an attachment of the message is being written."""
        for path in self._files(message_id):
            with suppress(FileNotFoundError), self._plain.open_reader(path) as file:
                if range_locks.is_claimed(file.fileno(), WHOLE):
                    return True
        return False

    def list_attachments(self) -> Iterator[AttachmentFacts]:
        """Every message for which something lies here, in no order."""
        with os.scandir(self._root) as entries:
            for entry in entries:
                if not (_MESSAGE_ID.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)):
                    continue
                with suppress(FileNotFoundError):
                    modified_at = datetime.fromtimestamp(entry.stat(follow_symlinks=False).st_mtime, tz=UTC)
                    facts = self._facts(entry.name)
                    stored_bytes, length = _stored_bytes(facts), sum(each.st_size for each in facts)
                    yield AttachmentFacts(entry.name, modified_at, stored_bytes, length)

    def _folder(self, message_id: str) -> Path:
        if not _MESSAGE_ID.fullmatch(message_id):
            raise BlobMissing
        return self._root / message_id

    def _path(self, message_id: str, filename: str) -> Path:
        if "/" in filename or filename in {"", ".", ".."}:
            raise BlobMissing
        return self._folder(message_id) / filename

    def _files(self, message_id: str) -> list[Path]:
        folder = self._folder(message_id)
        return [folder / name for name in self._plain.names(folder)]

    def _facts(self, message_id: str) -> list[os.stat_result]:
        found = (self._plain.find_facts(path) for path in self._files(message_id))
        return [facts for facts in found if facts is not None]


def _stored_bytes(facts: list[os.stat_result]) -> int:
    return sum(each.st_blocks for each in facts) * BLOCK_UNITS
