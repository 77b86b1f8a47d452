"""Removing unfinished uploads that nobody continues, and tombstones that nobody will ask about any more."""

import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select
from sqlalchemy.orm import aliased

from transfer_service.db.database import run_again
from transfer_service.errors import BlobMissing, RangeBusy, TransferError
from transfer_service.models.files import File, FileState
from transfer_service.models.links import Link
from transfer_service.models.sharing import Allotment
from transfer_service.models.uploads import ResumableUpload, UploadKind, UploadPart
from transfer_service.services.core import Core
from transfer_service.services.events import facts
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.files import FileService, remove_row
from transfer_service.services.files.finishing import Completion
from transfer_service.services.upkeep.orphans import ORPHAN_AGE
from transfer_service.services.uploads import rows as upload_rows
from transfer_service.services.uploads.finishing import UploadCompletion

TOMBSTONE_AGE = timedelta(days=30)

is_resumable = exists().where(ResumableUpload.id == File.id)
"""Whether a file belongs to a resumable upload."""
is_final = is_resumable.where(ResumableUpload.kind == UploadKind.FINAL)


class UploadCleanup:
    """Ends what has rested too long, and forgets what ended long ago. `last_step` is that of resumable uploads."""

    def __init__(self, core: Core, *, files: FileService, completion: Completion, last_step: UploadCompletion) -> None:
        self._database = core.database
        self._store = core.store
        self._space = core.space
        self._files = files
        self._completion = completion
        self._last_step = last_step
        self._now = core.now
        self._stale_after = core.stale_after

    def remove_stale(self, *, dry_run: bool) -> Iterator[int]:
        """Remove unfinished files that nobody can resume by an open protocol."""
        now = self._now()
        is_stale = and_(
            File.state == FileState.RECEIVING,
            ~is_resumable,
            or_(
                File.updated_at < now - self._stale_after,
                # What came in one request cannot be resumed: it is stale as soon as its writer is gone.
                and_(~File.holds_name, File.updated_at < now - ORPHAN_AGE),
            ),
        )
        for file_id in self._ids_where(is_stale):
            freed_bytes = None
            with self._store.claims.secluded(file_id) as is_free:
                if is_free and dry_run:
                    freed_bytes = self._store.stored_bytes(file_id) or 0
                elif is_free and not self._is_being_finished(file_id) and self._remove(file_id, is_stale):
                    freed_bytes = self._files.discard_blob(file_id)
            if freed_bytes is not None:
                yield freed_bytes

    def _is_being_finished(self, file_id: uuid.UUID) -> bool:
        """Take the last step of a file that a crash has left before it. Whether another instance is just taking it."""
        try:
            with suppress(BlobMissing):
                self._completion.finish(file_id)
        except RangeBusy:
            return True
        return False

    def remove_expired(self, *, dry_run: bool) -> Iterator[int]:
        """End every resumable upload that has rested too long. One that only lacks the last step takes it instead."""
        if dry_run:
            for upload_id in self._ids_where(self._has_expired()):
                with self._store.claims.secluded(upload_id) as is_free:
                    stored_bytes = self._store.stored_bytes(upload_id) or 0
                if is_free:
                    yield stored_bytes
            return
        for reason in (and_(self._has_expired(), is_final), self._has_expired()):  # wholes before their parts
            for upload_id in self._ids_where(reason):
                with self._store.claims.secluded(upload_id) as is_free:
                    is_ended = (
                        is_free and not self._is_saved(upload_id) and self._remove(upload_id, self._has_expired())
                    )
                    freed_bytes = self._files.discard_blob(upload_id) if is_ended else 0
                if is_ended:
                    yield freed_bytes
        self._forget_tombstones()
        self._forget_allotments()

    def _ids_where(self, reason: ColumnElement[bool]) -> Iterator[uuid.UUID]:
        for rows in self._database.batches(select(File.id).where(reason)):
            yield from (row.id for row in rows)

    def _has_expired(self) -> ColumnElement[bool]:
        youngest = self._now() - self._stale_after
        part = aliased(File)
        has_fresh_part = exists().where(
            UploadPart.final_id == File.id, UploadPart.part_id == part.id, part.updated_at >= youngest
        )
        has_rested = and_(File.updated_at < youngest, ~has_fresh_part)
        return and_(File.state == FileState.RECEIVING, is_resumable, or_(has_rested, self._is_of_ended_link()))

    def _is_of_ended_link(self) -> ColumnElement[bool]:
        """Whether a file came by an upload link that has expired, or was taken back: it is gone for its guests."""
        ended = select(Allotment.id).where(Allotment.ends_at <= self._now())
        return and_(File.origin_id.is_not(None), File.origin_id.in_(ended))

    def _is_saved(self, upload_id: uuid.UUID) -> bool:
        """Whether the upload only lacked the last step, and has taken it now."""
        with self._database.read_rows() as rows:
            upload = upload_rows.find(rows, upload_id)
        try:
            return upload is not None and not upload.has_ended and self._last_step.finish(upload).is_finished
        except TransferError:
            return False

    @run_again
    def _remove(self, file_id: uuid.UUID, reason: ColumnElement[bool]) -> bool:
        """Take a file's row away, and end its upload if it has one. False where the reason is gone by now."""
        with self._database.write(durable=True) as session:  # or the file may come back without its bytes
            locked = file_rows.lock_to_name(session, file_id)
            file = session.scalar(select(File).where(File.id == file_id, reason))
            if file is not None:
                upload_rows.end(session, [file_id], now=self._now())
                remove_row(session, file, self._space)
                if locked is not None and locked.received_bytes:
                    facts.upload_cancelled(session, locked, at=self._now(), is_stale=True)
            return file is not None

    def _forget_allotments(self) -> None:
        """Drop those of links that are gone, once nothing is under way any more that came by them."""
        is_spent = and_(
            Allotment.ends_at <= self._now(),
            Allotment.gives_back.is_(False),
            ~exists().where(Link.id == Allotment.id),
            ~exists().where(File.origin_id == Allotment.id, File.state == FileState.RECEIVING),
        )
        with self._database.write() as session:
            session.execute(delete(Allotment).where(is_spent).execution_options(synchronize_session=False))

    def _forget_tombstones(self) -> None:
        """Drop rows whose file is gone and that ended, or began, long ago."""
        at = func.coalesce(ResumableUpload.ended_at, ResumableUpload.created_at)
        has_no_file = ~exists().where(File.id == ResumableUpload.id)
        is_old = and_(at < self._now() - TOMBSTONE_AGE, has_no_file | ResumableUpload.ended_at.is_not(None))
        for rows in self._database.batches(select(ResumableUpload.id).where(is_old)):  # short: nobody else can write
            with self._database.write() as session:
                session.execute(
                    delete(ResumableUpload)
                    .where(ResumableUpload.id.in_([row.id for row in rows]), is_old)
                    .execution_options(synchronize_session=False)
                )
