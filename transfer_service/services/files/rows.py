"""Prepared statements on files, for the paths that every chunk and every status takes.

SQLAlchemy spends more on building a statement than SQLite on running it, so these are built once, on the tables.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast

from sqlalchemy import and_, bindparam, literal_column, or_, select, update

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect
from transfer_service.models.accounts import Account
from transfer_service.models.files import File, FileState, ReceivedRange

_files = File.__table__
_accounts = Account.__table__
_ranges = ReceivedRange.__table__


class FileFacts(Protocol):
    """A row of `files`, however it was read."""

    @property
    def id(self) -> uuid.UUID: ...  # noqa: D102
    @property
    def account_id(self) -> uuid.UUID: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def media_type(self) -> str: ...  # noqa: D102
    @property
    def state(self) -> FileState: ...  # noqa: D102
    @property
    def length(self) -> int | None: ...  # noqa: D102
    @property
    def length_declared(self) -> bool: ...  # noqa: D102
    @property
    def received_bytes(self) -> int: ...  # noqa: D102
    @property
    def reserved_bytes(self) -> int: ...  # noqa: D102
    @property
    def sha256(self) -> str | None: ...  # noqa: D102
    @property
    def unflushed_boot(self) -> str | None: ...  # noqa: D102
    @property
    def created_at(self) -> datetime: ...  # noqa: D102
    @property
    def updated_at(self) -> datetime: ...  # noqa: D102
    @property
    def completed_at(self) -> datetime | None: ...  # noqa: D102


# A row without bytes is an upload whose first chunk has not been accepted yet: nobody sees it.
is_visible = and_(_files.c.holds_name, or_(_files.c.received_bytes > 0, _files.c.state == FileState.COMPLETE))
"""The files that their owner sees."""
is_receiving = _files.c.state == literal_column("'receiving'")
"""The unfinished ones, in the words of their index `ix_files_receiving`: with a parameter it is not used."""

_from_start = _files.outerjoin(_ranges, and_(_ranges.c.file_id == _files.c.id, _ranges.c.start == 0))
select_with_prefix = select(_files, _ranges.c.stop.label("prefix")).select_from(_from_start)
"""Files, each with the end of what it has without a gap."""

_VISIBLE_BY_NAME = PreparedSelect(
    select_with_prefix.where(
        is_visible, _files.c.account_id == bindparam("account_id"), _files.c.name == bindparam("name")
    )
)
_VISIBLE_BY_ID = PreparedSelect(select_with_prefix.where(is_visible, _files.c.id == bindparam("file_id")))
_HELD = (
    select(_files, _accounts.c.used_bytes)
    .select_from(
        _accounts.outerjoin(
            _files,
            and_(_files.c.account_id == _accounts.c.id, _files.c.name == bindparam("name"), _files.c.holds_name),
        )
    )
    .where(_accounts.c.id == bindparam("account_id"))
)
_ID_BY_NAME = PreparedSelect(
    select(_files.c.id).where(
        _files.c.account_id == bindparam("account_id"), _files.c.name == bindparam("name"), _files.c.holds_name
    )
)
_EXISTS = select(_files.c.id).where(_files.c.id == bindparam("file_id"))
_LOCKED = select(_files).where(_files.c.id == bindparam("file_id")).with_for_update()
_PROGRESS = (
    update(_files)
    .where(_files.c.id == bindparam("file_id"))
    .values(
        state=bindparam("to_state"),
        length=bindparam("to_length"),
        length_declared=bindparam("to_declared"),
        received_bytes=bindparam("to_received"),
        reserved_bytes=bindparam("to_reserved"),
        sha256=bindparam("to_sha256"),
        unflushed_boot=bindparam("to_unflushed_boot"),
        updated_at=bindparam("to_updated_at"),
        completed_at=bindparam("to_completed_at"),
    )
)

_TOUCH = (
    update(_files).where(_files.c.id == bindparam("file_id")).values(updated_at=bindparam("at")).returning(_files.c.id)
)


@dataclass(frozen=True, slots=True)
class Progress:
    """What a chunk changes in a file's row."""

    state: FileState
    length: int | None
    length_declared: bool
    received_bytes: int
    reserved_bytes: int
    sha256: str | None
    unflushed_boot: str | None
    updated_at: datetime
    completed_at: datetime | None


def is_in_doubt(file: FileFacts) -> bool:
    """Whether the file was finished, and a power loss may have taken bytes of it: then its SHA-256 tells."""
    return file.state is FileState.RECEIVING and file.sha256 is not None


def find_visible(rows: Executor, account_id: uuid.UUID, name: str) -> tuple[FileFacts, int] | None:
    """The account's file of that name and the end of what it has without a gap."""
    return _with_prefix(_VISIBLE_BY_NAME.find(rows, {"account_id": account_id, "name": name}))


def find_visible_by_id(rows: Executor, file_id: uuid.UUID) -> tuple[FileFacts, int] | None:
    """The file of that id and the end of what it has without a gap."""
    return _with_prefix(_VISIBLE_BY_ID.find(rows, {"file_id": file_id}))


def _with_prefix(row: Any | None) -> tuple[FileFacts, int] | None:
    return (row, row.prefix or 0) if row is not None else None


def find_held(rows: Executor, account_id: uuid.UUID, name: str) -> tuple[FileFacts | None, int]:
    """The account's file of that name, visible or not, and the bytes that the account has reserved."""
    row = rows.execute(_HELD, {"account_id": account_id, "name": name}).one_or_none()
    if row is None:
        return None, 0
    return (cast(FileFacts, row) if row.id is not None else None), row.used_bytes


def find_id(rows: Executor, account_id: uuid.UUID, name: str) -> uuid.UUID | None:
    """The id of the account's file of that name, visible or not."""
    row = _ID_BY_NAME.find(rows, {"account_id": account_id, "name": name})
    return None if row is None else cast(uuid.UUID, row.id)


def exists(rows: Executor, file_id: uuid.UUID) -> bool:
    """Whether there is still such a file."""
    return rows.execute(_EXISTS, {"file_id": file_id}).one_or_none() is not None


def lock(rows: Executor, file_id: uuid.UUID) -> FileFacts | None:
    """The file of that id, which nobody else may change before the transaction ends."""
    return cast(FileFacts | None, rows.execute(_LOCKED, {"file_id": file_id}).one_or_none())


def record(rows: Executor, file_id: uuid.UUID, progress: Progress) -> None:
    """Write a chunk's changes."""
    values = {
        "file_id": file_id,
        "to_state": progress.state,
        "to_length": progress.length,
        "to_declared": progress.length_declared,
        "to_received": progress.received_bytes,
        "to_reserved": progress.reserved_bytes,
        "to_sha256": progress.sha256,
        "to_unflushed_boot": progress.unflushed_boot,
        "to_updated_at": progress.updated_at,
        "to_completed_at": progress.completed_at,
    }
    rows.execute(_PROGRESS, values)


def touch(rows: Executor, file_id: uuid.UUID, now: datetime) -> bool:
    """Record that something happens to a file. Whether there is such a file."""
    return rows.execute(_TOUCH, {"file_id": file_id, "at": now}).one_or_none() is not None
