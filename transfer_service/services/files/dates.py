"""`Last-Modified` as a strong validator: two versions of one name never share a second (RFC 9110 section 8.8.2.2).

So whoever resumes with `If-Range: <date>` never gets the rest of another file. The date of a version is the instant of
its completion, or a second later than the version before it. What is gone leaves its date behind for a while: a file
that is deleted and sent again within a second is another version too. So is what gets the name by a renaming, or by a
move of its folder: that has one date for all that is in it, where theirs are older, and leaves one behind.
"""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Uuid, bindparam, delete, func, insert, literal, or_, select, union_all

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect
from transfer_service.models.files import File
from transfer_service.models.uploads import RetiredDate
from transfer_service.services.files import rows as file_rows

KEPT = timedelta(minutes=1)
"""By the wall clock. An older date can only be met again by a clock that was turned back further."""
MOVED = "/"
"""In the place of a name, which it cannot be: for all that lie in folders."""
PURGED_AT_ONCE = 20
"""So nobody pays for all that many others have deleted; and as each adds one, none stays for long."""

_files = File.__table__
_retired = RetiredDate.__table__
_latest = select(func.max(_retired.c.modified_at, type_=_retired.c.modified_at.type).label("at")).where(
    _retired.c.account_id == bindparam("account_id")
)
_own = func.coalesce(_retired.c.account_id, _retired.c.account_id)  # not by its index, which is in the order of names
_LATEST_OF_ALL = PreparedSelect(
    select(_retired.c.modified_at.label("at"))
    .where(_own == bindparam("account_id"))
    .order_by(_retired.c.modified_at.desc())
    .limit(1)
)
_LATEST = PreparedSelect(_latest.where(_retired.c.name == bindparam("name")))
_LATEST_OR_MOVED = PreparedSelect(_latest.where(or_(_retired.c.name == bindparam("name"), _retired.c.name == MOVED)))
_OF_FILE = PreparedSelect(
    select(_files.c.completed_at.label("at")).where(
        _files.c.account_id == bindparam("account_id"), _files.c.id == bindparam("file_id")
    )
)
_OLDEST = select(_retired.c.id).where(_retired.c.modified_at < bindparam("before")).order_by(_retired.c.modified_at)
# Others may be at it, and hold what this transaction would wait for.
_PURGE = delete(_retired).where(_retired.c.id.in_(_OLDEST.limit(PURGED_AT_ONCE).with_for_update(skip_locked=True)))


def date_for(rows: Executor, account_id: uuid.UUID, name: str, now: datetime) -> datetime:
    """The date of a version that has this name from now on: now, or the second behind those that had it before."""
    found = [_latest_of(rows, account_id, name)]
    file_id = _uuid_in(name)
    if file_id is not None:  # at /download/{file_id} another file was seen under this "name"
        found.append(_OF_FILE.find(rows, {"account_id": account_id, "file_id": file_id}))
    return _behind(max((row.at for row in found if row is not None and row.at is not None), default=None), now)


def date_of_move(rows: Executor, account_id: uuid.UUID, now: datetime) -> datetime:
    """The date of a folder that is moved at `now`: no version of any name in the account is younger.

    It is remembered for what will have a name in its old place.
    """
    latest = _LATEST_OF_ALL.find(rows, {"account_id": account_id})
    at = _behind(latest.at if latest else None, now)
    values = {"id": uuid.uuid4(), "account_id": account_id, "name": MOVED, "modified_at": at}
    rows.execute(insert(_retired), values)
    return at


def _latest_of(rows: Executor, account_id: uuid.UUID, name: str) -> Any:
    latest = _LATEST_OR_MOVED if "/" in name else _LATEST
    return latest.find(rows, {"account_id": account_id, "name": name})


def _behind(before: datetime | None, now: datetime) -> datetime:
    """Now, or the second behind another date."""
    if before is None or _second(before) < _second(now):
        return now
    return _second(before) + timedelta(seconds=1)


def retire(rows: Executor, file_id: uuid.UUID, *, is_leaving: bool = False) -> None:
    """Remember the date of a finished file that is about to lose its bytes or its name, where it may be met again.

    One that `is_leaving` loses its UUID too, at which it was seen as under a name.
    """
    recently = datetime.now(UTC) - KEPT
    names = [file_rows.WHOLE_NAME, *([literal(str(file_id))] if is_leaving else [])]
    versions = [
        select(literal(uuid.uuid4(), Uuid()), _files.c.account_id, name, file_rows.DATE)
        .select_from(file_rows.in_folders(_files))
        .where(_files.c.id == file_id, recently <= file_rows.DATE)
        for name in names
    ]
    columns = ["id", "account_id", "name", "modified_at"]
    inserted: Any = rows.execute(insert(_retired).from_select(columns, union_all(*versions)))
    if inserted.rowcount:
        purge(rows, recently)


def purge(rows: Executor, before: datetime) -> None:
    """Forget some of the dates before an instant, the oldest first."""
    rows.execute(_PURGE, {"before": before})


def _second(at: datetime) -> datetime:
    return at.replace(microsecond=0)


def _uuid_in(name: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(name)
    except ValueError:
        return None
