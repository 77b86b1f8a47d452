"""The rows of folders, and the lock under which names are given out.

A folder is a row of `files` that holds its name as a file does: the one unique index over folder and label is what
keeps a path from being both. Files know the folder that they lie in and their last label; only folders know whole
paths. So a move changes the folder and those in it, and no file.
"""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect, PreparedWrite
from transfer_service.errors import NameTaken
from transfer_service.models.files import File, FileState, Folder, folded
from transfer_service.wire.filenames import split_name

A_FILE_HAS_IT, A_FOLDER_HAS_IT = "A file has this name", "A folder has this name"

_files, _folders = File.__table__, Folder.__table__
_LOCK_NAMES = select(func.pg_advisory_xact_lock(bindparam("key")))
_IN_FOLDER = select(_folders.c.id).where(
    _folders.c.account_id == bindparam("account_id"), _folders.c.path == bindparam("folder")
)
_ID = PreparedSelect(_IN_FOLDER.add_columns(_folders.c.is_kept))
_FOLDER = PreparedSelect(
    select(_folders, _files.c.folder_id.label("parent_id"), _files.c.created_at)
    .join(_files, _files.c.id == _folders.c.id)
    .where(_folders.c.account_id == bindparam("account_id"), _folders.c.path == bindparam("folder"))
)
_ROW = PreparedSelect(
    select(_files.c.folder_id.label("parent_id"), _folders.c.is_kept)
    .join(_folders, _folders.c.id == _files.c.id)
    .where(_files.c.id == bindparam("folder_id"))
)
_CHILD = PreparedSelect(select(_files.c.id).where(_files.c.folder_id == bindparam("folder_id")).limit(1))
_ANY = PreparedSelect(select(_folders.c.id).where(_folders.c.account_id == bindparam("account_id")).limit(1))
_KEEP = PreparedWrite(update(_folders).where(_folders.c.id == bindparam("folder_id")).values(is_kept=True))
_DELETE = PreparedWrite(delete(_files).where(_files.c.id == bindparam("folder_id")))
_INSERT_PLACE, _INSERT = PreparedWrite(insert(_files)), PreparedWrite(insert(_folders))
_PLACE: dict[str, Any] = {
    "holds_name": True,
    "media_type": "",
    "state": FileState.FOLDER,
    "length": None,
    "length_declared": False,
    "received_bytes": 0,
    "reserved_bytes": 0,
    "sha256": None,
    "crc32": None,
    "unflushed_boot": None,
    "origin_id": None,
    "completed_at": None,
}


class ByName:
    """A SELECT for what holds a name of an account, whether it lies at the top or in a folder."""

    def __init__(self, statement: Any) -> None:
        """`statement` reads `files`, and takes a condition on them by `where`, or as the end of an outer join."""
        self._at_top = PreparedSelect(statement(_HOLDS_AT_TOP))
        self._in_folder = PreparedSelect(statement(_HOLDS_IN_FOLDER))

    def find(self, rows: Executor, account_id: uuid.UUID, name: str) -> Any | None:
        """The row, None if there is none."""
        folder, label = split_name(name)
        parameters = {"account_id": account_id, "label": label}
        if not folder:
            return self._at_top.find(rows, parameters)
        return self._in_folder.find(rows, {**parameters, "folder": f"{folder}/"})


_HOLDS_AT_TOP = and_(
    _files.c.account_id == bindparam("account_id"),
    _files.c.folder_id.is_(None),
    _files.c.name == bindparam("label"),
    _files.c.holds_name,
)
_HOLDS_IN_FOLDER = and_(
    _files.c.folder_id == _IN_FOLDER.scalar_subquery(), _files.c.name == bindparam("label"), _files.c.holds_name
)
_HOLDER = ByName(lambda holds: select(_files.c.id, _files.c.state).where(holds))


def lock_names(rows: Executor, account_id: uuid.UUID) -> None:
    """Names are given out one at a time: nobody else gives or frees one of this account's until the transaction ends.

    The first lock of every transaction that takes it, see `docs/architecture.md`. In SQLite a write transaction is
    alone as it is.
    """
    connection = rows if isinstance(rows, Connection) else rows.connection()
    if connection.dialect.name == "postgresql":
        rows.execute(_LOCK_NAMES, {"key": int.from_bytes(account_id.bytes[:8], "big", signed=True)})


def find_holder(rows: Executor, account_id: uuid.UUID, name: str) -> Any | None:
    """What holds a name, visible or not: the `id` and the `state` of a file or a folder."""
    return _HOLDER.find(rows, account_id, name)


def find_folder(rows: Executor, account_id: uuid.UUID, path: str) -> Any | None:
    """The row of the folder at a path, without the `/` behind it, with its `parent_id` and `created_at`."""
    return _FOLDER.find(rows, {"account_id": account_id, "folder": f"{path}/"})


def has_any_folder(rows: Executor, account_id: uuid.UUID) -> bool:
    """Whether an account has folders at all."""
    return _ANY.find(rows, {"account_id": account_id}) is not None


def open_folder(
    rows: Executor, account_id: uuid.UUID, path: str, now: datetime, *, is_kept: bool = False
) -> uuid.UUID | None:
    """The id of the folder at a path, made with its parents where there is none; None for the top, the empty path.

    `is_kept` lets it stay until somebody deletes it. Only under `lock_names`. Raises NameTaken where a file is in the
    way.
    """
    if not path:
        return None
    found = _ID.find(rows, {"account_id": account_id, "folder": f"{path}/"})
    if found is not None:
        if is_kept and not found.is_kept:
            keep(rows, found.id)
        folder_id: uuid.UUID = found.id
        return folder_id
    parent, label = split_name(path)
    parent_id = open_folder(rows, account_id, parent, now, is_kept=is_kept)
    folder_id = uuid.uuid4()
    own = {"id": folder_id, "account_id": account_id}
    place = {"folder_id": parent_id, "name": label, "folded_name": folded(label), "created_at": now, "updated_at": now}
    try:
        _INSERT_PLACE.run(rows, {**_PLACE, **own, **place})
    except IntegrityError as error:
        if "foreign key" in str(error.orig).lower():  # the account is gone
            raise
        raise NameTaken(A_FILE_HAS_IT) from error
    path_ = {"path": f"{path}/", "folded_path": folded(f"{path}/")}
    _INSERT.run(rows, {**own, **path_, "is_kept": is_kept, "moved_at": None})
    return folder_id


def keep(rows: Executor, folder_id: uuid.UUID | None) -> None:
    """Let a folder stay, and those that it lies in, until somebody deletes it. Only under `lock_names`."""
    while folder_id is not None:
        row = _ROW.find(rows, {"folder_id": folder_id})
        if row is None or row.is_kept:
            return
        _KEEP.run(rows, {"folder_id": folder_id})
        folder_id = row.parent_id


def prune(rows: Executor, folder_id: uuid.UUID | None) -> None:
    """Remove a folder that nothing is in any more and that is not to stay, and so on upwards. Only under `lock_names`.

    For an upload that leaves without having become a file: it takes along what came with it.
    """
    while folder_id is not None:
        row = _ROW.find(rows, {"folder_id": folder_id})
        if row is None or row.is_kept or _CHILD.find(rows, {"folder_id": folder_id}) is not None:
            return
        _DELETE.run(rows, {"folder_id": folder_id})
        folder_id = row.parent_id


def is_below(path: str) -> ColumnElement[bool]:
    """Whether a row of `folders` is the one at a path, without the `/` behind it, or lies in that."""
    return and_(_folders.c.path >= f"{path}/", _folders.c.path < f"{path}{chr(ord('/') + 1)}")
