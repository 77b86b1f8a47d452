"""Removing what nobody will miss: stale uploads, orphans, spent sign-ins, what chat and remote downloads leave behind.

Every removal is a transaction that checks its reason again, so two runs at once, or a run that was killed, do no harm:
facts go first, bytes afterwards, and bytes without facts are what the next run looks for. Ages are counted back from
now, so a clock that jumped back only finds things younger.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import ColumnElement, and_, delete, func, or_, select

from transfer_service.database import Database
from transfer_service.errors import BlobMissing
from transfer_service.models import File, FileState, SignIn
from transfer_service.offload import Offload
from transfer_service.services.chat_cleanup import BATCH, ORPHAN_AGE, ChatCleanup
from transfer_service.services.completion import Completion
from transfer_service.services.files import FileService, remove_row
from transfer_service.services.game_cleanup import GameCleanup
from transfer_service.services.space import Space
from transfer_service.services.upload_cleanup import UploadCleanup, is_resumable
from transfer_service.storage.blobs import BlobFacts, BlobStore


@dataclass(slots=True)
class Tally:
    """How many things of one kind went, and how many bytes of disk that freed."""

    count: int = 0
    bytes: int = 0

    def add(self, freed_bytes: int) -> None:
        """Count one more."""
        self.count += 1
        self.bytes += freed_bytes


@dataclass(slots=True)
class Report:
    """What a run removed or, when dry, would remove."""

    stale_uploads: Tally = field(default_factory=Tally)
    orphaned_blobs: Tally = field(default_factory=Tally)
    orphaned_rows: Tally = field(default_factory=Tally)
    spent_sign_ins: Tally = field(default_factory=Tally)
    orphaned_attachments: Tally = field(default_factory=Tally)
    abandoned_conversations: Tally = field(default_factory=Tally)
    orphaned_archives: Tally = field(default_factory=Tally)


class CleanupService:
    """One run at a time or several; from cron, the command line or `POST /cleanup`."""

    def __init__(
        self,
        *,
        database: Database,
        store: BlobStore,
        files: FileService,
        completion: Completion,
        space: Space,
        uploads: UploadCleanup,
        chat: ChatCleanup,
        games: GameCleanup,
        offload: Offload,
        now: Callable[[], datetime],
        stale_after: timedelta,
    ) -> None:
        self._database = database
        self._store = store
        self._files = files
        self._completion = completion
        self._space = space
        self._uploads = uploads
        self._chat = chat
        self._games = games
        self._offload = offload
        self._now = now
        self._stale_after = stale_after

    def run(self, *, dry_run: bool = False) -> Report:
        """Remove everything that is due and tell what went; with `dry_run` only tell."""
        report = Report()
        self._remove_stale_uploads(report.stale_uploads, dry_run)
        for freed_bytes in self._uploads.remove_expired(dry_run=dry_run):
            report.stale_uploads.add(freed_bytes)
        self._remove_orphaned_blobs(report.orphaned_blobs, dry_run)
        self._remove_orphaned_rows(report.orphaned_rows, dry_run)
        self._remove_spent_sign_ins(report.spent_sign_ins, dry_run)
        for freed_bytes in self._chat.remove_abandoned_conversations(dry_run=dry_run):
            report.abandoned_conversations.add(freed_bytes)
        for freed_bytes in self._chat.remove_orphaned_attachments(dry_run=dry_run):
            report.orphaned_attachments.add(freed_bytes)
        for freed_bytes in self._games.remove_leftovers(dry_run=dry_run):
            report.orphaned_archives.add(freed_bytes)
        return report

    def _remove_stale_uploads(self, tally: Tally, dry_run: bool) -> None:
        now = self._now()
        is_stale = and_(
            File.state == FileState.RECEIVING,
            ~is_resumable,  # these have rules of their own, in `upload_cleanup`
            or_(
                File.updated_at < now - self._stale_after,
                # What came in one request cannot be resumed: it is stale as soon as its writer is gone.
                and_(~File.holds_name, File.updated_at < now - ORPHAN_AGE),
            ),
        )
        for file_id in self._ids_where(is_stale):
            if self._offload(lambda file_id=file_id: self._store.is_in_use(file_id)):  # type: ignore[misc]
                continue
            if not dry_run:
                self._finish_if_due(file_id)
            self._remove(file_id, is_stale, tally, dry_run)

    def _finish_if_due(self, file_id: uuid.UUID) -> None:
        """A crash may have left a file with every byte stored: that one is finished, not thrown away."""
        try:
            self._completion.finish(file_id)
        except BlobMissing:
            return

    def _remove_orphaned_blobs(self, tally: Tally, dry_run: bool) -> None:
        """Blobs without a row. A row is committed before its blob is made, so such a blob belongs to nobody."""
        youngest = self._now() - ORPHAN_AGE
        for blobs in self._blob_batches():
            old = {blob.blob_id: blob for blob in blobs if blob.modified_at < youngest}
            with self._database.read() as session:
                known = set(session.scalars(select(File.id).where(File.id.in_(old))))
            for blob_id in old.keys() - known:
                if self._store.is_in_use(blob_id):
                    continue
                tally.add(old[blob_id].stored_bytes if dry_run else self._files.discard_blob(blob_id))

    def _remove_orphaned_rows(self, tally: Tally, dry_run: bool) -> None:
        """Complete files whose bytes are gone. A store without any blob looks unmounted: then rows stay."""
        if next(self._store.list_blobs(), None) is None:
            return
        is_settled = and_(File.state == FileState.COMPLETE, File.updated_at < self._now() - ORPHAN_AGE)
        for file_id in self._ids_where(is_settled):
            if self._store.stored_bytes(file_id) is None:
                self._remove(file_id, is_settled, tally, dry_run)

    def _remove_spent_sign_ins(self, tally: Tally, dry_run: bool) -> None:
        """Families that ended: without a row they count as ended just the same."""
        is_spent = or_(SignIn.revoked_at.is_not(None), SignIn.expires_at < self._now())
        if dry_run:
            with self._database.read() as session:
                tally.count = session.scalar(select(func.count()).select_from(SignIn).where(is_spent)) or 0
            return
        with self._database.write() as session:
            tally.count = len(session.execute(delete(SignIn).where(is_spent).returning(SignIn.id)).all())

    def _remove(self, file_id: uuid.UUID, reason: ColumnElement[bool], tally: Tally, dry_run: bool) -> None:
        if dry_run:
            tally.add(self._store.stored_bytes(file_id) or 0)
            return
        with self._database.write() as session:
            file = session.scalar(select(File).where(File.id == file_id, reason).with_for_update(of=File))
            if file is None:  # used, finished or removed meanwhile
                return
            remove_row(session, file, self._space)
        tally.add(self._files.discard_blob(file_id))

    def _ids_where(self, condition: ColumnElement[bool]) -> Iterator[uuid.UUID]:
        """The ids of matching files, in short reads that see removals meanwhile."""
        last: uuid.UUID | None = None
        while True:
            statement = select(File.id).where(condition).order_by(File.id).limit(BATCH)
            if last is not None:
                statement = statement.where(File.id > last)
            with self._database.read() as session:
                batch = session.scalars(statement).all()
            if not batch:
                return
            yield from batch
            last = batch[-1]

    def _blob_batches(self) -> Iterator[list[BlobFacts]]:
        blobs = self._store.list_blobs()
        while batch := self._offload(lambda: list(islice(blobs, BATCH))):
            yield batch
