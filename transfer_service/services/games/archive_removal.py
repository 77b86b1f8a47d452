"""Removing archives that no remote download needs."""

from collections.abc import Callable
from contextlib import ExitStack, suppress

from transfer_service.db.database import Database
from transfer_service.errors import BlobMissing, ReadFailed
from transfer_service.services.games import member_rows
from transfer_service.services.games.job_rows import is_archive_needed
from transfer_service.services.games.member_rows import ROWS_A_TRANSACTION
from transfer_service.storage.archives import GameStore
from transfer_service.threads import Offload


class ArchiveRemoval:
    """Takes archives and what is known of their members away."""

    def __init__(self, *, database: Database, store: GameStore, offload: Offload) -> None:
        self._database = database
        self._store = store
        self._offload = offload

    def remove_unneeded(
        self, game_data_id: int, *, sha256: str | None = None, dispose: Callable[[int], object] | None = None
    ) -> bool:
        """Remove an archive unless a job works on it or has completed it (with that digest); tell whether it went.

        `dispose` does it, in place of the store's own way.

        The members go in small steps, each in a transaction that asks again: others want to write too, and a job that
        begins meanwhile learns them anew.
        """
        with ExitStack() as held:
            with suppress(BlobMissing, ReadFailed):
                # Held open, so that the name goes in an instant, and the bytes later, off the event loop.
                archive = self._store.open_archive(game_data_id)
                held.callback(lambda: self._offload(archive.close))
            return self._remove(game_data_id, sha256, dispose or self._store.delete_archive)

    def _remove(self, game_data_id: int, sha256: str | None, dispose: Callable[[int], object]) -> bool:
        removed = ROWS_A_TRANSACTION
        while removed == ROWS_A_TRANSACTION:
            with self._database.write() as session:
                if is_archive_needed(session, game_data_id, sha256=sha256):
                    return False
                removed = member_rows.delete_some(session, game_data_id, limit=ROWS_A_TRANSACTION)
                if removed < ROWS_A_TRANSACTION:
                    dispose(game_data_id)
        return True
