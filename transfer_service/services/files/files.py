"""The files of an account: what there is, how far it got, and who may read it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from sqlalchemy import delete

from transfer_service.db.database import Executor
from transfer_service.errors import BytesLost, Forbidden, NotComplete, NotFound, StorageFull
from transfer_service.models.files import File, FileState, ReceivedRange
from transfer_service.services.core import Core
from transfer_service.services.files import dates as file_dates
from transfer_service.services.files import discards
from transfer_service.services.files import received_ranges as intervals
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.finishing import Completion
from transfer_service.services.files.rows import FileFacts
from transfer_service.services.limits import Space
from transfer_service.wire.ranges import Span

MAX_MISSING = 100

_files = File.__table__
_ranges = ReceivedRange.__table__


class ReservedFile(Protocol):
    """Whatever tells which file it is, and what it reserves."""

    @property
    def id(self) -> uuid.UUID: ...  # noqa: D102
    @property
    def account_id(self) -> uuid.UUID: ...  # noqa: D102
    @property
    def reserved_bytes(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class FileStatus:
    """How far a file got. `next_expected` is its first missing byte; `length` may still be a guess."""

    file_id: uuid.UUID
    name: str
    media_type: str
    is_complete: bool
    length: int | None
    is_length_declared: bool
    received_bytes: int
    reserved_bytes: int
    next_expected: int
    sha256: str | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


def status_of(file: FileFacts, next_expected: int) -> FileStatus:
    """The status in a row and the first gap that was read with it."""
    return FileStatus(
        file_id=file.id,
        name=file.name,
        media_type=file.media_type,
        is_complete=file.state is FileState.COMPLETE,
        length=file.length,
        is_length_declared=file.length_declared,
        received_bytes=file.received_bytes,
        reserved_bytes=file.reserved_bytes,
        next_expected=next_expected,
        sha256=file.sha256,
        created_at=file.created_at,
        updated_at=file.updated_at,
        completed_at=file.completed_at,
    )


class FileService:
    """Reading, listing and deleting files."""

    def __init__(self, core: Core, *, completion: Completion) -> None:
        self._database = core.database
        self._store = core.store
        self._space = core.space
        self._completion = completion
        self._offload = core.offload

    def find(self, account_id: uuid.UUID, name: str) -> FileStatus | None:
        """The account's file of that name, None where nothing of it is stored."""
        with self._database.read_rows() as rows:
            found = file_rows.find_visible(rows, account_id, name)
        return self._settled(found)

    def find_by_name_or_id(self, account_id: uuid.UUID, name: str) -> FileStatus | None:
        """The account's file of that name or else of that UUID."""
        found = self.find(account_id, name)
        file_id = parse_file_id(name)
        if found is not None or file_id is None:
            return found
        by_id = self._find_by_id(file_id)
        return self._settled(by_id) if by_id and by_id[0].account_id == account_id else None

    def get(self, account_id: uuid.UUID, file_id: uuid.UUID) -> FileStatus:
        """The account's file of that UUID. Raises NotFound."""
        found = self._find_by_id(file_id)
        status = self._settled(found) if found and found[0].account_id == account_id else None
        if status is None:
            raise NotFound("File not found")
        return status

    def _find_by_id(self, file_id: uuid.UUID) -> tuple[FileFacts, int] | None:
        with self._database.read_rows() as rows:
            return file_rows.find_visible_by_id(rows, file_id)

    def _settled(self, found: tuple[FileFacts, int] | None) -> FileStatus | None:
        """The status of what was found; a file that a crash left one step before completion takes that step now."""
        if found is None:
            return None
        if not self._completion.is_due(found[0]):
            return status_of(*found)
        self.finish(found[0])
        finished = self._find_by_id(found[0].id)
        return status_of(*finished) if finished else None

    def finish(self, file: FileFacts) -> None:
        """Complete a file if it is due, or let go of it if a power loss has taken what it was. Raises BlobMissing."""
        try:
            self._completion.finish(file.id)
        except BytesLost:
            self._let_go(file)

    def _let_go(self, file: FileFacts) -> None:
        with self._database.write(durable=True) as session:
            current = session.get(File, file.id, with_for_update=True)
            if current is None or not file_rows.is_in_doubt(current):
                return
            remove_row(session, current, self._space)
        structlog.get_logger().warning("file_lost", file_id=str(file.id))
        self.discard_blob(file.id)

    def is_there(self, file_id: uuid.UUID) -> bool:
        """Whether the file still exists."""
        with self._database.read_rows() as rows:
            return file_rows.exists(rows, file_id)

    def missing(self, status: FileStatus) -> list[Span]:
        """The first hundred gaps of a file."""
        if status.is_complete or status.length is None:
            return []
        with self._database.read_rows() as rows:
            spans = intervals.first_spans(rows, status.file_id, limit=MAX_MISSING + 1)
        length = status.length if len(spans) <= MAX_MISSING else spans[-1].start
        return intervals.gaps(spans, length)[:MAX_MISSING]

    def received(self, status: FileStatus) -> list[Span]:
        """Everything that is stored, merged and sorted."""
        with self._database.read_rows() as rows:
            return intervals.all_spans(rows, status.file_id)

    @contextmanager
    def in_use(self, account_id: uuid.UUID, name: str) -> Iterator[None]:
        """Keep what is stored under a name from being removed for resting too long until the block ends.

        For a request that will append to it, from its first byte on. Raises RangeBusy.
        """
        with self._database.read_rows() as rows:
            file_id = file_rows.find_id(rows, account_id, name)
        with nullcontext() if file_id is None else self._store.in_use(file_id):
            yield

    def delete(self, account_id: uuid.UUID, name: str) -> None:
        """Remove a file by its name or else its UUID, finished or not; an upload of it ends. Raises NotFound."""
        try:
            self.discard_blob(self._remove_row(account_id, name))
        except StorageFull:  # not even room for the deletion: what is to go anyway makes it
            status = self.find_by_name_or_id(account_id, name)
            if status is not None:
                self.discard_blob(status.file_id)
            self._remove_row(account_id, name)

    def _remove_row(self, account_id: uuid.UUID, name: str) -> uuid.UUID:
        with self._database.write(durable=True) as session:  # or the row may come back without its bytes
            found = file_rows.find_visible(session, account_id, name)
            file_id = found[0].id if found else parse_file_id(name)
            if found is None and file_id is not None:
                found = file_rows.find_visible_by_id(session, file_id)
            file = session.get(File, file_id, with_for_update=True) if found else None
            if file is None or file.account_id != account_id:
                raise NotFound(f"File {name} not found")
            remove_row(session, file, self._space)
            return file.id

    def discard_blob(self, file_id: uuid.UUID) -> int:
        """Free the bytes of a file whose row is gone, and tell how many."""
        self._completion.forget(file_id)
        return self._offload(lambda: self._store.delete(file_id))

    def get_readable(self, account_id: uuid.UUID, name: str) -> FileStatus:
        """The whole file of that name, or else of that UUID. Raises NotFound, NotComplete."""
        return _readable(self.find_by_name_or_id(account_id, name), f"File {name} not found")

    def get_readable_by_name_or_id(self, account_id: uuid.UUID, name: str) -> FileStatus:
        """The whole file of that name or UUID. Raises NotFound, also for one that is not complete."""
        status = self.find_by_name_or_id(account_id, name)
        return _readable(status if status and status.is_complete else None, "File not found")

    def get_readable_by_id(self, account_id: uuid.UUID, file_id: str) -> FileStatus:
        """The whole file of that UUID. Raises NotFound, NotComplete, and Forbidden where it is another account's."""
        identifier = parse_file_id(file_id)
        if identifier is None:
            raise NotFound("File not found")
        found = self._find_by_id(identifier)
        if found is not None and found[0].account_id != account_id:
            raise Forbidden
        return _readable(self._settled(found), "File not found")


def _readable(status: FileStatus | None, detail: str) -> FileStatus:
    if status is None:
        raise NotFound(detail)
    if not status.is_complete:
        raise NotComplete
    return status


def parse_file_id(value: str) -> uuid.UUID | None:
    """A UUID in its usual form, None for anything else that `uuid.UUID` would also take."""
    try:
        parsed = uuid.UUID(value)
    except ValueError:
        return None
    return parsed if str(parsed) == value.lower() else None


def remove_row(rows: Executor, file: ReservedFile, space: Space) -> None:
    """Delete a file's facts in the caller's transaction and give its room back; the blob is the caller's to discard."""
    space.reserve(rows, file.account_id, -file.reserved_bytes)
    file_dates.retire(rows, file.id)
    discards.remember(rows, [file.id.hex])
    rows.execute(delete(_ranges).where(_ranges.c.file_id == file.id))
    rows.execute(delete(_files).where(_files.c.id == file.id))
