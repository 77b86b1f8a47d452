"""How much of an account's room a key or an upload link has taken: see `Allotment`.

A row is changed only by who has locked that of its account before, so no order among several of them is needed. A
file whose origin has no row is limited by its account alone.
"""

import uuid
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Boolean, bindparam, case, delete, insert, literal_column, or_, select, update

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect, PreparedWrite
from transfer_service.errors import LinkGone, LinkUsedUp, QuotaExceeded
from transfer_service.models.sharing import Allotment
from transfer_service.models.uploads import ResumableUpload, UploadKind

_allotments = Allotment.__table__
_uploads = ResumableUpload.__table__


@dataclass(frozen=True, slots=True)
class AllotmentRecord:
    """A row of `allotments`."""

    id: uuid.UUID
    account_id: uuid.UUID
    quota_bytes: int | None
    used_bytes: int
    quota_files: int | None
    used_files: int
    received_bytes: int
    received_files: int
    gives_back: bool
    ends_at: datetime | None

    def check(self, additional_bytes: int, files: int, now: datetime) -> None:
        """Raises LinkGone, LinkUsedUp, QuotaExceeded where that much more would be refused right now."""
        if self.ends_at is not None and self.ends_at <= now:
            raise LinkGone
        if files > 0 and self.is_used_up:
            raise LinkUsedUp
        if not self.has_room(additional_bytes):
            raise QuotaExceeded

    def has_room(self, additional_bytes: int) -> bool:
        """Whether so many bytes more are within its quota."""
        return (
            self.quota_bytes is None or additional_bytes <= 0 or self.used_bytes + additional_bytes <= self.quota_bytes
        )

    @property
    def is_used_up(self) -> bool:
        """Whether no further file may be begun, for a link."""
        has_all_files = self.quota_files is not None and self.used_files >= self.quota_files
        has_all_bytes = self.quota_bytes is not None and self.used_bytes >= self.quota_bytes
        return has_all_files or (has_all_bytes and not self.gives_back)


class Change(NamedTuple):
    """What is counted at once: bytes more or fewer, new files, and the length of one that becomes whole.

    One that `brings_nothing` lets what counts already become whole, and may come after the end.
    """

    additional_bytes: int
    files: int = 0
    whole_bytes: int | None = None
    brings_nothing: bool = False


def _number(name: str) -> Any:
    return bindparam(name, type_=BigInteger)


_columns = [_allotments.c[each.name] for each in fields(AllotmentRecord)]
_of_origin = _allotments.c.id == bindparam("origin_id")
_FIND = PreparedSelect(select(*_columns).where(_of_origin))
_more_bytes, _more_files = _number("additional"), _number("files")
_bytes, _files = _allotments.c.used_bytes + _more_bytes, _allotments.c.used_files + _more_files
_is_link = _allotments.c.gives_back.is_(False)
_nothing: Any = literal_column("0")
_TAKE = PreparedWrite(
    update(_allotments)
    .where(
        _of_origin,
        or_(_allotments.c.quota_bytes.is_(None), _more_bytes <= _nothing, _bytes <= _allotments.c.quota_bytes),
        or_(_allotments.c.quota_files.is_(None), _more_files <= _nothing, _files <= _allotments.c.quota_files),
        or_(
            _allotments.c.ends_at.is_(None),
            _allotments.c.ends_at > bindparam("now"),
            bindparam("brings_nothing", type_=Boolean),
        ),
    )
    .values(
        used_bytes=_bytes,
        used_files=_files,
        received_bytes=_allotments.c.received_bytes + case((_is_link, _number("whole_bytes")), else_=_nothing),
        received_files=_allotments.c.received_files + case((_is_link, _number("whole_files")), else_=_nothing),
    )
)
_GIVE_BACK = PreparedWrite(
    update(_allotments)
    .where(_of_origin, or_(_allotments.c.gives_back.is_(True), bindparam("never_whole", type_=Boolean)))
    .values(used_bytes=_bytes, used_files=_files)
)
_KIND = PreparedSelect(select(_uploads.c.kind).where(_uploads.c.id == bindparam("file_id")))
_ADD = PreparedWrite(insert(_allotments))
_REMOVE = PreparedWrite(delete(_allotments).where(_of_origin))
_END = PreparedWrite(update(_allotments).where(_of_origin).values(ends_at=bindparam("at")))


def find(rows: Executor, origin_id: uuid.UUID) -> AllotmentRecord | None:
    """The allotment of an origin."""
    row = _FIND.find(rows, {"origin_id": origin_id})
    return AllotmentRecord(*row) if row is not None else None


def add(
    rows: Executor,
    origin_id: uuid.UUID,
    account_id: uuid.UUID,
    *,
    quota_bytes: int | None,
    gives_back: bool,
    quota_files: int | None = None,
    ends_at: datetime | None = None,
) -> None:
    """Insert the row of a key or link that is made."""
    limits = {"quota_bytes": quota_bytes, "quota_files": quota_files, "gives_back": gives_back, "ends_at": ends_at}
    counts = dict.fromkeys(("used_bytes", "used_files", "received_bytes", "received_files"), 0)
    _ADD.run(rows, {"id": origin_id, "account_id": account_id, **limits, **counts})


def end(rows: Executor, origin_id: uuid.UUID, *, now: datetime) -> None:
    """Let nothing come in by an origin from the caller's commit on."""
    _END.run(rows, {"origin_id": origin_id, "at": now})


def remove(rows: Executor, origin_id: uuid.UUID) -> None:
    """Forget an origin, if it has an allotment: what has come by it counts for its account alone from then on."""
    _REMOVE.run(rows, {"origin_id": origin_id})


def take(rows: Executor, origin_id: uuid.UUID, change: Change, *, now: datetime) -> None:
    """Count more, or fewer, bytes and files, and one that becomes whole. Who calls has locked the account's row.

    Raises LinkGone, LinkUsedUp, QuotaExceeded.
    """
    values = {"origin_id": origin_id, "additional": change.additional_bytes, "files": change.files, "now": now}
    whole = {"whole_bytes": change.whole_bytes or 0, "whole_files": int(change.whole_bytes is not None)}
    if _TAKE.run(rows, {**values, **whole, "brings_nothing": change.brings_nothing}):
        return
    found = find(rows, origin_id)
    if found is not None:
        found.check(change.additional_bytes, change.files, now)
        raise QuotaExceeded


def give_back(rows: Executor, origin_id: uuid.UUID, freed_bytes: int, *, file_id: uuid.UUID, never_whole: bool) -> None:
    """Count a file no more that leaves, where its origin has its room back. Who calls has locked the account's row."""
    files = -int(not _is_part(rows, file_id))
    values = {"additional": -freed_bytes, "files": files, "never_whole": never_whole}
    _GIVE_BACK.run(rows, {"origin_id": origin_id, **values})


def _is_part(rows: Executor, file_id: uuid.UUID) -> bool:
    """Whether a file is only material for a final upload, and so is none."""
    row = _KIND.find(rows, {"file_id": file_id})
    return row is not None and row.kind is UploadKind.PARTIAL
