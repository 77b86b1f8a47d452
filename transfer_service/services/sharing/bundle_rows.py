"""The rows that bundles are made of: files by their ids, many at once, and what lies in folders."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    Connection,
    Select,
    Uuid,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
)

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect
from transfer_service.models.bundles import Bundle
from transfer_service.models.files import File, FileState, Folder
from transfer_service.services.files.folder_rows import is_below
from transfer_service.services.files.rows import is_due

_bundles, _files, _folders = Bundle.__table__, File.__table__, Folder.__table__
_is_complete = _files.c.state == literal_column("'complete'")
_COLUMNS = (
    _files.c.id, _files.c.name, _files.c.state, _files.c.length, _files.c.sha256, _files.c.crc32, _files.c.completed_at,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that may go into a bundle. `label` is the last one of its name, `folder` the path that it lies in."""

    id: uuid.UUID
    label: str
    state: FileState
    length: int | None
    sha256: str | None
    crc32: int | None
    completed_at: datetime | None
    folder: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether it may be read."""
        return self.state is FileState.COMPLETE


@dataclass(frozen=True, slots=True)
class FoundFolder:
    """A folder by its whole path."""

    path: str
    created_at: datetime


def _among(is_sqlite: bool) -> Any:
    """The ids of a list that is one parameter: ten thousand of them would be too many, or slow."""
    if is_sqlite:
        return select(func.json_each(bindparam("ids")).table_valued("value").c.value)
    return select(func.unnest(cast(bindparam("ids"), ARRAY(Uuid()))))


def _list(rows: Executor, ids: Sequence[uuid.UUID]) -> tuple[bool, Any]:
    """Whether the database is SQLite, and the parameter for it."""
    connection = rows if isinstance(rows, Connection) else rows.connection()
    is_sqlite = connection.dialect.name == "sqlite"
    return is_sqlite, json.dumps([each.hex for each in ids]) if is_sqlite else list(ids)


def _by_ids(statement: Select[Any]) -> dict[bool, Select[Any]]:
    is_own = _files.c.account_id == bindparam("account_id")
    return {kind: statement.where(_files.c.id.in_(_among(kind)), is_own, _files.c.holds_name) for kind in (True, False)}


_FIND = _by_ids(select(*_COLUMNS).where(_is_complete))
_COUNT = _by_ids(select(func.count()).select_from(_files).where(_is_complete))
_DUE = _by_ids(select(_files.c.id).where(is_due(_files.c)))
_BUNDLE = PreparedSelect(select(_bundles).where(_bundles.c.id == bindparam("bundle_id")))


def find_whole_files(rows: Executor, account_id: uuid.UUID, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, FoundFile]:
    """Those of the account's files that have these ids and are whole."""
    is_sqlite, value = _list(rows, ids)
    found = rows.execute(_FIND[is_sqlite], {"ids": value, "account_id": account_id})
    return {row.id: FoundFile(*row) for row in found}


def are_readable(rows: Executor, account_id: uuid.UUID, ids: Sequence[uuid.UUID]) -> bool:
    """Whether all of them are whole files of the account."""
    is_sqlite, value = _list(rows, ids)
    found: int = rows.execute(_COUNT[is_sqlite], {"ids": value, "account_id": account_id}).scalar_one()
    return found == len(ids)


def find_due_files(rows: Executor, account_id: uuid.UUID, ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """Those of the account's files that have these ids and lack only the last step."""
    is_sqlite, value = _list(rows, ids)
    return list(rows.execute(_DUE[is_sqlite], {"ids": value, "account_id": account_id}).scalars())


def find_files_below(rows: Executor, account_id: uuid.UUID, path: str, *, limit: int) -> list[FoundFile]:
    """The files in a folder and below it that are whole, or lack only the last step, in the order of their paths."""
    statement = (
        select(*_COLUMNS, _folders.c.path)
        .select_from(_folders.join(_files, _files.c.folder_id == _folders.c.id))
        .where(_folders.c.account_id == account_id, is_below(path), _files.c.holds_name)
        .where(or_(_is_complete, is_due(_files.c)))
        .order_by(_folders.c.path, _files.c.name)
        .limit(limit)
    )
    return [FoundFile(*row[:-1], row.path.removesuffix("/")) for row in rows.execute(statement)]


def find_folders_below(rows: Executor, account_id: uuid.UUID, path: str, *, limit: int) -> list[FoundFolder]:
    """A folder and those below it, in the order of their paths."""
    statement = (
        select(_folders.c.path, _files.c.created_at)
        .select_from(_folders.join(_files, _files.c.id == _folders.c.id))
        .where(_folders.c.account_id == account_id, is_below(path))
        .order_by(_folders.c.path)
        .limit(limit)
    )
    return [FoundFolder(found.removesuffix("/"), created_at) for found, created_at in rows.execute(statement)]


def add(rows: Executor, bundle: dict[str, Any]) -> None:
    """Insert a row of `bundles`."""
    rows.execute(insert(_bundles), bundle)


def find(rows: Executor, bundle_id: uuid.UUID) -> Any | None:
    """The row of a bundle, expired or not."""
    return _BUNDLE.find(rows, {"bundle_id": bundle_id})


def remove_expired(rows: Executor, ids: Sequence[uuid.UUID], now: datetime) -> int:
    """Delete those of some bundles that have expired, and tell how many that were."""
    statement = delete(_bundles).where(_bundles.c.id.in_(ids), _bundles.c.expires_at <= now)
    return len(rows.execute(statement.returning(_bundles.c.id)).all())
