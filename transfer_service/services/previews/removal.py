"""Previews whose files have gone: their bytes go, and then their rows."""

from collections.abc import Iterator

from transfer_service.services.core import Core
from transfer_service.services.previews import rows as preview_rows

BATCH = 50


class PreviewRemoval:
    """Removes them, by a worker as soon as it looks, and by every cleanup where none does."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._room = core.previews
        self._now = core.now

    def remove_gone(self, *, dry_run: bool) -> Iterator[int]:
        """Remove what is left of them, or only look; the bytes of disk that each frees.

        Bytes first: who is killed in between leaves a row by which it is done again. One that a worker has leased may
        still get bytes, so it is left alone for so long.
        """
        while True:
            with self._database.read_rows() as rows:
                gone = preview_rows.find_gone(rows, self._now(), limit=BATCH)
            for subject in gone:
                freed = (self._room.stored_bytes(subject) or 0) if dry_run else self._room.delete(subject)
                if freed:  # or no preview had been made of it yet
                    yield freed
                if not dry_run:
                    with self._database.write_rows() as rows:
                        preview_rows.remove(rows, subject)
            if dry_run or len(gone) < BATCH:
                return
