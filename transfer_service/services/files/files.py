"""The files of an account: what there is, how far it got, and who may read it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete

from transfer_service.db.database import Executor, run_again
from transfer_service.errors import BytesLost, Forbidden, NotComplete, NotFound, StorageFull
from transfer_service.logs import tidying
from transfer_service.models.files import File, ReceivedRange, TrashReason
from transfer_service.services.core import Core, Space
from transfer_service.services.events import facts
from transfer_service.services.files import dates as file_dates
from transfer_service.services.files import discards, trash_rows
from transfer_service.services.files import received_ranges as intervals
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.finishing import Completion
from transfer_service.services.files.folder_rows import lock_names, prune
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.steps import LOOK_SECONDS
from transfer_service.wire.ranges import Span

MAX_MISSING = 100

_files = File.__table__
_ranges = ReceivedRange.__table__


class FileService:
    """Reading, listing and deleting files."""

    def __init__(self, core: Core, *, completion: Completion) -> None:
        self._core = core
        self._database = core.database
        self._store = core.store
        self._space = core.space
        self._completion = completion

    def find(self, account_id: uuid.UUID, name: str) -> FileRecord | None:
        """The account's file of that name, None where nothing of it is stored."""
        with self._database.read_rows() as rows:
            found = file_rows.find_visible(rows, account_id, name)
        return self._finished(found)

    def find_by_name_or_id(self, account_id: uuid.UUID, name: str) -> FileRecord | None:
        """The account's file of that name or else of that UUID."""
        found = self.find(account_id, name)
        file_id = parse_file_id(name)
        if found is not None or file_id is None:
            return found
        return self._find_own(account_id, file_id)

    def get(self, account_id: uuid.UUID, file_id: uuid.UUID) -> FileRecord:
        """The account's file of that UUID. Raises NotFound."""
        found = self._find_own(account_id, file_id)
        if found is None:
            raise NotFound("File not found")
        return found

    def get_whole(self, account_id: uuid.UUID, file_id: uuid.UUID) -> FileRecord:
        """The account's whole file of that UUID. Raises NotFound, NotComplete."""
        return _readable(self._find_own(account_id, file_id), "File not found")

    def _find_own(self, account_id: uuid.UUID, file_id: uuid.UUID) -> FileRecord | None:
        found = self._find_by_id(file_id)
        return self._finished(found) if found is not None and found.account_id == account_id else None

    def _find_by_id(self, file_id: uuid.UUID) -> FileRecord | None:
        with self._database.read_rows() as rows:
            return file_rows.find_visible_by_id(rows, file_id)

    def _finished(self, file: FileRecord | None) -> FileRecord | None:
        """What was found, as it is now: a file that a crash left one step before completion takes that step."""
        if file is None or not file.is_due or self._database.is_read_only:
            return file
        self.finish(file)
        return self._find_by_id(file.id)

    def finish(self, file: FileRecord) -> None:
        """Complete a file if it is due, or let go of it if a power loss has taken what it was. Raises BlobMissing.

        What a remote store must be asked for is not waited for long, and goes on.
        """
        try:
            self._completion.finish_within(file.id, LOOK_SECONDS)
        except BytesLost:
            self._let_go(file)

    @run_again
    def _let_go(self, file: FileRecord) -> None:
        with self._database.write_rows(durable=True) as rows:
            current = file_rows.lock_to_name(rows, file.id)
            if current is None or not current.is_in_doubt:
                return
            remove_row(rows, current, self._space)
            facts.file_lost(rows, current, at=self._core.now())
        structlog.get_logger().warning("file_lost", file_id=str(file.id))
        self.discard_blob(file.id)

    def is_there(self, file_id: uuid.UUID) -> bool:
        """Whether the file still exists."""
        with self._database.read_rows() as rows:
            return file_rows.exists(rows, file_id)

    def missing(self, file: FileRecord) -> list[Span]:
        """The first hundred gaps of a file."""
        if file.is_complete or file.length is None:
            return []
        with self._database.read_rows() as rows:
            spans = intervals.first_spans(rows, file.id, limit=MAX_MISSING + 1)
        length = file.length if len(spans) <= MAX_MISSING else spans[-1].start
        return intervals.gaps(spans, length)[:MAX_MISSING]

    def received(self, file: FileRecord) -> list[Span]:
        """Everything that is stored, merged and sorted."""
        with self._database.read_rows() as rows:
            return intervals.all_spans(rows, file.id)

    @contextmanager
    def in_use(self, account_id: uuid.UUID, name: str) -> Iterator[None]:
        """Keep what is stored under a name from being removed for resting too long until the block ends.

        For a request that will append to it, from its first byte on. Raises RangeBusy.
        """
        with self._database.read_rows() as rows:
            file_id = file_rows.find_id(rows, account_id, name)
        with nullcontext() if file_id is None else self._store.claims.in_use(file_id):
            yield

    def delete(self, account_id: uuid.UUID, name: str, *, is_permanent: bool = False) -> None:
        """Remove a file by its name or else its UUID, finished or not; an upload of it ends. Raises NotFound.

        A finished one goes into the trash, where that is kept, unless the deletion `is_permanent`.
        """
        try:
            blob_id = self._take_away(account_id, name, is_permanent=is_permanent)
        except StorageFull:  # no room for the commit: unlink the bytes first, if they go in any case
            file = self.find_by_name_or_id(account_id, name)
            is_kept = file is not None and _is_kept(file, self._core, is_permanent=is_permanent)
            if is_kept or self._store.is_remote:  # where its bytes are, is room
                raise
            if file is not None:
                self.discard_blob(file.id)
            blob_id = self._take_away(account_id, name, is_permanent=is_permanent)
        if blob_id is not None:
            self.discard_blob(blob_id)

    @run_again
    def _take_away(self, account_id: uuid.UUID, name: str, *, is_permanent: bool) -> uuid.UUID | None:
        with self._database.write(durable=True) as rows:  # or a power loss brings the row back without its bytes
            lock_names(rows, account_id)
            found = file_rows.find_visible(rows, account_id, name)
            file_id = found.id if found else parse_file_id(name)
            if found is None and file_id is not None:
                found = file_rows.find_visible_by_id(rows, file_id)
            file = file_rows.lock(rows, found.id) if found else None
            if file is None or file.account_id != account_id:
                raise NotFound(f"File {name} not found")
            return take_away(rows, file, self._core, TrashReason.DELETED, is_permanent=is_permanent)

    def discard_blob(self, file_id: uuid.UUID) -> int:
        """Free the bytes of a file whose row is gone, and tell how many."""
        self.forget(file_id)
        return discards.free(self._store, file_id)

    def forget(self, file_id: uuid.UUID) -> None:
        """Keep nothing in memory of a file whose row is gone."""
        self._completion.forget(file_id)

    def discard_if_nobodys(self, file_id: uuid.UUID) -> None:
        """Free the bytes of a file that its writer does not find any more, unless it is there, or in the trash.

        Where nobody can tell, they stay, and cleanup will see.
        """
        with tidying():
            with self._database.read_rows() as rows:
                is_somebodys = trash_rows.exists_anywhere(rows, file_id)
            if not is_somebodys:
                self.discard_blob(file_id)

    def get_readable(self, account_id: uuid.UUID, name: str) -> FileRecord:
        """The whole file of that name, or else of that UUID. Raises NotFound, NotComplete."""
        return _readable(self.find_by_name_or_id(account_id, name), f"File {name} not found")

    def get_readable_by_name_or_id(self, account_id: uuid.UUID, name: str) -> FileRecord:
        """The whole file of that name or UUID. Raises NotFound, also for one that is not complete."""
        file = self.find_by_name_or_id(account_id, name)
        return _readable(file if file and file.is_complete else None, "File not found")

    def get_readable_by_id(self, account_id: uuid.UUID, file_id: str) -> FileRecord:
        """The whole file of that UUID. Raises NotFound, NotComplete, and Forbidden where it is another account's."""
        identifier = parse_file_id(file_id)
        if identifier is None:
            raise NotFound("File not found")
        found = self._find_by_id(identifier)
        if found is not None and found.account_id != account_id:
            raise Forbidden
        return _readable(self._finished(found), "File not found")


