"""Removing what nobody will miss: stale uploads, old trash, spent sign-ins, what deletions, chat and downloads leave.

Every removal is a transaction that checks its reason again, so two runs at once, or a run that was killed, do no harm:
records go first, bytes afterwards, and what that leaves behind is known by name (`discards`). Bytes that nobody knows
are another matter: they are only set aside (`orphans`). Ages are counted back from now, so a clock that jumped back
only finds things younger.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from sqlalchemy import and_, select

from transfer_service.errors import ReadOnly
from transfer_service.models.files import File, FileState
from transfer_service.services.core import Core
from transfer_service.services.files import rows as file_rows
from transfer_service.services.upkeep.installation import Installation
from transfer_service.services.upkeep.orphans import ORPHAN_AGE, Orphans, Tally
from transfer_service.services.upkeep.shelves import ARCHIVES, ATTACHMENTS, BLOBS, PREVIEWS

MOST_NAMED = 100


@dataclass(slots=True)
class Removed:
    """What a run removed or, when dry, would remove; orphans only as far as the quarantine."""

    stale_uploads: Tally = field(default_factory=Tally)
    expired_trash: Tally = field(default_factory=Tally)
    unfinished_deletions: Tally = field(default_factory=Tally)
    orphaned_blobs: Tally = field(default_factory=Tally)
    orphaned_attachments: Tally = field(default_factory=Tally)
    orphaned_archives: Tally = field(default_factory=Tally)
    orphaned_previews: Tally = field(default_factory=Tally)
    expired_quarantine: Tally = field(default_factory=Tally)
    download_parts: Tally = field(default_factory=Tally)
    expired_bundles: Tally = field(default_factory=Tally)
    spent_sign_ins: Tally = field(default_factory=Tally)
    ended_links: Tally = field(default_factory=Tally)
    spent_idempotency_keys: Tally = field(default_factory=Tally)
    failed_deliveries: Tally = field(default_factory=Tally)
    old_activities: Tally = field(default_factory=Tally)
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


class Sweep(Protocol):
    """One kind of removal."""

    def __call__(self, *, dry_run: bool) -> Iterator[int]:
        """Remove what is due, or only look; the bytes of disk that each thing frees."""


class CleanupService:
    """One run at a time or several; from cron, the command line or `POST /cleanup`.

    `sweeps` are run in their order; each counts under its name in `Removed`.
    """

    def __init__(
        self, core: Core, *, installation: Installation, orphans: Orphans, sweeps: Sequence[tuple[str, Sweep]]
    ) -> None:
        self._database = core.database
        self._store = core.store
        self._offload = core.offload
        self._now = core.now
        self._installation = installation
        self._orphans = orphans
        self._sweeps = sweeps

    def run(self, *, dry_run: bool = False, even_many: bool = False) -> Report:
        """Remove everything that is due and report it; with `dry_run` only report what would go.

        Orphans go to the quarantine, unless they are too many and `even_many` is not set: see `Orphans.sweep`. Raises
        InstallationMismatch where database and store do not belong together, ReadOnly unless it is `dry_run`.
        """
        if self._database.is_read_only and not dry_run:
            raise ReadOnly
        self._installation.ensure()
        report = Report()
        for name, sweep in self._sweeps:
            tally: Tally = getattr(report.removed, name)
            for freed_bytes in sweep(dry_run=dry_run):
                tally.add(freed_bytes)
        self._sweep_orphans(report, dry_run=dry_run, even_many=even_many)
        self._find_missing(report)
        if not dry_run:
            self._database.take_reserve()  # it was given up where the disk was full
        return report

    def _sweep_orphans(self, report: Report, *, dry_run: bool, even_many: bool) -> None:
        found = self._orphans.sweep(dry_run=dry_run, even_many=even_many)
        removed = report.removed
        removed.orphaned_blobs = found.set_aside[BLOBS]
        removed.orphaned_attachments = found.set_aside[ATTACHMENTS]
        removed.orphaned_archives = found.set_aside[ARCHIVES]
        removed.orphaned_previews = found.set_aside[PREVIEWS]
        removed.expired_quarantine = found.expired
        report.restored, report.in_quarantine, report.left = found.restored, found.in_quarantine, found.left

    def _find_missing(self, report: Report) -> None:
        """Complete files whose bytes are gone. Their rows stay: bytes may come back, from a backup or a lost mount."""
        is_long_complete = and_(File.state == FileState.COMPLETE, File.updated_at < self._now() - ORPHAN_AGE)
        for rows in self._database.batches(select(File.id).where(is_long_complete)):
            # Off the event loop: it takes long, and there gevent closes no folder before it ends.
            lacking = self._offload(partial(self._store.find_lacking, [row.id for row in rows]))
            for file_id in filter(self._is_there, lacking):
                report.missing += 1
                if report.missing <= MOST_NAMED:
                    report.missing_files.append(str(file_id))

    def _is_there(self, file_id: uuid.UUID) -> bool:
        with self._database.read_rows() as rows:
            return file_rows.exists(rows, file_id)
