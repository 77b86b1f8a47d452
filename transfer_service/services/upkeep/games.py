"""What remote downloads leave behind: parts without a job that needs them."""

from collections.abc import Iterator

from sqlalchemy import select

from transfer_service.services.core import Core
from transfer_service.services.games.job_rows import is_active, jobs
from transfer_service.services.upkeep.orphans import ORPHAN_AGE


class GameCleanup:
    """A run removes what is older than ORPHAN_AGE and needed by no job."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._store = core.games
        self._offload = core.offload
        self._now = core.now

    def remove_leftovers(self, *, dry_run: bool) -> Iterator[int]:
        """The bytes that each part freed, or in a dry run would free."""
        youngest = self._now() - ORPHAN_AGE
        for file in self._offload(lambda: list(self._store.list_files())):
            job_id = file.part_of
            if job_id is None or file.modified_at >= youngest or self._is_active(job_id):
                continue
            if not dry_run:  # its job has ended, and none begins again
                self._offload(lambda job_id=job_id: self._store.delete_part(job_id))  # type: ignore[misc]
            yield file.stored_bytes

    def _is_active(self, job_id: int) -> bool:
        with self._database.read() as session:
            return session.scalars(select(jobs.c.id).where(jobs.c.id == job_id, is_active)).first() is not None
