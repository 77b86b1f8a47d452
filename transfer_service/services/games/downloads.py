"""Remote downloads as accounts see them: started, followed, cancelled (docs/remote-downloads.md).

A job is admitted by one transaction over the rows of the jobs, whose unique columns keep the limits whatever several
processes do at once. The work itself is done by `fetching`, in the download worker.
"""

import uuid
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from transfer_service.errors import (
    AlreadyDownloaded,
    BlobMissing,
    DownloadInProgress,
    MissingPermission,
    NotFound,
    StorageFull,
    StoreUnavailable,
    TooManyDownloads,
)
from transfer_service.models.games import DownloadState, Game, GameData
from transfer_service.services.clocks import shared_now
from transfer_service.services.core import Core
from transfer_service.services.events.actions import Action
from transfer_service.services.events.actors import Actor
from transfer_service.services.events.audit import record
from transfer_service.services.games import job_rows as download_rows
from transfer_service.services.games.archives import ArchiveRemoval
from transfer_service.services.games.job_rows import DownloadRecord, archive_key, is_active, is_kept, jobs

ABANDONED_AFTER = timedelta(seconds=45)
WORKER_GONE = "The download worker stopped"
SILENT_AFTER = timedelta(seconds=3)
"""A speed that the worker told longer ago is not told on."""
LIST_LIMIT = 1000


