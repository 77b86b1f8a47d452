"""What remote downloads leave behind: parts without a job that needs them."""

from collections.abc import Iterator
from itertools import chain

from sqlalchemy import select

from transfer_service.services.core import Core
from transfer_service.services.games.job_rows import archive_id, is_active, is_archive, jobs
from transfer_service.services.upkeep.orphans import ORPHAN_AGE


class GameCleanup:
    """A run removes what is older than ORPHAN_AGE and needed by no job."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._store = core.games
        self._now = core.now

    def remove_leftovers(self, *, dry_run: bool) -> Iterator[int]:
        """The bytes that each part freed, or in a dry run would free."""
        youngest = self._now() - ORPHAN_AGE
        for blob in chain.from_iterable(self._store.batches()):
            if is_archive(blob.key) or blob.modified_at >= youngest or self._is_active(archive_id(blob.key)):
                continue
            if not dry_run:  # its job has ended, and none begins again
                self._store.delete(blob.key)
            yield blob.stored_bytes

    def _is_active(self, job_id: int) -> bool:
        with self._database.read() as session:
            return session.scalars(select(jobs.c.id).where(jobs.c.id == job_id, is_active)).first() is not None
