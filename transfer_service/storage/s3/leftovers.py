"""What writers and compactions have left that were killed: pieces that no row came to name, and multipart uploads.

The pieces go to the quarantine, since an older database does not name what a newer one does. Those of blobs without
records are not touched here: the quarantine takes them with the rest of their blob. Nothing that counts is in a
multipart upload.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sqlalchemy import select

from transfer_service.models.pieces import StoredPiece
from transfer_service.storage.s3.backing import Backing
from transfer_service.storage.s3.discards import BATCH, IN_DOUBT
from transfer_service.storage.s3.objects import ObjectFacts
from transfer_service.storage.s3.quarantine import RemoteQuarantine

COPY_AGE = timedelta(days=1)
"""No copy to the quarantine takes longer; nobody claims anything for it."""

_pieces = StoredPiece.__table__
Known = Callable[[Collection[str]], set[str]]
"""Those of some keys that have records."""


class Users(Protocol):
    """Who tells whether a blob is in use."""

    def is_in_use(self, key: str) -> bool:
        """Whether anybody holds a lock on the blob, or on one of the group, or waits for one."""


class Leftovers:
    """Those of one room."""

    def __init__(self, backing: Backing, users: Users) -> None:
        self._backing = backing
        self._layout = backing.layout
        self._users = users
        self._quarantine = RemoteQuarantine(backing)

    def remove(self, known: Known, *, now: datetime, dry_run: bool = False) -> Iterator[int]:
        """Take them away, or only look. How many bytes each has; 0 for a multipart upload, whose size nobody tells.

        Raises StoreUnavailable.
        """
        ahead = self._backing.objects.now() - datetime.now(UTC)  # by the store's clock, which dates are by
        for page in self._backing.objects.list(self._layout.piece_prefix):
            old = [facts for facts in page if facts.modified_at < now + ahead - IN_DOUBT]
            for start in range(0, len(old), BATCH):
                unnamed = self._find_unnamed(old[start : start + BATCH], known)
                if not dry_run:
                    self._quarantine.put_pieces([facts.name for facts in unnamed], now=now)
                yield from (facts.size for facts in unnamed)
        yield from self._abort_multiparts(now + ahead, dry_run=dry_run)

    def _find_unnamed(self, pieces: Sequence[ObjectFacts], known: Known) -> list[ObjectFacts]:
        unnamed = self._unnamed([facts.name for facts in pieces])
        keys = {self._key_of(name) for name in unnamed}
        free = {key for key in (known(keys) if keys else ()) if not self._users.is_in_use(key)}
        # Asked again: what was on its way has come to count, or never will.
        gone = self._unnamed([name for name in unnamed if self._key_of(name) in free])
        return [facts for facts in pieces if facts.name in gone]

    def _unnamed(self, names: Collection[str]) -> set[str]:
        with self._backing.database.read() as session:
            return set(names) - set(session.scalars(select(_pieces.c.object).where(_pieces.c.object.in_(names))))

    def _key_of(self, name: str) -> str:
        place = name.removeprefix(self._layout.piece_prefix).rpartition("/")[0]
        return place.partition("/")[2] if self._layout.room.shards else place

    def _abort_multiparts(self, now: datetime, *, dry_run: bool) -> Iterator[int]:
        for prefix, key_of in (
            (self._layout.own_prefix, self._layout.key_at),
            (self._layout.piece_prefix, self._key_of),
        ):
            for page in self._backing.objects.multiparts(prefix):
                for upload in page:
                    key = key_of(upload.name)
                    if upload.begun_at < now - IN_DOUBT and key and not self._users.is_in_use(key):
                        yield self._abort(upload.name, upload.upload_id, dry_run=dry_run)
        for page in self._backing.objects.multiparts(self._layout.quarantine_prefix):
            for upload in page:
                if upload.begun_at < now - COPY_AGE:
                    yield self._abort(upload.name, upload.upload_id, dry_run=dry_run)

    def _abort(self, name: str, upload_id: str, *, dry_run: bool) -> int:
        if not dry_run:
            self._backing.objects.abort(name, upload_id)
        return 0
