"""The record of a file, and prepared statements on it for the paths that every chunk and every status takes.

SQLAlchemy spends more on building a statement than SQLite on running it, so these are built once, on the tables.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, cast

from sqlalchemy import and_, bindparam, func, insert, literal_column, or_, select, update

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect, PreparedWrite
from transfer_service.models.accounts import Account
from transfer_service.models.files import File, FileState, ReceivedRange, folded

_files = File.__table__
_accounts = Account.__table__
_ranges = ReceivedRange.__table__


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A row of `files`.

    `next_expected` is the first missing byte. It is read with the row by those statements here that find visible files,
    and 0 otherwise.
    """

    id: uuid.UUID
    account_id: uuid.UUID
    name: str
    holds_name: bool
    media_type: str
    created_at: datetime
    updated_at: datetime
    state: FileState = FileState.RECEIVING
    length: int | None = None
    length_declared: bool = False
    received_bytes: int = 0
    reserved_bytes: int = 0
    sha256: str | None = None
    unflushed_boot: str | None = None
    completed_at: datetime | None = None
    next_expected: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether it may be read."""
        return self.state is FileState.COMPLETE

    @property
    def is_due(self) -> bool:
        """Whether every byte is there and only the last step is missing. See `is_due`."""
        return bool(is_due(self))

    @property
    def is_in_doubt(self) -> bool:
        """Whether it was finished, and a power loss may have taken bytes of it: then its SHA-256 tells."""
        return self.state is FileState.RECEIVING and self.sha256 is not None


def is_due(file: Any) -> Any:
    """Whether every byte of a file is there and only the last step is missing: of a record, or the columns."""
    return (file.state == FileState.RECEIVING) & (file.received_bytes == file.length)


COLUMNS = [_files.c[each.name] for each in fields(FileRecord) if each.name in _files.c]
"""What a record is made of, in its order."""

# A row without bytes is an upload whose first chunk has not been accepted yet: nobody sees it.
_is_complete = _files.c.state == literal_column("'complete'")
is_visible = and_(_files.c.holds_name, or_(_files.c.received_bytes > 0, _is_complete))
"""The files that their owner sees.

SQLite compiles a statement anew, each time it runs, that compares the column of a partial index with a parameter:
three times the price of the row.
"""
is_receiving = _files.c.state == literal_column("'receiving'")
"""The unfinished ones, in the words of their index `ix_files_receiving`: with a parameter it is not used."""

_from_start = _files.outerjoin(_ranges, and_(_ranges.c.file_id == _files.c.id, _ranges.c.start == 0))
select_records = select(*COLUMNS, func.coalesce(_ranges.c.stop, 0).label("next_expected")).select_from(_from_start)
"""The columns of a whole record."""

_VISIBLE_BY_NAME = PreparedSelect(
    select_records.where(is_visible, _files.c.account_id == bindparam("account_id"), _files.c.name == bindparam("name"))
)
_VISIBLE_BY_ID = PreparedSelect(select_records.where(is_visible, _files.c.id == bindparam("file_id")))
_HELD = PreparedSelect(
    select(_accounts.c.used_bytes, *COLUMNS)
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
_EXISTS = PreparedSelect(select(_files.c.id).where(_files.c.id == bindparam("file_id")))
_by_id = select(*COLUMNS).where(_files.c.id == bindparam("file_id"))
_BY_ID, _LOCKED = PreparedSelect(_by_id), PreparedSelect(_by_id.with_for_update())
_PROGRESS = (
    "state", "length", "length_declared", "received_bytes", "reserved_bytes", "sha256", "unflushed_boot", "updated_at",
    "completed_at",
)  # fmt: skip
_CHANGEABLE = ("name", "holds_name", "media_type", *_PROGRESS)
_of_file = update(_files).where(_files.c.id == bindparam("file_id"))
_SAVE_PROGRESS = PreparedWrite(_of_file.values({name: bindparam(f"to_{name}") for name in _PROGRESS}))
_SAVE = PreparedWrite(_of_file.values({name: bindparam(f"to_{name}") for name in (*_CHANGEABLE, "folded_name")}))
_TOUCH = PreparedWrite(_of_file.values(updated_at=bindparam("at")))
_INSERT = PreparedWrite(insert(_files))


def find_visible(rows: Executor, account_id: uuid.UUID, name: str) -> FileRecord | None:
    """The account's file of that name."""
    return _record(_VISIBLE_BY_NAME.find(rows, {"account_id": account_id, "name": name}))


def find_visible_by_id(rows: Executor, file_id: uuid.UUID) -> FileRecord | None:
    """The file of that id."""
    return _record(_VISIBLE_BY_ID.find(rows, {"file_id": file_id}))


def find(rows: Executor, file_id: uuid.UUID) -> FileRecord | None:
    """The file of that id, visible or not."""
    return _record(_BY_ID.find(rows, {"file_id": file_id}))


def find_held(rows: Executor, account_id: uuid.UUID, name: str) -> tuple[FileRecord | None, int]:
    """The account's file of that name, visible or not, and the bytes that the account has reserved."""
    row = _HELD.find(rows, {"account_id": account_id, "name": name})
    if row is None:
        return None, 0
    used_bytes, *values = row
    return (FileRecord(*values) if row.id is not None else None), used_bytes


def _record(row: Any | None) -> FileRecord | None:
    return FileRecord(*row) if row is not None else None


def find_id(rows: Executor, account_id: uuid.UUID, name: str) -> uuid.UUID | None:
    """The id of the account's file of that name, visible or not."""
    row = _ID_BY_NAME.find(rows, {"account_id": account_id, "name": name})
    return None if row is None else cast(uuid.UUID, row.id)


def exists(rows: Executor, file_id: uuid.UUID) -> bool:
    """Whether there is still such a file."""
    return _EXISTS.find(rows, {"file_id": file_id}) is not None


def lock(rows: Executor, file_id: uuid.UUID) -> FileRecord | None:
    """The file of that id, which nobody else may change before the transaction ends."""
    return _record(_LOCKED.find(rows, {"file_id": file_id}))


def add(rows: Executor, file: FileRecord) -> None:
    """Insert a row: the one place where files begin."""
    values = {column.name: getattr(file, column.name) for column in COLUMNS}
    _INSERT.run(rows, {**values, "folded_name": folded(file.name)})


def save_progress(rows: Executor, file: FileRecord) -> None:
    """Write what arriving bytes change. What a file is called is left alone: it is in indexes that cost time."""
    _SAVE_PROGRESS.run(rows, _parameters(file, _PROGRESS))


def save(rows: Executor, file: FileRecord) -> None:
    """Write everything that can change."""
    _SAVE.run(rows, {**_parameters(file, _CHANGEABLE), "to_folded_name": folded(file.name)})


def _parameters(file: FileRecord, columns: Sequence[str]) -> dict[str, Any]:
    return {"file_id": file.id, **{f"to_{name}": getattr(file, name) for name in columns}}


def touch(rows: Executor, file_id: uuid.UUID, now: datetime) -> bool:
    """Record that something happens to a file. Whether there is such a file."""
    return bool(_TOUCH.run(rows, {"file_id": file_id, "at": now}))
