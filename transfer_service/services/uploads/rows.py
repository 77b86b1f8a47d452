"""Reading and writing the rows of resumable uploads, each together with its file's."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, func, insert, select, update

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect
from transfer_service.models.files import File, FileState, folded
from transfer_service.models.uploads import ResumableUpload, UploadKind, UploadPart, UploadProtocol
from transfer_service.services.files.dates import date_for

_uploads = ResumableUpload.__table__
_files = File.__table__
_parts = UploadPart.__table__


@dataclass(frozen=True, slots=True)
class UploadFacts:
    """An upload as its rows have it. `offset` is the bytes that count; a file that is gone has state None."""

    id: uuid.UUID
    account_id: uuid.UUID
    protocol: UploadProtocol
    kind: UploadKind
    upload_metadata: str | None
    concat_header: str | None
    repr_digest: str | None
    overwrite: bool
    ends: bool
    created_at: datetime
    ended_at: datetime | None
    name: str
    state: FileState | None
    length: int | None
    offset: int
    sha256: str | None
    updated_at: datetime
    is_in_doubt: bool
    """Whether it was a file before a power loss, and may be one still."""

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing left to append to or to ask about."""
        return self.ended_at is not None or self.state is None

    @property
    def is_finished(self) -> bool:
        """Whether the upload is a file by now."""
        return self.state is FileState.COMPLETE and not self.has_ended

    @property
    def is_due(self) -> bool:
        """Whether every byte is there and only the step to a file is missing."""
        is_whole = self.length is not None and self.offset == self.length
        return is_whole and self.ends and self.kind is not UploadKind.PARTIAL and self.state is FileState.RECEIVING


_part_files = _files.alias("part_files")
# A final upload rests only when all of its parts do.
LATEST_OF_PARTS = (
    select(func.max(_part_files.c.updated_at))
    .select_from(_parts.join(_part_files, _part_files.c.id == _parts.c.part_id))
    .where(_parts.c.final_id == _uploads.c.id)
    .correlate(_uploads)
    .scalar_subquery()
)
_COLUMNS = (
    *_uploads.c,
    _files.c.name,
    _files.c.state,
    _files.c.length,
    _files.c.sha256,
    _files.c.received_bytes.label("offset"),
    _files.c.updated_at,
    LATEST_OF_PARTS.label("parts_updated_at"),
)
_JOINED = select(*_COLUMNS).select_from(_uploads.outerjoin(_files, _files.c.id == _uploads.c.id))
_BY_ID = PreparedSelect(_JOINED.where(_uploads.c.id == bindparam("upload_id")))
_FINAL_BY_HEADER = PreparedSelect(
    _JOINED.where(
        _uploads.c.account_id == bindparam("account_id"),
        _uploads.c.kind == UploadKind.FINAL,
        _uploads.c.concat_header == bindparam("concat_header"),
        _uploads.c.ended_at.is_(None),
    ).order_by(_uploads.c.created_at.desc())
)
_PARTS = PreparedSelect(
    select(*_COLUMNS)
    .select_from(
        _parts.join(_uploads, _uploads.c.id == _parts.c.part_id).outerjoin(_files, _files.c.id == _uploads.c.id)
    )
    .where(_parts.c.final_id == bindparam("final_id"))
    .order_by(_parts.c.position)
)
_FINALS_WITH = select(_parts.c.final_id).where(_parts.c.part_id == bindparam("with_part")).distinct()
_SET_ENDS = update(_uploads).where(_uploads.c.id == bindparam("upload_id")).values(ends=True)
_SET_DIGEST = update(_uploads).where(_uploads.c.id == bindparam("upload_id")).values(repr_digest=bindparam("digest"))


_COMPLETE = (
    update(_files)
    .where(_files.c.id == bindparam("file_id"))
    .values(
        name=bindparam("to_name"),
        folded_name=bindparam("to_folded_name"),
        holds_name=True,
        state=FileState.COMPLETE,
        length=bindparam("to_length"),
        length_declared=True,
        received_bytes=bindparam("to_length"),
        reserved_bytes=bindparam("to_length"),
        sha256=bindparam("to_sha256"),
        unflushed_boot=bindparam("to_unflushed_boot"),
        updated_at=bindparam("at"),
        completed_at=bindparam("to_completed_at"),
    )
)


