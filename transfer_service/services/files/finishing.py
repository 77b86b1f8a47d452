"""The step from "every byte is stored" to "the file is whole": hash, flush, and one commit."""

import uuid
from contextlib import suppress
from dataclasses import replace

from sqlalchemy import bindparam, delete, update

from transfer_service.db.database import Database, Executor, run_again
from transfer_service.errors import BlobMissing, BytesLost, FlushFailed, RangeBusy
from transfer_service.models.files import File, FileState, ReceivedRange
from transfer_service.services.core import Core
from transfer_service.services.digests import DigestFollower, RunningDigests
from transfer_service.services.durability import Durability
from transfer_service.services.files import received_ranges as intervals
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.dates import date_for
from transfer_service.services.files.folder_rows import lock_names
from transfer_service.services.files.rows import FileRecord
from transfer_service.storage.blobs import END, BlobStore, BlobWriter
from transfer_service.wire.ranges import Span

_files, _ranges = File.__table__, ReceivedRange.__table__
_FORGET = (
    update(_files)
    .where(_files.c.id == bindparam("file_id"), _files.c.state == FileState.RECEIVING)
    .values(received_bytes=0, unflushed_boot=None)
    .returning(_files.c.id)
)
_FORGET_RANGES = delete(_ranges).where(_ranges.c.file_id == bindparam("file_id"))


def flush_or_forget(database: Database, store: BlobStore, file_id: uuid.UUID) -> None:
    """Return when all that was written of a file survives power loss.

    A kernel that could not write a page takes it for clean afterwards: the next flush succeeds, and says nothing about
    the bytes that are lost (fsync(2)). So after a FlushFailed nothing of an unfinished file counts, and its client
    sends it again. Raises BlobMissing, StorageFull, StoreUnavailable.
    """
    try:
        store.sync(file_id)
    except FlushFailed:
        with database.write_rows(durable=True) as rows:
            if rows.execute(_FORGET, {"file_id": file_id}).first() is not None:
                rows.execute(_FORGET_RANGES, {"file_id": file_id})
        raise


def declare_whole(
    rows: Executor, file: FileRecord, core: Core, *, length: int, sha256: str, is_new: bool = False
) -> FileRecord:
    """Let a file be whole, under the name that it has claimed, in the caller's transaction: its row, range and room.

    `is_new` is one that has no row yet. Raises QuotaExceeded, AccountGone.
    """
    now = file.updated_at if is_new else core.now()
    whole = replace(
        file,
        holds_name=True,
        state=FileState.COMPLETE,
        length=length,
        received_bytes=length,
        reserved_bytes=length,
        sha256=sha256,
        unflushed_boot=core.durability.mark_of_whole(),
        updated_at=now,
        completed_at=date_for(rows, file.account_id, file.name, now),
    )
    (file_rows.add if is_new else file_rows.save)(rows, whole)
    if not file.received_bytes and length:
        intervals.add_first(rows, file.id, length)
    elif length > file.received_bytes:
        intervals.add_span(rows, file.id, Span(0, length))
    core.space.reserve(rows, file.account_id, length - file.reserved_bytes)
    return whole


class Completion:
    """Finishes files. A crash on the way leaves a file that the next look at it finishes."""

    def __init__(self, core: Core, *, digests: RunningDigests) -> None:
        self._database = core.database
        self._store = core.store
        self._digests = digests
        self._now = core.now
        self._durability = core.durability

    @run_again
    def finish(self, file_id: uuid.UUID) -> None:
        """Complete the file if it is due. Raises BlobMissing, ReadFailed, StorageFull: it then stays due.

        Raises BytesLost where it was whole before a power loss, and has other bytes now.
        """
        with self._database.read_rows() as rows:
            file = file_rows.find(rows, file_id)
        if file is None or not file.is_due:
            return
        self._durability.check(file.unflushed_boot)
        flush = self._durability.flush or file.is_in_doubt
        digest = self._judge(file) if file.is_in_doubt else self.seal(file_id, file.received_bytes)
        with self._database.write_rows(durable=flush) as rows:
            if file.folder_id is not None:  # a folder with a finished file stays
                lock_names(rows, file.account_id)
            current = file_rows.lock(rows, file_id)
            # A guessed length may have grown meanwhile; then whoever brought the new bytes finishes.
            if current is None or not current.is_due or current.length != file.length:
                return
            self._durability.check(current.unflushed_boot)
            at = current.completed_at or date_for(rows, current.account_id, current.name, self._now())
            boot = None if flush else self._durability.boot
            finished = replace(current, state=FileState.COMPLETE, sha256=digest, completed_at=at, unflushed_boot=boot)
            file_rows.save_progress(rows, finished)

    def _judge(self, file: FileRecord) -> str:
        """The SHA-256 of a file that was whole before a power loss, if it is whole still. Raises BytesLost."""
        try:
            digest = self.seal(file.id, file.received_bytes, flush=True)
        except BlobMissing as error:
            raise BytesLost from error
        if digest != file.sha256:
            raise BytesLost
        return digest

    def seal(
        self, file_id: uuid.UUID, length: int, writer: BlobWriter | None = None, *, flush: bool | None = None
    ) -> str:
        """The SHA-256 of a file whose bytes are all stored, once they are where they must be and nothing else is.

        `writer` is the caller's own, if it has one; `flush` goes before what is set.

        Raises BlobMissing, ReadFailed, StorageFull.
        """
        digest = self._digests.digest(file_id, length)
        if writer is None:
            self._trim(file_id, length)
        else:
            writer.trim(length)
        if flush:  # of a file that was whole: its bytes were not written now, and are not given up
            self._store.sync(file_id)
        elif flush is None and self._durability.flush:
            try:
                flush_or_forget(self._database, self._store, file_id)
            except FlushFailed:
                self._digests.forget(file_id)
                raise
        return digest

    def is_nearly_hashed(self, file_id: uuid.UUID, length: int) -> bool:
        """Whether little is left to hash of a file of that length."""
        return self._digests.is_near(file_id, length)

    def follow(self, file_id: uuid.UUID) -> DigestFollower:
        """For a writer that hashes its bytes while it has them."""
        return self._digests.follow(file_id)

    @property
    def durability(self) -> Durability:
        """What must be flushed."""
        return self._durability

    def make_headway(self, file_id: uuid.UUID, committed: int) -> None:
        """Hash a part of what is stored without a gap."""
        self._digests.make_headway(file_id, committed)

    def tidy_after_refusal(self, file_id: uuid.UUID) -> None:
        """Cut off what a refused chunk may have written behind everything that counts."""
        with self._database.read_rows() as rows:
            end = intervals.committed_end(rows, file_id)
        if end is not None:  # or it may be in the trash, with all that it had
            with suppress(BlobMissing):  # deleted meanwhile
                self._trim(file_id, end)

    def forget(self, file_id: uuid.UUID) -> None:
        """Drop what is kept in memory about a file."""
        self._digests.forget(file_id)

    def _trim(self, file_id: uuid.UUID, end: int) -> None:
        """Cut off what refused chunks left past `end`, unless it is in use or has become part of the file.

        Whoever writes past `end` claims that place until its bytes count. So once the claim is ours, what the
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
