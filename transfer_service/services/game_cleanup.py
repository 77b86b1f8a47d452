"""What remote downloads leave behind: parts without a job that needs them, archives that nobody has completed."""

from collections.abc import Callable, Iterator
from datetime import datetime

from sqlalchemy import select

from transfer_service.database import Database
from transfer_service.offload import Offload
from transfer_service.services.archive_removal import ArchiveRemoval
from transfer_service.services.chat_cleanup import ORPHAN_AGE
from transfer_service.services.download_rows import is_active, is_archive_needed, jobs
from transfer_service.storage.games import GameStore, Leftover


class GameCleanup:
    """A run removes what is older than ORPHAN_AGE and needed by nobody."""

    def __init__(self, *, database: Database, store: GameStore, offload: Offload, now: Callable[[], datetime]) -> None:
        self._database = database
        self._store = store
        self._removal = ArchiveRemoval(database=database, store=store, offload=offload)
        self._offload = offload
        self._now = now

    def remove_leftovers(self, *, dry_run: bool) -> Iterator[int]:
        """The bytes that each one freed, or in a dry run would free."""
        youngest = self._now() - ORPHAN_AGE
        for file in self._offload(lambda: list(self._store.list_files())):
            if file.modified_at < youngest and not self._is_needed(file) and (dry_run or self._remove(file)):
                yield file.stored_bytes

    def _is_needed(self, file: Leftover) -> bool:
        with self._database.read() as session:
            if file.archive_of is not None:
                return is_archive_needed(session, file.archive_of)
            needed = select(jobs.c.id).where(jobs.c.id == file.part_of, is_active)
            return session.scalars(needed).first() is not None

    def _remove(self, file: Leftover) -> bool:
        if file.archive_of is not None:
            return self._removal.remove_unneeded(file.archive_of)
        if file.part_of is not None:  # its job has ended, and none begins again
            job_id = file.part_of
            self._offload(lambda: self._store.delete_part(job_id))
        return True
