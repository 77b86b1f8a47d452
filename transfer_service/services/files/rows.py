"""The record of a file, and prepared statements on it for the paths that every chunk and every status takes.

SQLAlchemy spends more on building a statement than SQLite on running it, so these are built once, on the tables.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect, PreparedWrite
from transfer_service.errors import NameTaken
from transfer_service.models.accounts import Account
from transfer_service.models.files import File, FileState, Folder, ReceivedRange, folded
from transfer_service.services.core import Taken
from transfer_service.services.files.folder_rows import (
    A_FOLDER_HAS_IT,
    ByName,
    find_holder,
    keep,
    lock_names,
    open_folder,
)
from transfer_service.wire.filenames import split_name

_files = File.__table__
_accounts = Account.__table__
_ranges = ReceivedRange.__table__
_folders = Folder.__table__


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A row of `files` that is a file, with its whole name.

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
    crc32: int | None = None
    unflushed_boot: str | None = None
    completed_at: datetime | None = None
    folder_id: uuid.UUID | None = None
    origin_id: uuid.UUID | None = None
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


WHOLE_NAME: ColumnElement[str] = func.coalesce(_folders.c.path, literal_column("''")) + _files.c.name
DATE: ColumnElement[datetime | None] = case(
    (_folders.c.moved_at > _files.c.completed_at, _folders.c.moved_at), else_=_files.c.completed_at
)
_WHOLE = {"name": WHOLE_NAME.label("name"), "completed_at": DATE.label("completed_at")}
_NAMES = [each.name for each in fields(FileRecord) if each.name in _files.c]
COLUMNS: list[Any] = [_WHOLE.get(name, _files.c[name]) for name in _NAMES]
"""What a record is made of, in its order, where the table is joined with that of `folders`."""
_STORED = [name for name in _NAMES if name not in {"name", "folder_id"}]


def in_folders(files: FromClause) -> FromClause:
    """`files` with the rows of the folders that they lie in."""
    return files.outerjoin(_folders, _folders.c.id == _files.c.folder_id)


# A row without bytes is an upload whose first chunk has not been accepted yet: nobody sees it.
is_complete = _files.c.state == literal_column("'complete'")
"""The finished ones."""
is_visible = and_(_files.c.holds_name, or_(_files.c.received_bytes > 0, is_complete))
"""The files that their owner sees.

SQLite compiles a statement anew, each time it runs, that compares the column of a partial index with a parameter:
three times the price of the row.
"""
is_receiving = _files.c.state == literal_column("'receiving'")
"""The unfinished ones, in the words of their index `ix_files_receiving`: with a parameter it is not used."""

_from_start = in_folders(_files).outerjoin(_ranges, and_(_ranges.c.file_id == _files.c.id, _ranges.c.start == 0))
_prefix = func.coalesce(_ranges.c.stop, 0).label("next_expected")
select_records: Select[Any] = select(*COLUMNS, _prefix).select_from(_from_start)
"""The columns of a whole record."""

_VISIBLE_BY_NAME = ByName(lambda holds: select_records.where(holds, is_visible))
_VISIBLE_BY_ID = PreparedSelect(select_records.where(is_visible, _files.c.id == bindparam("file_id")))
_HELD = ByName(
    lambda holds: (
        select(_accounts.c.used_bytes, _accounts.c.quota_bytes, *COLUMNS)
        .select_from(in_folders(_accounts.outerjoin(_files, holds)))
        .where(_accounts.c.id == bindparam("account_id"))
    )
)
_ACCOUNT_OF = PreparedSelect(select(_files.c.account_id).where(_files.c.id == bindparam("file_id")))
_EXISTS = PreparedSelect(select(_files.c.id).where(_files.c.id == bindparam("file_id")))
_by_id = select(*COLUMNS).select_from(in_folders(_files)).where(_files.c.id == bindparam("file_id"))
select_for_update: Select[Any] = select(*COLUMNS).select_from(in_folders(_files)).with_for_update(of=_files)
"""The same without `next_expected`, of rows that nobody else may change before the transaction ends."""
_BY_ID, _LOCKED = PreparedSelect(_by_id), PreparedSelect(_by_id.with_for_update(of=_files))
_PROGRESS = (
    "state", "length", "length_declared", "received_bytes", "reserved_bytes", "sha256", "crc32", "unflushed_boot",
    "updated_at", "completed_at",
)  # fmt: skip
_CHANGEABLE = ("holds_name", "media_type", *_PROGRESS)
_of_file = update(_files).where(_files.c.id == bindparam("file_id"))
_SAVE_PROGRESS = PreparedWrite(_of_file.values({name: bindparam(f"to_{name}") for name in _PROGRESS}))
_SAVE = PreparedWrite(
    _of_file.values({name: bindparam(f"to_{name}") for name in (*_CHANGEABLE, "name", "folded_name", "folder_id")})
)
_TOUCH = PreparedWrite(_of_file.values(updated_at=bindparam("at")))
_INSERT = PreparedWrite(insert(_files))


def find_visible(rows: Executor, account_id: uuid.UUID, name: str) -> FileRecord | None:
    """The account's file of that name."""
    return _record(_VISIBLE_BY_NAME.find(rows, account_id, name))


