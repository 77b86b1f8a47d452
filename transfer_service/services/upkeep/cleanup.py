"""Removing what nobody will miss: stale uploads, spent sign-ins, what deletions, chat and downloads leave behind.

Every removal is a transaction that checks its reason again, so two runs at once, or a run that was killed, do no harm:
facts go first, bytes afterwards, and what that leaves behind is known by name (`discards`). Bytes that nobody knows are
another matter: they are only set aside (`orphans`). Ages are counted back from now, so a clock that jumped back only
finds things younger.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, and_, delete, func, or_, select

from transfer_service.errors import BlobMissing
from transfer_service.models.accounts import SignIn
from transfer_service.models.files import File, FileState
from transfer_service.services.core import Core
from transfer_service.services.files.discards import Discards
from transfer_service.services.files.files import FileService, remove_row
from transfer_service.services.files.finishing import Completion
from transfer_service.services.upkeep.chat import ChatCleanup
from transfer_service.services.upkeep.games import GameCleanup
from transfer_service.services.upkeep.installation import Installation
from transfer_service.services.upkeep.orphans import ORPHAN_AGE, Orphans
from transfer_service.services.upkeep.shelves import ARCHIVES, ATTACHMENTS, BLOBS, in_order
from transfer_service.services.upkeep.tallies import Tally
from transfer_service.services.upkeep.uploads import UploadCleanup, is_resumable

MOST_NAMED = 100


@dataclass(slots=True)
class Removed:
    """What a run removed or, when dry, would remove; orphans only as far as the quarantine."""

    stale_uploads: Tally = field(default_factory=Tally)
    unfinished_deletions: Tally = field(default_factory=Tally)
    orphaned_blobs: Tally = field(default_factory=Tally)
    orphaned_attachments: Tally = field(default_factory=Tally)
    orphaned_archives: Tally = field(default_factory=Tally)
    expired_quarantine: Tally = field(default_factory=Tally)
    download_parts: Tally = field(default_factory=Tally)
    spent_sign_ins: Tally = field(default_factory=Tally)
    abandoned_conversations: Tally = field(default_factory=Tally)


@dataclass(slots=True)
class Report:
    """What a run did and found.

    `restored` came back from the quarantine, `in_quarantine` is what is there now, `left` are the orphans that were too
    many to be touched. `missing` counts the finished files without bytes; `missing_files` are the ids of some.
    """

    removed: Removed = field(default_factory=Removed)
    restored: Tally = field(default_factory=Tally)
    in_quarantine: Tally = field(default_factory=Tally)
    left: Tally = field(default_factory=Tally)
    missing: int = 0
    missing_files: list[str] = field(default_factory=list)


class CleanupService:
    """One run at a time or several; from cron, the command line or `POST /cleanup`."""

    def __init__(
        self,
        core: Core,
        *,
        files: FileService,
        completion: Completion,
        installation: Installation,
        uploads: UploadCleanup,
        discards: Discards,
        orphans: Orphans,
        chat: ChatCleanup,
        games: GameCleanup,
    ) -> None:
        self._database = core.database
        self._store = core.store
        self._files = files
        self._completion = completion
        self._space = core.space
        self._uploads = uploads
        self._installation = installation
        self._discards = discards
        self._orphans = orphans
        self._chat = chat
        self._games = games
        self._offload = core.offload
        self._now = core.now
        self._stale_after = core.stale_after

    def run(self, *, dry_run: bool = False, even_many: bool = False) -> Report:
        """Remove everything that is due and tell what went; with `dry_run` only tell.

        Orphans go to the quarantine, unless they are too many and `even_many` is not set: see `Orphans.sweep`. Raises
        InstallationMismatch where database and store do not belong together.
        """
        self._installation.ensure()
        report = Report()
        removed = report.removed
        self._remove_stale_uploads(removed.stale_uploads, dry_run)
        for tally, freed in (
            (removed.stale_uploads, self._uploads.remove_expired(dry_run=dry_run)),
            (removed.abandoned_conversations, self._chat.remove_abandoned_conversations(dry_run=dry_run)),
            (removed.unfinished_deletions, self._discards.finish(dry_run=dry_run)),
            (removed.download_parts, self._games.remove_leftovers(dry_run=dry_run)),
        ):
            for freed_bytes in freed:
                tally.add(freed_bytes)
        self._remove_spent_sign_ins(removed.spent_sign_ins, dry_run)
        self._sweep_orphans(report, dry_run=dry_run, even_many=even_many)
        self._find_missing(report)
        if not dry_run:
            self._database.take_reserve()  # it was given up where the disk was full
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
            with self._store.secluded(file_id) as is_free:
                if is_free and not dry_run:
                    self._finish_if_due(file_id)
                if is_free:
                    self._remove(file_id, is_stale, tally, dry_run)

    def _finish_if_due(self, file_id: uuid.UUID) -> None:
        """A crash may have left a file with every byte stored: that one is finished, not thrown away."""
        try:
            self._completion.finish(file_id)
        except BlobMissing:
            return

    def _sweep_orphans(self, report: Report, *, dry_run: bool, even_many: bool) -> None:
        found = self._orphans.sweep(dry_run=dry_run, even_many=even_many)
        removed = report.removed
        removed.orphaned_blobs = found.set_aside[BLOBS]
        removed.orphaned_attachments = found.set_aside[ATTACHMENTS]
        removed.orphaned_archives = found.set_aside[ARCHIVES]
        removed.expired_quarantine = found.expired
        report.restored, report.in_quarantine, report.left = found.restored, found.in_quarantine, found.left

    def _find_missing(self, report: Report) -> None:
        """Complete files whose bytes are gone. Their rows stay: bytes may come back, from a backup or a lost mount."""
        is_settled = and_(File.state == FileState.COMPLETE, File.updated_at < self._now() - ORPHAN_AGE)
        for file_id in self._ids_where(is_settled):
            if self._store.stored_bytes(file_id) is None and self._files.is_there(file_id):
                report.missing += 1
                if report.missing <= MOST_NAMED:
                    report.missing_files.append(str(file_id))

    def _remove_spent_sign_ins(self, tally: Tally, dry_run: bool) -> None:
        """Families that ended: without a row they count as ended just the same."""
        is_spent = or_(SignIn.revoked_at.is_not(None), SignIn.expires_at < self._now())
        if dry_run:
            with self._database.read() as session:
                tally.count = session.scalar(select(func.count()).select_from(SignIn).where(is_spent)) or 0
            return
        for batch in in_order(self._database, SignIn.id, is_spent):  # nobody else can write meanwhile: each is short
            with self._database.write() as session:
                spent = delete(SignIn).where(SignIn.id.in_(batch), is_spent).returning(SignIn.id)
                tally.count += len(session.execute(spent).all())

    def _remove(self, file_id: uuid.UUID, reason: ColumnElement[bool], tally: Tally, dry_run: bool) -> None:
        if dry_run:
            tally.add(self._store.stored_bytes(file_id) or 0)
            return
        with self._database.write(durable=True) as session:  # or the file may come back without its bytes
            file = session.scalar(select(File).where(File.id == file_id, reason).with_for_update(of=File))
            if file is None:  # used, finished or removed meanwhile
                return
            remove_row(session, file, self._space)
        tally.add(self._files.discard_blob(file_id))

    def _ids_where(self, condition: ColumnElement[bool]) -> Iterator[uuid.UUID]:
        """The ids of matching files."""
        for batch in in_order(self._database, File.id, condition):
            yield from batch