def _readable(file: FileRecord | None, detail: str) -> FileRecord:
    if file is None:
        raise NotFound(detail)
    if not file.is_complete:
        raise NotComplete
    return file


def parse_file_id(value: str) -> uuid.UUID | None:
    """A UUID in its usual form, None for anything else that `uuid.UUID` would also take."""
    try:
        parsed = uuid.UUID(value)
    except ValueError:
        return None
    return parsed if str(parsed) == value.lower() else None


def remove_row(rows: Executor, file: FileRecord | File, space: Space) -> None:
    """Delete a file's facts in the caller's transaction and give its room back; the blob is the caller's to discard.

    The names and the file are locked. Folders that came with an upload go with it.
    """
    discards.remember_for_good(rows, [file.id.hex])
    _delete_row(rows, file)
    space.give_back(rows, file)


def _delete_row(rows: Executor, file: FileRecord | File) -> None:
    file_dates.retire(rows, file.id, is_leaving=True)
    rows.execute(delete(_ranges).where(_ranges.c.file_id == file.id))
    rows.execute(delete(_files).where(_files.c.id == file.id))
    prune(rows, file.folder_id)


def take_away(
    rows: Executor, file: FileRecord, core: Core, reason: TrashReason, *, is_permanent: bool = False
) -> uuid.UUID | None:
    """Take a file from its owner, who has deleted or replaced it, in the caller's transaction: by name, id or folder.

    The names and the file are locked. What comes back is the blob that is to be discarded after the commit, None where
    the file has gone into the trash: nobody unlinks anything then.
    """
    is_kept = _is_kept(file, core, is_permanent=is_permanent)
    _tell(rows, file, reason, at=core.now(), is_kept=is_kept)
    if not is_kept:
        remove_row(rows, file, core.space)
        return file.id
    trash_rows.add(rows, file, reason, now=core.now(), kept_for=timedelta(days=core.settings.trash_days))
    _delete_row(rows, file)
    return None


def _tell(rows: Executor, file: FileRecord, reason: TrashReason, *, at: datetime, is_kept: bool) -> None:
    if reason is TrashReason.REPLACED:  # which is told of the file that comes
        if _is_finished(file):
            facts.file_replaced(rows, file, at=at)
    elif _is_finished(file):
        facts.file_deleted(rows, file, at=at, is_permanent=not is_kept)
    else:
        facts.upload_cancelled(rows, file, at=at)


def _is_finished(file: FileRecord) -> bool:
    """Whether it is whole, for all that is known."""
    return file.is_complete or (file.is_in_doubt and file.is_due)


def _is_kept(file: FileRecord, core: Core, *, is_permanent: bool) -> bool:
    """Whether a file goes into the trash: it is finished, and the trash is kept and wanted."""
    return _is_finished(file) and core.settings.trash_days > 0 and not is_permanent
