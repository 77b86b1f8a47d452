"""The account's unfinished uploads, whichever door they came through."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, or_, tuple_

from transfer_service.errors import NotFound
from transfer_service.models.files import File, FileState
from transfer_service.models.uploads import ResumableUpload, UploadProtocol
from transfer_service.services.core import Core
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.uploads import rows as upload_rows
from transfer_service.services.uploads.rows import LATEST_OF_PARTS

_files = File.__table__
_uploads = ResumableUpload.__table__
CHUNKS, WHOLE = "chunks", "whole"
_is_due = upload_rows.is_due(_uploads.c, _files.c)
_joined = file_rows.select_records.add_columns(
    _uploads.c.protocol, _is_due.label("is_due"), LATEST_OF_PARTS.label("parts_updated_at")
).outerjoin(_uploads, _uploads.c.id == _files.c.id)


@dataclass(frozen=True, slots=True)
class ListedUpload:
    """An upload as its owner sees it. One that came in a single request cannot be resumed, and so never expires."""

    file: FileRecord
    protocol: str | None
    expires_at: datetime | None


class UnfinishedUploads:
    """Lists uploads. `stale_after` is how long an upload may rest."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._now = core.now
        self._stale_after = core.stale_after

    def list_uploads(
        self, account_id: uuid.UUID, *, limit: int, after: tuple[datetime, uuid.UUID] | None = None
    ) -> list[ListedUpload]:
        """The account's unfinished uploads, newest first; behind `after`, when that one began and its id."""
        with self._database.read_rows() as rows:
            found = rows.execute(self.statement(account_id, limit=limit, after=after))
            return [self._listed(row) for row in found]

    def statement(
        self, account_id: uuid.UUID, *, limit: int, after: tuple[datetime, uuid.UUID] | None = None
    ) -> Select[Any]:
        """What is asked of the database."""
        youngest = self._now() - self._stale_after
        is_begun = or_(_uploads.c.id.is_not(None), ~_files.c.holds_name, _files.c.received_bytes > 0)
        statement = (
            _joined.where(
                _files.c.account_id == account_id,
                file_rows.is_receiving,
                or_(_files.c.updated_at > youngest, youngest < LATEST_OF_PARTS, _is_due),
                and_(is_begun, _uploads.c.ended_at.is_(None)),
            )
            .order_by(_files.c.created_at.desc(), _files.c.id.desc())
            .limit(limit)
        )
        if after is not None:
            statement = statement.where(tuple_(_files.c.created_at, _files.c.id) < tuple_(*after))
        return statement

    def get(self, account_id: uuid.UUID, upload_id: uuid.UUID) -> ListedUpload:
        """An upload of the account that is a row of `files`, unfinished or not. Raises NotFound."""
        is_file = _files.c.state != FileState.FOLDER
        statement = _joined.where(_files.c.id == upload_id, _files.c.account_id == account_id, is_file)
        with self._database.read_rows() as rows:
            row = rows.execute(statement).one_or_none()
        if row is None:
            raise NotFound("Upload not found")
        return self._listed(row)

    def _listed(self, row: Any) -> ListedUpload:
        *values, protocol, is_due, parts_updated_at = row
        file = FileRecord(*values)
        rested_since = max(filter(None, (file.updated_at, parts_updated_at)))
        in_one_request = protocol is None and not file.holds_name
        never_expires = file.is_complete or in_one_request or is_due
        return ListedUpload(
            file,
            protocol=spoken(protocol, file),
            expires_at=None if never_expires else rested_since + self._stale_after,
        )


def spoken(protocol: UploadProtocol | None, file: FileRecord) -> str | None:
    """What the upload speaks; of a finished file that no open protocol brought, nobody knows any more."""
    if protocol is not None:
        return protocol.value
    if file.is_complete:
        return None
    return CHUNKS if file.holds_name else WHOLE
