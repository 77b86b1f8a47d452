"""Reading and writing the rows of resumable uploads, each together with its file's."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, func, insert, select, update

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect, PreparedWrite
from transfer_service.models.files import File
from transfer_service.models.uploads import ResumableUpload, UploadKind, UploadPart, UploadProtocol
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.rows import FileRecord

_uploads = ResumableUpload.__table__
_files = File.__table__
_parts = UploadPart.__table__


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """A row of `resumable_uploads` with that of its file: None where that is gone.

    `rested_since` is when anything was received last, of a final upload by any of its parts.
    """

    file: FileRecord | None
    rested_since: datetime
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
    origin_id: uuid.UUID | None

    @property
    def name(self) -> str:
        """What its file is called, or will be."""
        return self.file.name if self.file else ""

    @property
    def length(self) -> int | None:
        """The length of the whole, None while nobody has said it."""
        return self.file.length if self.file else None

    @property
    def offset(self) -> int:
        """How many bytes count."""
        return self.file.received_bytes if self.file else 0

    @property
    def is_receiving(self) -> bool:
        """Whether it is not a file yet, and may be one."""
        return self.file is not None and not self.file.is_complete

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing left to append to or to ask about."""
        return self.ended_at is not None or self.file is None

    @property
    def is_finished(self) -> bool:
        """Whether the upload is a file by now."""
        return self.file is not None and self.file.is_complete and not self.has_ended

    @property
    def is_due(self) -> bool:
        """Whether every byte is there and only the step to a file is missing. See `is_due`."""
        return self.file is not None and bool(is_due(self, self.file))

    @property
    def is_in_doubt(self) -> bool:
        """Whether it was a file before a power loss, and may be one still."""
        return self.file is not None and self.file.is_in_doubt

    def with_file(self, **changes: Any) -> "UploadRecord":
        """The same with other values in its file's row."""
        return self if self.file is None else replace(self, file=replace(self.file, **changes))


def is_due(upload: Any, file: Any) -> Any:
    """Whether only the step to a file is missing: of records, or of the tables' columns."""
    return upload.ends & (upload.kind != UploadKind.PARTIAL) & file_rows.is_due(file)


_part_files = _files.alias("part_files")
# A final upload rests only when all of its parts do.
LATEST_OF_PARTS = (
    select(func.max(_part_files.c.updated_at))
    .select_from(_parts.join(_part_files, _part_files.c.id == _parts.c.part_id))
    .where(_parts.c.final_id == _uploads.c.id)
    .correlate(_uploads)
    .scalar_subquery()
)
_own_columns = [_uploads.c[each.name] for each in fields(UploadRecord) if each.name in _uploads.c]
_file_columns = [column.label(f"file_{column.name}") for column in file_rows.COLUMNS]
_COLUMNS = (*_own_columns, LATEST_OF_PARTS.label("parts_updated_at"), *_file_columns)
_JOINED = select(*_COLUMNS).select_from(file_rows.in_folders(_uploads.outerjoin(_files, _files.c.id == _uploads.c.id)))
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
        file_rows.in_folders(
            _parts.join(_uploads, _uploads.c.id == _parts.c.part_id).outerjoin(_files, _files.c.id == _uploads.c.id)
        )
    )
    .where(_parts.c.final_id == bindparam("final_id"))
    .order_by(_parts.c.position)
)
_FINALS_WITH = select(_parts.c.final_id).where(_parts.c.part_id == bindparam("with_part")).distinct()
_ADD, _ADD_PARTS = PreparedWrite(insert(_uploads)), insert(_parts)
_SET_ENDS = update(_uploads).where(_uploads.c.id == bindparam("upload_id")).values(ends=True)
_SET_DIGEST = update(_uploads).where(_uploads.c.id == bindparam("upload_id")).values(repr_digest=bindparam("digest"))


def find(rows: Executor, upload_id: uuid.UUID) -> UploadRecord | None:
    """The upload of that id, ended or not."""
    row = _BY_ID.find(rows, {"upload_id": upload_id})
    return _record(row) if row is not None else None


def find_final(rows: Executor, account_id: uuid.UUID, concat_header: str) -> UploadRecord | None:
    """The account's latest final upload that was asked for in the same words and has not ended."""
    found = _FINAL_BY_HEADER.find(rows, {"account_id": account_id, "concat_header": concat_header})
    return _record(found) if found is not None else None


def parts_of(rows: Executor, final_id: uuid.UUID) -> list[UploadRecord]:
    """The partial uploads of a final one, in their order."""
    return [_record(row) for row in _PARTS.find_all(rows, {"final_id": final_id})]


def finals_with(rows: Executor, part_id: uuid.UUID) -> Sequence[uuid.UUID]:
    """The final uploads that a partial one is a part of."""
    return [row.final_id for row in rows.execute(_FINALS_WITH, {"with_part": part_id})]


def add(rows: Executor, upload: UploadRecord, file: FileRecord) -> None:
    """Insert an upload and its file."""
    file_rows.add(rows, file)
    add_to(rows, upload)


def add_to(rows: Executor, upload: UploadRecord) -> None:
    """Insert an upload whose file is there."""
    _ADD.run(rows, {column.name: getattr(upload, column.name) for column in _own_columns})


def add_parts(rows: Executor, final_id: uuid.UUID, part_ids: Sequence[uuid.UUID]) -> None:
    """Record what a final upload is made of."""
    values = [{"final_id": final_id, "position": place, "part_id": part_id} for place, part_id in enumerate(part_ids)]
    rows.execute(_ADD_PARTS, values)


def set_ends(rows: Executor, upload_id: uuid.UUID) -> None:
    """Record that the client has said which byte is the last one."""
    rows.execute(_SET_ENDS, {"upload_id": upload_id})


def set_repr_digest(rows: Executor, upload_id: uuid.UUID, value: str) -> None:
    """Record what the whole must hash to."""
    rows.execute(_SET_DIGEST, {"upload_id": upload_id, "digest": value})


def end(rows: Executor, upload_ids: Sequence[uuid.UUID], *, now: datetime) -> None:
    """Turn uploads into tombstones."""
    statement = update(_uploads).where(and_(_uploads.c.id.in_(upload_ids), _uploads.c.ended_at.is_(None)))
    rows.execute(statement.values(ended_at=now))


def _record(row: Any) -> UploadRecord:
    ends_at = len(_own_columns)
    values = row[ends_at + 1 :]
    file = FileRecord(*values) if values[0] is not None else None
    moments = (file.updated_at, row.parts_updated_at) if file else (row.created_at,)
    return UploadRecord(file, max(filter(None, moments)), *row[:ends_at])
