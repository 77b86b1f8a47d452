"""The step from "every byte is stored" to "the file is whole": hash, flush, and one commit."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial

from sqlalchemy import bindparam, delete, update

from transfer_service.db.database import Database, Executor, run_again
from transfer_service.errors import BlobMissing, BytesLost, FlushFailed, RangeBusy
from transfer_service.models.files import File, FileState, ReceivedRange
from transfer_service.services.core import Core
from transfer_service.services.digests import DigestFollower, RunningDigests
from transfer_service.services.durability import Durability
from transfer_service.services.events import facts
from transfer_service.services.file_digest import FileDigest
from transfer_service.services.files import received_ranges as intervals
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.dates import date_for
from transfer_service.services.files.folder_rows import lock_names
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.previews import noting as previews
from transfer_service.services.steps import Steps
from transfer_service.storage.blobs import END, BlobWriter
from transfer_service.telemetry import meters
from transfer_service.wire.ranges import Span

_files, _ranges = File.__table__, ReceivedRange.__table__
_FORGET = (
    update(_files)
    .where(_files.c.id == bindparam("file_id"), _files.c.state == FileState.RECEIVING)
    .values(received_bytes=0, unflushed_boot=None)
    .returning(_files.c.id)
)
_FORGET_RANGES = delete(_ranges).where(_ranges.c.file_id == bindparam("file_id"))


def flush_or_forget(database: Database, flush: Callable[[], None], file_id: uuid.UUID) -> None:
    """Call what flushes all that was written of a file.

    A kernel that could not write a page takes it for clean afterwards: the next flush succeeds, and says nothing about
    the bytes that are lost (fsync(2)). So after a FlushFailed nothing of an unfinished file counts, and its client
    sends it again. Raises what `flush` raises: BlobMissing, StorageFull, StoreUnavailable.
    """
    try:
        flush()
    except FlushFailed:
        with database.write_rows(durable=True) as rows:
            if rows.execute(_FORGET, {"file_id": file_id}).first() is not None:
                rows.execute(_FORGET_RANGES, {"file_id": file_id})
        raise


def _nothing(*_arguments: object) -> None:
    """There is nothing to be done."""


def declare_whole(
    rows: Executor,
    file: FileRecord,
    core: Core,
    *,
    length: int,
    digest: FileDigest,
    is_new: bool = False,
    head: bytes | None = None,
    replaced_id: uuid.UUID | None = None,
) -> FileRecord:
    """Let a file be whole, under the name that it has claimed, in the caller's transaction: its row, range and room.

    `is_new` is one that has no row yet; `head` are its first bytes, where they are known, see `previews.noting`;
    `replaced_id` is the file that had its name. Raises QuotaExceeded, AccountGone.
    """
    now = file.updated_at if is_new else core.now()
    whole = replace(
        file,
        holds_name=True,
        state=FileState.COMPLETE,
        length=length,
        received_bytes=length,
        reserved_bytes=length,
        sha256=digest.sha256,
        crc32=digest.crc32,
        unflushed_boot=core.durability.mark_of_whole(),
        updated_at=now,
        completed_at=date_for(rows, file.account_id, file.name, now),
    )
    (file_rows.add if is_new else file_rows.save)(rows, whole)
    if not file.received_bytes and length:
        intervals.add_first(rows, file.id, length)
    elif length > file.received_bytes:
        intervals.add_span(rows, file.id, Span(0, length))
    previews.note(rows, core, file.id.hex, head=head)
    core.space.finish(rows, file, length, has_all=not is_new and file.received_bytes == length)
    facts.file_completed(rows, whole, at=now, replaced_id=replaced_id)
    return whole


class Completion:
    """Finishes files. A crash on the way leaves a file that the next look at it finishes."""

    def __init__(self, core: Core, *, digests: RunningDigests) -> None:
        self._core = core
        self._database = core.database
        self._store = core.store
        self._digests = digests
        self._steps = Steps[None]()
        self._now = core.now
        self._durability = core.durability

    def finish(self, file_id: uuid.UUID) -> None:
        """Complete the file if it is due. Raises BlobMissing, ReadFailed, StorageFull: it then stays due.

        Raises BytesLost where it was whole before a power loss, and has other bytes now.
        """
        file = self._find_due(file_id)
        if file is None:
            return
        with self.turn(file_id, file.received_bytes) as others_had_theirs:
            file = self._find_due(file_id) if others_had_theirs else file
            if file is not None:
                self._finish(file)

    def finish_within(self, file_id: uuid.UUID, seconds: float) -> None:
        """The same; where a remote store must be asked for longer than `seconds`, it goes on after that."""
        if self._store.is_remote:
            self._steps.take(file_id, lambda: self.finish(file_id), seconds=seconds)
        else:
            self.finish(file_id)

    def turn(self, file_id: uuid.UUID, length: int) -> AbstractContextManager[bool]:
        """The turn of this instance to read a file back, see `RunningDigests.turn`. Raises RangeBusy."""
        return self._digests.turn(file_id, length)

    def _find_due(self, file_id: uuid.UUID) -> FileRecord | None:
        with self._database.read_rows() as rows:
            file = file_rows.find(rows, file_id)
        return file if file is not None and file.is_due else None

    @run_again
    def _finish(self, file: FileRecord) -> None:
        file_id = file.id
        self._durability.check(file.unflushed_boot)
        flush = self._durability.flush or file.is_in_doubt
        digest = self._judge(file) if file.is_in_doubt else self.digest(file_id, file.received_bytes)
        with (
            self.sealed(file_id, file.received_bytes, is_kept=file.is_in_doubt) as record,
            self._database.write_rows(durable=flush) as rows,
        ):
            if file.folder_id is not None:  # a folder with a finished file stays
                lock_names(rows, file.account_id)
            current = file_rows.lock(rows, file_id)
            # A guessed length may have grown meanwhile; then whoever brought the new bytes finishes.
            if current is None or current.length != file.length:
                return
            record(rows)
            if not current.is_due:  # somebody else was first
                return
            self._durability.check(current.unflushed_boot)
            at = current.completed_at or date_for(rows, current.account_id, current.name, self._now())
            boot = None if flush else self._durability.boot
            whole = replace(current, sha256=digest.sha256, crc32=digest.crc32, completed_at=at, unflushed_boot=boot)
            file_rows.save_progress(rows, replace(whole, state=FileState.COMPLETE))
            previews.note(rows, self._core, file_id.hex)
            if not current.is_in_doubt:  # that was whole before
                facts.file_completed(rows, whole, at=self._now())
        meters.count(meters.FINISHED, amount=int(not file.is_in_doubt))

    def _judge(self, file: FileRecord) -> FileDigest:
        """The digest of a file that was whole before a power loss, if it is whole still. Raises BytesLost."""
        try:
            digest = self.digest(file.id, file.received_bytes)
        except BlobMissing as error:
            raise BytesLost from error
        if digest.sha256 != file.sha256:
            raise BytesLost
        return digest

    def digest(self, file_id: uuid.UUID, length: int) -> FileDigest:
        """That of a file whose bytes are all stored. Raises BlobMissing, ReadFailed."""
        return self._digests.digest(file_id, length)

    def seal(self, file_id: uuid.UUID, length: int, writer: BlobWriter) -> FileDigest:
        """The digest of a file whose last bytes `writer` has, once they are where they must be and nothing else is.

        They count by `record` of the writer, in the transaction that declares the file whole. Raises BlobMissing,
        ReadFailed, StorageFull.
        """
        digest = self._digests.digest(file_id, length)
        self._flush(file_id, partial(writer.seal, length, flush=self._durability.flush))
        return digest

    @contextmanager
    def sealed(
        self, file_id: uuid.UUID, length: int, *, is_new: bool = False, is_kept: bool = False
    ) -> Iterator[Callable[[Executor], None]]:
        """All that counts of a file, where it must be, and nothing behind it, until the block ends.

        What it gives is called in the transaction that declares the file whole. `is_new` may have no blob yet. One that
        `is_kept` was whole before: its bytes were not written now, and are not given up where they cannot be flushed.
        Raises BlobMissing, StorageFull.
        """
        flush = is_kept or self._durability.flush
        with ExitStack() as claimed:
            writer = self._claim_end(claimed, file_id, length, is_new=is_new)
            store: Callable[[], None]
            if writer is not None:
                store = partial(writer.seal, length, flush=flush)
            else:
                store = partial(self._store.sync, file_id) if flush else _nothing
            if is_kept:
                store()
            else:
                self._flush(file_id, store)
            yield writer.record if writer else lambda rows: self._store.record_whole(rows, file_id, length)

    def _claim_end(self, claimed: ExitStack, file_id: uuid.UUID, length: int, *, is_new: bool) -> BlobWriter | None:
        """A writer behind the last byte, None where there is nothing to cut off, or others write there.

        On a disk all is where it must be; a remote store is told in any case that nothing more will come.
        """
        if not (is_new or self._store.is_remote) and self._store.size(file_id) <= length:
            return None
        try:
            end = self._store.open_writer(file_id, Span(length, END), create=is_new, wait_seconds=0)
            writer = claimed.enter_context(end)
        except RangeBusy:
            if is_new:  # whoever makes it
                raise
            return None
        if self._ends_at(file_id, length):
            return writer
        claimed.close()
        return None

    def _ends_at(self, file_id: uuid.UUID, length: int) -> bool:
        """Whether nothing counts behind `length`. Once the place there is claimed, this is the last word."""
        with self._database.read_rows() as rows:
            return intervals.committed_end(rows, file_id) == length

    def _flush(self, file_id: uuid.UUID, flush: Callable[[], None]) -> None:
        try:
            flush_or_forget(self._database, flush, file_id)
        except FlushFailed:
            self._digests.forget(file_id)
            raise

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

    def add(self, file_id: uuid.UUID, offset: int, blocks: Sequence[bytes]) -> None:
        """Hash what has come to count and is still in memory, see `RunningDigests.add`."""
        self._digests.add(file_id, offset, blocks)

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

    def go_back(self, file_id: uuid.UUID) -> None:
        """Drop what a writer has hashed: some of it never came to count."""
        self._digests.go_back(file_id)

    def forget(self, file_id: uuid.UUID) -> None:
        """Drop what is kept in memory about a file."""
        self._digests.forget(file_id)

    def _trim(self, file_id: uuid.UUID, end: int) -> None:
        """Cut off what refused chunks left past `end`, unless it is in use or has become part of the file.

        Whoever writes past `end` claims that place until its bytes count.
        """
        if self._store.size(file_id) <= end:
            return
        with (
            suppress(RangeBusy),
            self._store.open_writer(file_id, Span(end, END), create=False, wait_seconds=0) as writer,
        ):
            if self._ends_at(file_id, end):
                writer.cut()
