"""The rows of the trash. Each takes the place of one of `files`, in one transaction, so that no file is in both.

They are changed under `lock_names` of their account only: restoring gives a name, and nobody waits for two rows.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Uuid, and_, bindparam, delete, insert, or_, select, union_all

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect, PreparedWrite
from transfer_service.models.files import File, TrashedFile, TrashReason
from transfer_service.services.files.rows import FileRecord

IN_DOUBT = "in doubt"
"""In the place of a boot: a power loss has come since, and only the file's SHA-256 tells what it has taken."""

_files, _trashed = File.__table__, TrashedFile.__table__


@dataclass(frozen=True, slots=True)
class TrashedRecord:
    """A row of `trashed_files`."""

    id: uuid.UUID
    account_id: uuid.UUID
    name: str
    media_type: str
    length: int
    length_declared: bool
    reserved_bytes: int
    sha256: str
    crc32: int | None
    unflushed_boot: str | None
    origin_id: uuid.UUID | None
    created_at: datetime
    deleted_at: datetime
    expires_at: datetime
    reason: TrashReason

    @property
    def place(self) -> tuple[datetime, uuid.UUID]:
        """Where it stands among the others, the newest deletion first."""
        return self.deleted_at, self.id


_COLUMNS = [_trashed.c[each.name] for each in fields(TrashedRecord)]
_of_id = _trashed.c.id == bindparam("file_id", type_=Uuid())
_BY_ID = PreparedSelect(select(*_COLUMNS).where(_of_id))
_here_and_there = union_all(  # in one statement: between two it could go from one to the other
    select(_files.c.id).where(_files.c.id == bindparam("file_id", type_=Uuid())),
    select(_trashed.c.id).where(_of_id),
).subquery()
_ANYWHERE = PreparedSelect(select(_here_and_there.c.id))
_INSERT = PreparedWrite(insert(_trashed))


def add(rows: Executor, file: FileRecord, reason: TrashReason, *, now: datetime, kept_for: timedelta) -> None:
    """Insert the row of a finished file, of which the caller deletes the other one."""
    values = {each.name: getattr(file, each.name) for each in fields(TrashedRecord) if hasattr(file, each.name)}
    boot = IN_DOUBT if file.is_in_doubt else file.unflushed_boot
    end = {"deleted_at": now, "expires_at": now + kept_for, "reason": reason}
    _INSERT.run(rows, {**values, **end, "unflushed_boot": boot})


def find(rows: Executor, account_id: uuid.UUID, file_id: uuid.UUID) -> TrashedRecord | None:
    """The file of that id in the account's trash."""
    row = _BY_ID.find(rows, {"file_id": file_id})
    return TrashedRecord(*row) if row is not None and row.account_id == account_id else None


def exists_anywhere(rows: Executor, file_id: uuid.UUID) -> bool:
    """Whether the bytes of that id are somebody's: of a file, or of one in the trash."""
    return _ANYWHERE.find(rows, {"file_id": file_id}) is not None


def find_page(
    rows: Executor, account_id: uuid.UUID, name: str | None, *, limit: int, after: tuple[Any, ...] | None
) -> list[TrashedRecord]:
    """The account's trash behind a place, with a `name` only what had it."""
    statement = select(*_COLUMNS).where(_trashed.c.account_id == account_id)
    if name is not None:
        statement = statement.where(_trashed.c.name == name)
    if after is not None:
        at, file_id = after
        is_behind = or_(_trashed.c.deleted_at < at, _trashed.c.id < file_id)
        statement = statement.where(and_(_trashed.c.deleted_at <= at, is_behind))
    ordered = statement.order_by(_trashed.c.deleted_at.desc(), _trashed.c.id.desc()).limit(limit)
    return [TrashedRecord(*row) for row in rows.execute(ordered)]


class Taken(NamedTuple):
    """What a row of the trash had that is gone, for `Space` and the audit log."""

    id: uuid.UUID
    account_id: uuid.UUID
    origin_id: uuid.UUID | None
    reserved_bytes: int
    sha256: str
    name: str
    length: int


def take(
    rows: Executor, account_id: uuid.UUID, file_ids: Sequence[uuid.UUID], *, expired_at: datetime | None = None
) -> list[Taken]:
    """Delete these rows of the account, with `expired_at` those whose days are over then; those that were there."""
    statement = delete(_trashed).where(_trashed.c.account_id == account_id, _trashed.c.id.in_(file_ids))
    if expired_at is not None:
        statement = statement.where(_trashed.c.expires_at <= expired_at)
    gone = rows.execute(statement.returning(*(_trashed.c[name] for name in Taken._fields)))
    return [Taken(*row) for row in gone]
