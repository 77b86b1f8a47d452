"""Sweeping resumable uploads: expired ones, and tombstones that nobody will ask about any more."""

import uuid
from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, func, select
from sqlalchemy.orm import aliased

from transfer_service.errors import TransferError
from transfer_service.models.files import File, FileState
from transfer_service.models.uploads import ResumableUpload, UploadKind, UploadPart
from transfer_service.services.core import Core
from transfer_service.services.files.files import FileService, remove_row
from transfer_service.services.upkeep.shelves import in_order
from transfer_service.services.uploads import rows as resumable_rows
from transfer_service.services.uploads.finishing import UploadCompletion

TOMBSTONE_AGE = timedelta(days=30)

is_resumable = exists().where(ResumableUpload.id == File.id)
"""Whether a file belongs to a resumable upload."""
is_final = is_resumable.where(ResumableUpload.kind == UploadKind.FINAL)


class UploadCleanup:
    """Ends what has expired and forgets what ended long ago. `stale_after` is how long an upload may rest."""

    def __init__(self, core: Core, *, files: FileService, completion: UploadCompletion) -> None:
        self._database = core.database
        self._store = core.store
        self._space = core.space
        self._files = files
        self._completion = completion
        self._offload = core.offload
        self._now = core.now
        self._stale_after = core.stale_after

    def remove_expired(self, *, dry_run: bool) -> Iterator[int]:
        """End every upload that has rested too long; the bytes of disk that each one frees.

        One that only lacks the last step takes it instead.
        """
        if dry_run:
            yield from self._would_go()
            return
        for reason in (and_(self._has_expired(), is_final), self._has_expired()):  # wholes before their parts
            for batch in in_order(self._database, File.id, reason):
                for upload_id in batch:
                    with self._store.secluded(upload_id) as is_free:
                        is_ended = is_free and not self._is_saved(upload_id) and self._end(upload_id)
                        freed_bytes = self._files.discard_blob(upload_id) if is_ended else 0
                    if is_ended:
                        yield freed_bytes
        self._forget_tombstones()

    def _would_go(self) -> Iterator[int]:
        for batch in in_order(self._database, File.id, self._has_expired()):
            for upload_id in batch:
                with self._store.secluded(upload_id) as is_free:
                    stored_bytes = self._store.stored_bytes(upload_id) or 0
                if is_free:
                    yield stored_bytes

    def _has_expired(self) -> ColumnElement[bool]:
        youngest = self._now() - self._stale_after
        part = aliased(File)
        has_fresh_part = exists().where(
            UploadPart.final_id == File.id, UploadPart.part_id == part.id, part.updated_at >= youngest
        )
        return and_(File.state == FileState.RECEIVING, File.updated_at < youngest, is_resumable, ~has_fresh_part)

    def _is_saved(self, upload_id: uuid.UUID) -> bool:
        """Whether the upload only lacked the last step, and has taken it now."""
        with self._database.read_rows() as rows:
            upload = resumable_rows.find(rows, upload_id)
        try:
            return upload is not None and not upload.has_ended and self._completion.settle(upload).is_finished
        except TransferError:
            return False

    def _end(self, upload_id: uuid.UUID) -> bool:
        """End an upload, unless it has gone on meanwhile."""
        with self._database.write(durable=True) as session:  # or the file may come back without its bytes
            expired = select(File).where(File.id == upload_id, self._has_expired()).with_for_update(of=File)
            file = session.scalar(expired)
            if file is None:
                return False
            resumable_rows.end(session, [upload_id], now=self._now())
            remove_row(session, file, self._space)
            return True

    def _forget_tombstones(self) -> None:
        """Drop rows whose file is gone and that ended, or began, long ago."""
        at = func.coalesce(ResumableUpload.ended_at, ResumableUpload.created_at)
        has_no_file = ~exists().where(File.id == ResumableUpload.id)
        is_old = and_(at < self._now() - TOMBSTONE_AGE, has_no_file | ResumableUpload.ended_at.is_not(None))
        for batch in in_order(self._database, ResumableUpload.id, is_old):  # nobody else can write: each is short
            with self._database.write() as session:
                session.execute(
                    delete(ResumableUpload)
                    .where(ResumableUpload.id.in_(batch), is_old)
                    .execution_options(synchronize_session=False)
                )
