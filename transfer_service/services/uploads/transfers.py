"""What is under way at all doors and for all accounts, as administrators see it; and the end of one of them."""

import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, tuple_

from transfer_service.db.database import run_again
from transfer_service.errors import NotFound, RangeBusy
from transfer_service.models.accounts import Account
from transfer_service.models.files import File, FileState
from transfer_service.models.links import Link
from transfer_service.models.uploads import ResumableUpload
from transfer_service.services.core import Core
from transfer_service.services.events import facts
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.files import FileService, remove_row
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.uploads import rows as upload_rows
from transfer_service.services.uploads.listing import spoken
from transfer_service.services.uploads.lookup import Displacement

_files, _uploads, _accounts, _links = File.__table__, ResumableUpload.__table__, Account.__table__, Link.__table__
# A file that a power loss has put in doubt has been whole, and is no upload.
_is_under_way = and_(file_rows.is_receiving, _files.c.sha256.is_(None))
_JOINED = (
    file_rows.select_records.add_columns(
        _accounts.c.name.label("account"), _uploads.c.protocol, _links.c.id.label("link_id")
    )
    .join(_accounts, _accounts.c.id == _files.c.account_id)
    .outerjoin(_uploads, _uploads.c.id == _files.c.id)
    .outerjoin(_links, _links.c.id == _files.c.origin_id)
    .where(_is_under_way)
)
Place = tuple[uuid.UUID, datetime, uuid.UUID]
"""Of an upload in the list of all: its account, when it began, its id."""


@dataclass(frozen=True, slots=True)
class UnfinishedUpload:
    """An upload of any account. `kind` is how it comes: `tus`, `ietf`, `chunks`, `whole`."""

    file: FileRecord
    account: str
    kind: str
    link_id: uuid.UUID | None

    @property
    def place(self) -> Place:
        """Where it stands in the list."""
        return self.file.account_id, self.file.created_at, self.file.id


class UnfinishedOfAll:
    """Lists the unfinished uploads of all accounts, and cancels them."""

    def __init__(self, core: Core, *, files: FileService) -> None:
        self._database = core.database
        self._space = core.space
        self._files = files
        self._now = core.now
        self._displacement = Displacement(claims=core.store.claims)

    def list_uploads(self, *, limit: int, after: Place | None = None) -> list[UnfinishedUpload]:
        """Uploads account by account, as they began: in the order of an index. Behind `after`."""
        statement = _JOINED.order_by(_files.c.account_id, _files.c.created_at, _files.c.id).limit(limit)
        if after is not None:
            statement = statement.where(tuple_(_files.c.account_id, _files.c.created_at, _files.c.id) > tuple_(*after))
        with self._database.read_rows() as rows:
            return [_record(row) for row in rows.execute(statement)]

    def cancel(self, upload_id: uuid.UUID) -> None:
        """End an upload, whosever and by whatever door it comes: nothing of it stays. Raises NotFound.

        An append that runs is ended first, as its own client would. Any other request finds its row gone, at the latest
        when it looks for it, a second later.
        """
        with self._database.read_rows() as rows:
            if not _is_upload(file_rows.find(rows, upload_id)):
                raise NotFound("Transfer not found")
            is_resumable = upload_rows.find(rows, upload_id) is not None
        if is_resumable:
            with suppress(RangeBusy):  # one that is stuck ends when it finds its row gone
                self._displacement.end_append(upload_id)
        self._remove(upload_id)
        self._files.discard_blob(upload_id)

    @run_again
    def _remove(self, upload_id: uuid.UUID) -> None:
        with self._database.write_rows(durable=True) as rows:  # or a power loss brings the row back without its bytes
            file = file_rows.lock_to_name(rows, upload_id)
            if file is None or not _is_upload(file):
                raise NotFound("Transfer not found")  # it is whole by now, or its sender was faster
            upload_rows.end(rows, [upload_id], now=self._now())
            facts.upload_cancelled(rows, file, at=self._now())
            remove_row(rows, file, self._space)


def _is_upload(file: FileRecord | None) -> bool:
    return file is not None and file.state is FileState.RECEIVING and not file.is_in_doubt


def _record(row: Any) -> UnfinishedUpload:
    *values, account, protocol, link_id = row
    file = FileRecord(*values)
    return UnfinishedUpload(file, account, spoken(protocol, file) or "", link_id)
