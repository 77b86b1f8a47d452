"""The CRC-32 of attachments, and of old files in the trash: computed when an archive first needs it, and kept.

Their bytes are read again and compared with their SHA-256: what is damaged gets none, or an archive would vouch for it.
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import update

from transfer_service.db.database import run_again
from transfer_service.errors import BlobMissing, ChecksumsPending, ReadFailed
from transfer_service.models.chat import Message
from transfer_service.models.files import TrashedFile
from transfer_service.services.core import Core
from transfer_service.services.file_digest import FileHasher
from transfer_service.services.read_back import read_back
from transfer_service.services.steps import ANSWER_SECONDS, Steps
from transfer_service.storage.blobs import BlobStore, Key
from transfer_service.wire.ranges import Span


@dataclass(frozen=True, slots=True)
class Late:
    """Something without one: `table` is `Message` or `TrashedFile`, `key` that of its bytes."""

    table: Any
    id: Any
    key: Key
    length: int
    sha256: str


class LateChecksums:
    """Computes what is lacking, for one account at a time in this process."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._stores: dict[Any, BlobStore] = {Message: core.attachments, TrashedFile: core.store}
        self._offload = core.offload
        self._steps = Steps[bool]()

    def ensure(self, account_id: uuid.UUID, lacking: Sequence[Late]) -> None:
        """Return when all have theirs that are there and undamaged. Raises ChecksumsPending where it takes long."""
        if lacking and not self._steps.take(account_id, lambda: self._add_all(lacking), seconds=ANSWER_SECONDS):
            raise ChecksumsPending

    def _add_all(self, lacking: Sequence[Late]) -> bool:
        for each in lacking:
            with suppress(BlobMissing, ReadFailed):
                found = self._compute(each)
                if found is not None:
                    self._store(each, found)
        return True

    def _compute(self, late: Late) -> int | None:
        store, hasher = self._stores[late.table], FileHasher()
        if store.is_remote:
            for block in read_back(store, late.key, Span(0, late.length)):
                hasher.update(block)
        else:
            with closing(store.open_reader(late.key, is_checked=True)) as reader:
                if reader.size < late.length:
                    return None
                self._offload(lambda: _hash(hasher, reader.blocks(Span(0, late.length))))
        digest = hasher.digest()
        return digest.crc32 if digest.sha256 == late.sha256 else None

    @run_again
    def _store(self, late: Late, value: int) -> None:
        table = late.table.__table__
        of_this = update(table).where(table.c.id == late.id, table.c.sha256 == late.sha256)
        with self._database.write_rows() as rows:
            rows.execute(of_this.values(crc32=value))


def _hash(hasher: FileHasher, blocks: Iterator[bytes]) -> None:
    for block in blocks:
        hasher.update(block)