def find_visible_by_id(rows: Executor, file_id: uuid.UUID) -> FileRecord | None:
    """The file of that id."""
    return _record(_VISIBLE_BY_ID.find(rows, {"file_id": file_id}))


def find(rows: Executor, file_id: uuid.UUID) -> FileRecord | None:
    """The file of that id, visible or not."""
    return _record(_BY_ID.find(rows, {"file_id": file_id}))


def find_held(rows: Executor, account_id: uuid.UUID, name: str) -> tuple[FileRecord | None, Taken]:
    """The account's file of that name, visible or not, and what the account has reserved.

    Raises NameTaken where the name is a folder's.
    """
    row = _HELD.find(rows, account_id, name)
    if row is None:
        return None, Taken(0, None)
    used_bytes, own_quota_bytes, *values = row
    if row.state is FileState.FOLDER:
        raise NameTaken(A_FOLDER_HAS_IT)
    return (FileRecord(*values) if row.id is not None else None), Taken(used_bytes, own_quota_bytes)


def _record(row: Any | None) -> FileRecord | None:
    return FileRecord(*row) if row is not None else None


def find_id(rows: Executor, account_id: uuid.UUID, name: str) -> uuid.UUID | None:
    """The id of the account's file of that name, visible or not."""
    holder = find_holder(rows, account_id, name)
    return None if holder is None or holder.state is FileState.FOLDER else holder.id


def exists(rows: Executor, file_id: uuid.UUID) -> bool:
    """Whether there is still such a file."""
    return _EXISTS.find(rows, {"file_id": file_id}) is not None


def lock(rows: Executor, file_id: uuid.UUID) -> FileRecord | None:
    """The file of that id, which nobody else may change before the transaction ends."""
    return _record(_LOCKED.find(rows, {"file_id": file_id}))


def lock_to_name(rows: Executor, file_id: uuid.UUID) -> FileRecord | None:
    """Like `lock`, for who is going to name or remove it: the account's names are locked first, as always."""
    row = _ACCOUNT_OF.find(rows, {"file_id": file_id})
    if row is None:
        return None
    lock_names(rows, row.account_id)
    return lock(rows, file_id)


def add(rows: Executor, file: FileRecord) -> None:
    """Insert a row, and the folders that its name lies in. Raises NameTaken where a file is in their way."""
    _INSERT.run(rows, {**_place(rows, file), **{name: getattr(file, name) for name in _STORED}})


def _place(rows: Executor, file: FileRecord) -> dict[str, Any]:
    """What a name is in a row. The folders of a finished file are there to stay."""
    folder, label = split_name(file.name)
    folder_id = None
    if folder:
        lock_names(rows, file.account_id)
        folder_id = open_folder(rows, file.account_id, folder, file.updated_at, is_kept=file.is_complete)
    return {"name": label, "folded_name": folded(label), "folder_id": folder_id}


def save_progress(rows: Executor, file: FileRecord) -> None:
    """Write what arriving bytes change. What a file is called is left alone: it is in indexes that cost time."""
    _SAVE_PROGRESS.run(rows, _parameters(file, _PROGRESS))
    if file.is_complete:
        keep(rows, file.folder_id)


def save(rows: Executor, file: FileRecord) -> None:
    """Write everything that can change. Raises NameTaken where a file is in the way of the name's folders."""
    values = {f"to_{name}": value for name, value in _place(rows, file).items()}
    _SAVE.run(rows, {**_parameters(file, _CHANGEABLE), **values})


def _parameters(file: FileRecord, columns: Sequence[str]) -> dict[str, Any]:
    return {"file_id": file.id, **{f"to_{name}": getattr(file, name) for name in columns}}


def touch(rows: Executor, file_id: uuid.UUID, now: datetime) -> bool:
    """Record that something happens to a file. Whether there is such a file."""
    return bool(_TOUCH.run(rows, {"file_id": file_id, "at": now}))
