"""Bytes that are nobody's any more, or not yet: noted by name, so that what was killed half-way leaves no orphan.

The name is written in the transaction that deletes the record, or before an attachment arrives, and taken back in the
one that posts it. Whatever is found under it later is not somebody's whom this database has forgotten: it goes, and
needs no quarantine.
"""

import uuid
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import Row, delete, insert, select

from transfer_service.db.database import Executor
from transfer_service.logs import tidying
from transfer_service.models.upkeep import DiscardedBytes
from transfer_service.services.core import Core
from transfer_service.services.previews import rows as preview_rows
from transfer_service.services.steps import Aside
from transfer_service.storage.blobs import BlobStore, Key
from transfer_service.threads import Offload

REMEMBERED_FOR = timedelta(hours=1)
"""Longer than any kernel takes to write an unlink to the disk: a power loss before that brings the bytes back."""
BATCH = 500
AT_ONCE = 8

_discarded = DiscardedBytes.__table__


def remember(rows: Executor, names: Sequence[str]) -> None:
    """Note, in the transaction that deletes their record, which bytes are to go: blobs by their hexadecimal digits,
    attachments by their message's id.
    """
    if names:
        rows.execute(insert(_discarded), [{"name": name} for name in names])


def remember_for_good(rows: Executor, names: Sequence[str]) -> None:
    """The same for what was there for others to see: its previews go too."""
    remember(rows, names)
    preview_rows.let_go(rows, names)


def is_remembered(rows: Executor, name: str) -> bool:
    """Whether the note is there, once nobody is taking it back any more: also not by a commit whose answer was lost."""
    noted = select(_discarded.c.name).where(_discarded.c.name == name).with_for_update()
    return rows.execute(noted).first() is not None


def keep(rows: Executor, name: str) -> None:
    """Take the note back, in the transaction that makes the bytes somebody's."""
    rows.execute(delete(_discarded).where(_discarded.c.name == name))


def free(store: BlobStore, key: Key) -> int:
    """Remove bytes whose record went with a commit that remembers them. How many this frees.

    What was deleted is deleted, also where the disk does not let go of the bytes: cleanup finds them by their name.
    """
    with tidying():
        return store.delete(key)
    return 0


def free_all(store: BlobStore, keys: Sequence[Key], *, offload: Offload) -> None:
    """The same for many: of a local store in one step off the event loop, of a remote one several at once."""
    if not store.is_remote:
        offload(lambda: [free(store, key) for key in keys])
        return
    for start in range(0, len(keys), AT_ONCE):
        for step in [Aside(partial(free, store, key)) for key in keys[start : start + AT_ONCE]]:
            step.result()


class Discards:
    """Removes what was left of deletions, and of attachments on their way, that were killed."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._store = core.store
        self._attachments = core.attachments
        self._now = core.now

    def finish(self, *, dry_run: bool) -> Iterator[int]:
        """Remove what is still there, and forget what has been gone for long. The bytes that each thing frees."""
        for batch in self._database.batches(select(_discarded.c.name, _discarded.c.discarded_at), size=BATCH):
            if self._store.is_remote and not dry_run:
                self._drop_parts([each.name for each in batch if self._may_go(each)])
            found = {each.name: self._room_of(each.name).stored_bytes(each.name) for each in batch}
            for each in batch:
                stored_bytes = found[each.name]
                if stored_bytes is not None and self._may_go(each):
                    yield stored_bytes if dry_run else self._room_of(each.name).delete(each.name)
            if not dry_run:
                self._forget([name for name, stored_bytes in found.items() if stored_bytes is None])

    def _drop_parts(self, names: Sequence[str]) -> None:
        """Remove what a cleanup has set aside of them before."""
        for room in (self._store, self._attachments):
            room.quarantine.drop({name for name in names if self._room_of(name) is room})

    def _may_go(self, noted: Row[Any]) -> bool:
        """An attachment may still be on its way, and is its message's once that is posted."""
        if self._room_of(noted.name) is self._store:
            return True
        if noted.discarded_at > self._now() - REMEMBERED_FOR:
            return False
        if self._attachments.claims.is_in_use(noted.name):
            return False
        with self._database.read() as session:  # asked last: it is posted while it is in use
            return session.get(DiscardedBytes, noted.name) is not None

    def _forget(self, names: Sequence[str]) -> None:
        is_old = _discarded.c.discarded_at < self._now() - REMEMBERED_FOR
        if names:
            with self._database.write() as session:
                session.execute(delete(_discarded).where(_discarded.c.name.in_(names), is_old))

    def _room_of(self, name: str) -> BlobStore:
        return self._store if len(name) == len(uuid.UUID(int=0).hex) else self._attachments