def find(rows: Executor, upload_id: uuid.UUID) -> UploadFacts | None:
    """The upload of that id, ended or not."""
    row = _BY_ID.find(rows, {"upload_id": upload_id})
    return _facts(row) if row is not None else None


def find_final(rows: Executor, account_id: uuid.UUID, concat_header: str) -> UploadFacts | None:
    """The account's latest final upload that was asked for in the same words and has not ended."""
    found = _FINAL_BY_HEADER.find(rows, {"account_id": account_id, "concat_header": concat_header})
    return _facts(found) if found is not None else None


def parts_of(rows: Executor, final_id: uuid.UUID) -> list[UploadFacts]:
    """The partial uploads of a final one, in their order."""
    return [_facts(row) for row in _PARTS.find_all(rows, {"final_id": final_id})]


def finals_with(rows: Executor, part_id: uuid.UUID) -> Sequence[uuid.UUID]:
    """The final uploads that a partial one is a part of."""
    return [row.final_id for row in rows.execute(_FINALS_WITH, {"with_part": part_id})]


def add(rows: Executor, *, upload: dict[str, Any], file: dict[str, Any]) -> None:
    """Insert an upload and its file."""
    rows.execute(insert(_files), file)
    rows.execute(insert(_uploads), upload)


def add_parts(rows: Executor, final_id: uuid.UUID, part_ids: Sequence[uuid.UUID]) -> None:
    """Record what a final upload is made of."""
    values = [{"final_id": final_id, "position": place, "part_id": part_id} for place, part_id in enumerate(part_ids)]
    rows.execute(insert(_parts), values)


def set_ends(rows: Executor, upload_id: uuid.UUID) -> None:
    """Record that the client has said which byte is the last one."""
    rows.execute(_SET_ENDS, {"upload_id": upload_id})


def set_repr_digest(rows: Executor, upload_id: uuid.UUID, value: str) -> None:
    """Record what the whole must hash to."""
    rows.execute(_SET_DIGEST, {"upload_id": upload_id, "digest": value})


def complete(
    rows: Executor, upload: UploadFacts, *, name: str, sha256: str, unflushed_boot: str | None, now: datetime
) -> None:
    """Make an upload of which every byte is stored a file of that name."""
    values = {
        "file_id": upload.id,
        "to_name": name,
        "to_folded_name": folded(name),
        "to_length": upload.offset,
        "to_sha256": sha256,
        "to_unflushed_boot": unflushed_boot,
        "at": now,
        "to_completed_at": date_for(rows, upload.account_id, name, now),
    }
    rows.execute(_COMPLETE, values)


def end(rows: Executor, upload_ids: Sequence[uuid.UUID], *, now: datetime) -> None:
    """Turn uploads into tombstones."""
    statement = update(_uploads).where(and_(_uploads.c.id.in_(upload_ids), _uploads.c.ended_at.is_(None)))
    rows.execute(statement.values(ended_at=now))


def _facts(row: Any) -> UploadFacts:
    is_there = row.state is not None
    return UploadFacts(
        id=row.id,
        account_id=row.account_id,
        protocol=row.protocol,
        kind=row.kind,
        upload_metadata=row.upload_metadata,
        concat_header=row.concat_header,
        repr_digest=row.repr_digest,
        overwrite=bool(row.overwrite),
        ends=bool(row.ends),
        created_at=row.created_at,
        ended_at=row.ended_at,
        name=row.name if is_there else "",
        state=row.state,
        length=row.length,
        offset=row.offset or 0,
        sha256=row.sha256,
        is_in_doubt=row.state is FileState.RECEIVING and row.sha256 is not None,
        updated_at=max(row.updated_at, row.parts_updated_at or row.updated_at) if is_there else row.created_at,
    )
