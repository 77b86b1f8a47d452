"""The step from "every byte is stored" to "the file is whole": hash, flush, and one committed fact."""

import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from transfer_service.database import Database
from transfer_service.errors import BlobMissing, RangeBusy
from transfer_service.models import File, FileState
from transfer_service.offload import Offload
from transfer_service.services import intervals
from transfer_service.services.file_rows import FileFacts
from transfer_service.services.running_digests import DigestFollower, RunningDigests
from transfer_service.storage.blobs import END, BlobStore, BlobWriter
from transfer_service.wire.spans import Span


class Completion:
    """Finishes files. A crash on the way leaves a file that the next look at it finishes.

    `flush` says whether a finished file must survive power loss before anybody is told of it.
    """

    def __init__(
        self,
        *,
        database: Database,
        store: BlobStore,
        digests: RunningDigests,
        offload: Offload,
        now: Callable[[], datetime],
        flush: bool,
    ) -> None:
        self._database = database
        self._store = store
        self._digests = digests
        self._offload = offload
        self._now = now
        self._flush = flush

    @staticmethod
    def is_due(file: FileFacts) -> bool:
        """Whether every byte is there but the file is not complete yet."""
        return file.state is FileState.RECEIVING and file.length is not None and file.received_bytes == file.length

    def finish(self, file_id: uuid.UUID) -> None:
        """Complete the file if it is due. Raises BlobMissing, ReadFailed, StorageFull: it then stays due."""
        with self._database.read() as session:
            file = session.get(File, file_id)
        if file is None or not self.is_due(file) or file.length is None:
            return
        digest = self.seal(file_id, file.length)
        with self._database.write(durable=self._flush) as session:
            current = session.get(File, file_id, with_for_update=True)
            # A guessed length may have grown meanwhile; then whoever brought the new bytes finishes.
            if current is None or not self.is_due(current) or current.length != file.length:
                return
            current.state, current.sha256, current.completed_at = FileState.COMPLETE, digest, self._now()

    def seal(self, file_id: uuid.UUID, length: int, writer: BlobWriter | None = None) -> str:
        """The SHA-256 of a file whose bytes are all stored, once they are where they must be and nothing else is.

        `writer` is the caller's own, if it has one. Raises BlobMissing, ReadFailed, StorageFull.
        """
        digest = self._digests.digest(file_id, length)
        if writer is None:
            self._trim(file_id, length)
        else:
            writer.trim(length)
        if self._flush:
            self._offload(lambda: self._store.sync(file_id))
        return digest

    def is_nearly_hashed(self, file_id: uuid.UUID, length: int) -> bool:
        """Whether little is left to hash of a file of that length."""
        return self._digests.is_near(file_id, length)

    def follow(self, file_id: uuid.UUID) -> DigestFollower:
        """For a writer that hashes its bytes while it has them."""
        return self._digests.follow(file_id)

    @property
    def flushes(self) -> bool:
        """Whether a finished file must survive power loss before anybody is told of it."""
        return self._flush

    def make_headway(self, file_id: uuid.UUID, committed: int) -> None:
        """Hash a part of what is stored without a gap."""
        self._digests.make_headway(file_id, committed)

    def tidy_after_refusal(self, file_id: uuid.UUID) -> None:
        """Cut off what a refused chunk may have written behind everything that counts."""
        with self._database.read_rows() as rows:
            end = intervals.committed_end(rows, file_id)
        with suppress(BlobMissing):  # deleted meanwhile
            self._trim(file_id, end)

    def forget(self, file_id: uuid.UUID) -> None:
        """Drop what is kept in memory about a file."""
        self._digests.forget(file_id)

    def _trim(self, file_id: uuid.UUID, end: int) -> None:
        """Cut off what refused chunks left past `end`, unless it is in use or has become part of the file.

        Whoever writes past `end` claims that place until his bytes are a fact. So once the claim is ours, what the
        database says is the last word.
        """
        if self._store.size(file_id) <= end:
            return
        with (
            suppress(RangeBusy),
            self._store.open_writer(file_id, Span(end, END), create=False, wait_seconds=0) as writer,
        ):
            with self._database.read_rows() as rows:
                is_settled = intervals.committed_end(rows, file_id) == end
            if is_settled:
                writer.cut()
