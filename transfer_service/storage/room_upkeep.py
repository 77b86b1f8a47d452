"""What keeps a room in order, beside the blobs in it: a place for orphans, one for what is deleted while a backup is
made, and a mark that says whose room it is.
"""

import uuid
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from transfer_service.storage.bodies import BlobReader


@dataclass(frozen=True, slots=True)
class KeptOrphan:
    """Something in quarantine: the key that it had in its room, and since when it is here."""

    key: str
    since: datetime
    stored_bytes: int


class Quarantine(Protocol):
    """Where a room keeps what cleanup takes for orphans, until somebody misses it or its days are over."""

    def put(self, key: str, *, now: datetime) -> bool:
        """Move a blob or a group here. Whether it was still there."""

    def items(self) -> Sequence[KeptOrphan]:
        """Everything that is kept, in no order."""

    def is_missed(self, item: KeptOrphan) -> bool:
        """Whether it is to be put back where its key has records: it may be a part that no record is about."""

    def take_back(self, item: KeptOrphan) -> bool:
        """Put it where it was. Whether that could be done: something may be there by now, or it has gone."""

    def remove(self, item: KeptOrphan) -> None:
        """Remove it for good."""

    def drop(self, keys: Collection[str]) -> None:
        """Remove for good what is kept of blobs or groups that their records have let go."""


class Mark(Protocol):
    """The id of the installation that a room belongs to, kept in the room itself."""

    def read(self) -> str | None:
        """What it is, None where there is none. Raises StoreUnavailable."""

    def write(self, value: str) -> None:
        """Put it there, for good. Raises StorageFull, StoreUnavailable."""


class Deleted(Protocol):
    """What is deleted while somebody reads by records of before, such as a backup.

    Bytes go after their record. So who keeps what is deleted, and then looks at the records, finds all that they name.
    """

    def keep(self) -> AbstractContextManager[Callable[[], None]]:
        """Keep the bytes of what any process deletes until the block ends; several may do so at once.

        What comes back raises BackupRefused where others may have taken this process for dead meanwhile.
        """

    def open_reader(self, key: uuid.UUID | str) -> BlobReader:
        """A blob that was deleted and is kept, to be closed. Raises BlobMissing, ReadFailed."""

    def remove(self, *, dry_run: bool = False) -> int:
        """Remove for good what nobody keeps any more, such as who was killed. How many bytes that frees."""