class RemoteDownloadService:
    """The rules of section 7 of the contract."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._store = core.games
        self._removal = ArchiveRemoval(core)
        self._now = core.now
        self._serving_since = core.now()
        self._max_active = core.settings.max_remote_downloads
        self._source_names = [source.name for source in core.settings.game_data_sources]

    def start(self, actor: Actor, game_id: uuid.UUID, game_data_id: int) -> int:
        """Admit a job and give its id.

        Raises NotFound, DownloadInProgress, AlreadyDownloaded, TooManyDownloads.
        """
        self._look(download_rows.list_active)  # a job that nobody works on must not keep its slot
        job_id = None
        for _ in range(2 * self._max_active):
            with suppress(IntegrityError), self._database.write() as session:
                job_id = self._admit(session, actor, game_id, game_data_id)
            if job_id is not None:
                return job_id
            # Another process has taken the same slot, or the same game, at this very moment: look again.
        raise TooManyDownloads

    def _admit(self, session: Session, actor: Actor, game_id: uuid.UUID, game_data_id: int) -> int:
        game, data = self._get_data(session, game_id, game_data_id)
        held = session.execute(select(jobs.c.slot, jobs.c.game_id).where(is_active)).all()
        if any(each.game_id == game_id for each in held):
            raise DownloadInProgress
        if self._is_downloaded(session, data):
            raise AlreadyDownloaded
        if len(held) >= self._max_active:
            raise TooManyDownloads
        slot = min(set(range(self._max_active)) - {each.slot for each in held})
        at = shared_now(session, self._now)
        return download_rows.begin(session, game, data, slot=slot, actor=actor, sources=self._source_names, at=at)

    def _is_downloaded(self, session: Session, data: GameData) -> bool:
        """Whether it is here as the catalogue names it: somebody may have removed it, or the catalogue have changed."""
        completed = select(jobs.c.id).where(jobs.c.game_data_id == data.id, is_kept, jobs.c.sha256 == data.sha256)
        if session.scalars(completed.limit(1)).first() is None:
            return False
        try:
            return self._store.size(archive_key(data.id)) == data.size
        except BlobMissing:
            return False

    def remove_archive(self, game_id: uuid.UUID, game_data_id: int) -> None:
        """Remove a downloaded archive for good. Raises NotFound where there is none, DownloadInProgress.

        It is gone with the commit, for lists, readers and cleanup; then go its bytes. A download that begins in between
        keeps them, and verifies them again. Whoever is killed in between leaves an orphan, for this or for cleanup.
        """
        was_there = self._has_archive(game_data_id)
        with self._database.write(durable=True) as session:
            _, data = self._get_data(session, game_id, game_data_id)
            if download_rows.is_being_fetched(session, game_data_id):
                raise DownloadInProgress
            now = self._now()
            if download_rows.note_removed(session, game_data_id, at=now):
                details = {"gameDataId": game_data_id, "title": data.title, "sha256": data.sha256}
                record(session, Action.ARCHIVE_DELETED, game_id, details, at=now)
        self._removal.remove_unneeded(game_data_id)
        if not was_there:
            raise NotFound("This game data was not downloaded")

    def _has_archive(self, game_data_id: int) -> bool:
        try:
            return self._store.size(archive_key(game_data_id)) >= 0
        except BlobMissing:
            return False

    @staticmethod
    def _get_data(session: Session, game_id: uuid.UUID, game_data_id: int) -> tuple[Game, GameData]:
        """A game, of which no job begins until the transaction ends, and an archive of it. Raises NotFound."""
        game = session.get(Game, game_id, with_for_update=True)
        if game is None:
            raise NotFound("Game not found")
        data = session.get(GameData, game_data_id)
        if data is None or data.game_id != game_id:
            raise NotFound("Game data not found")
        return game, data

    def cancel(self, actor: Actor, game_id: uuid.UUID | None, *, may_cancel_any: bool) -> None:
        """End the active job of a game, None for one that cannot be. Raises NotFound, and MissingPermission for who
        neither started the last one nor may cancel any.
        """
        with self._database.read() as session:
            latest = download_rows.find_latest(session, [game_id] if game_id else [])
        if not may_cancel_any and not any(job.account_id == actor.account_id for job in latest):
            raise MissingPermission
        with self._database.write() as session:
            if not any(self._ends(session, job, DownloadState.CANCELLED, actor=actor) for job in latest):
                raise NotFound("No active download")

    def find_progress(self, game_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, DownloadRecord]:
        """The last job of each of the games, for those that ever had one: one query."""
        latest = self._look(lambda session: download_rows.find_latest(session, game_ids))
        return {job.game_id: job for job in latest}

    def list_downloads(self, *, limit: int = LIST_LIMIT, after: tuple[bool, int] | None = None) -> list[DownloadRecord]:
        """Every job, the active ones first, then the latest; behind `after`: whether that one had ended, and its id."""
        return self._look(lambda session: download_rows.list_jobs(session, limit, after))

    def list_active(self) -> list[DownloadRecord]:
        """The jobs that have not ended, the oldest first: no more than there are slots."""
        return sorted(self._look(download_rows.list_active), key=lambda job: job.job_id)

    def cancel_job(self, job_id: int, *, actor: Actor) -> None:
        """End a job, whoever has started it. Raises NotFound for one that is not active."""
        with self._database.read() as session:
            active = [job for job in download_rows.list_active(session) if job.job_id == job_id]
        with self._database.write() as session:
            if not any(self._ends(session, job, DownloadState.CANCELLED, actor=actor) for job in active):
                raise NotFound("Transfer not found")

    def _look(self, find: Callable[[Session], list[DownloadRecord]]) -> list[DownloadRecord]:
        """What `find` finds once the jobs among it that nobody works on have failed, if the database can be written."""
        with self._database.read() as session:
            found = find(session)
            now = shared_now(session, self._now) if found else self._now()
        abandoned = [job for job in found if self._is_abandoned(job, now)]
        if abandoned and not self._database.is_read_only:
            self._end_abandoned(abandoned)
            with self._database.read() as session:
                found = find(session)
        silent_since = now - SILENT_AFTER
        return [replace(job, speed=0) if job.updated_at < silent_since else job for job in found]

    def _is_abandoned(self, job: DownloadRecord, now: datetime) -> bool:
        """Whether no worker has given a sign for long, while this process was there to see one."""
        was_here = self._now() - self._serving_since > ABANDONED_AFTER
        return job.state.is_active and was_here and job.updated_at < now - ABANDONED_AFTER

    def _end_abandoned(self, abandoned: Sequence[DownloadRecord]) -> None:
        structlog.get_logger().warning("worker_gone", jobs=[job.job_id for job in abandoned])
        for job in abandoned:  # each by itself: what is told of them is numbered, and nobody waits for two jobs at once
            with suppress(StoreUnavailable, StorageFull), self._database.write() as session:
                self._ends(session, job, DownloadState.ERROR, unchanged_since=job.updated_at, error=WORKER_GONE)

    def _ends(self, session: Session, job: DownloadRecord, state: DownloadState, **others: Any) -> bool:
        return download_rows.finish(session, job.job_id, state, at=self._now(), sources=self._source_names, **others)
