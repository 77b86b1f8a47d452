"""What is deleted of an object store while a backup reads (the Deleted of `room_upkeep`).

Whoever keeps has a claim of a place of its own, as long as its process lives. Whoever deletes looks for such, and where
there is one the objects are only noted: they go as soon as somebody tidies up after the end of it. Keys of archives and
previews are used again, so those go at once: what is kept would be taken for the next ones.
"""

import secrets
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from transfer_service.db.database import Database
from transfer_service.errors import BackupRefused, BlobMissing, ClaimLost
from transfer_service.storage.blobs import END, WHOLE
from transfer_service.storage.bodies import BlobReader
from transfer_service.storage.leases import LeaseClaims
from transfer_service.storage.rooms import ATTACHMENTS, FILES
from transfer_service.storage.s3.discards import Discards
from transfer_service.storage.s3.layout import RoomLayout
from transfer_service.storage.s3.objects import Objects
from transfer_service.wire.ranges import Span

PLACE = "deleted"
"""Of the claims, for all rooms."""
_KEY = "kept"
_WAIT_SECONDS = 10.0


class Keepers:
    """Who keeps what is deleted of an installation."""

    def __init__(self, claims: LeaseClaims, database: Database) -> None:
        self._claims = claims
        self._database = database

    def is_any(self) -> bool:
        """Whether anybody does."""
        return self._claims.is_locked(_KEY, WHOLE)

    @contextmanager
    def keeping(self) -> Iterator[Callable[[], None]]:
        """Be one until the block ends. What comes back raises BackupRefused where others took us for dead."""
        byte = secrets.randbelow(END)
        with self._claims.lock(_KEY, Span(byte, byte + 1), wait_seconds=_WAIT_SECONDS) as lock:

            def check() -> None:
                try:
                    with self._database.write_rows() as rows:
                        lock.check(rows)
                except ClaimLost as error:
                    raise BackupRefused(
                        "This process was stopped, or the database away, for so long that what was deleted meanwhile "
                        "may be gone: call it again"
                    ) from error

            yield check


class RemoteDeleted:
    """That of one room."""

    def __init__(self, keepers: Keepers, objects: Objects, discards: Discards, layout: RoomLayout) -> None:
        self._keepers = keepers
        self._objects = objects
        self._discards = discards
        self._prefixes = (layout.own_prefix, layout.piece_prefix)
        self._is_kept = layout.room in {FILES, ATTACHMENTS}
        self.keep = keepers.keeping

    def take(self, names: Collection[str]) -> None:
        """Remove objects that are nobody's any more, or only note them where somebody keeps such."""
        if self._is_kept and self._keepers.is_any():
            self._discards.note(names)
        else:
            self._objects.delete(list(names))

    def open_reader(self, _key: uuid.UUID | str) -> BlobReader:
        """It is where the rows of before say, so whoever has those finds it there. Raises BlobMissing."""
        raise BlobMissing

    def remove(self, *, dry_run: bool = False) -> int:
        """Remove what was noted. The store does not say how many bytes that frees."""
        if not self._keepers.is_any():
            for prefix in self._prefixes:
                self._discards.finish(prefix, now=datetime.now(UTC), dry_run=dry_run)
        return 0
