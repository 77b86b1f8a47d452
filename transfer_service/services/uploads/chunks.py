"""The upload engine: chunks of a file in any order, from several connections, over several lives of the process.

The order of every acknowledgement is: claim the range, write the bytes to their final place, flush them as far as
`Durability` says, commit the fact, answer. Bytes outside committed ranges mean nothing, so a chunk that is refused
half-way needs no undoing.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from transfer_service.errors import BlobMissing, UploadGone
from transfer_service.models.accounts import Account
from transfer_service.models.files import File, FileState
from transfer_service.services.core import Core
from transfer_service.services.files import dates as file_dates
from transfer_service.services.files import received_ranges as intervals
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.files import FileService, FileStatus, remove_row, status_of
from transfer_service.services.files.finishing import Completion
from transfer_service.services.files.flushing import flush_or_forget
from transfer_service.services.files.rows import FileFacts, Progress
from transfer_service.services.uploads.batches import BATCH_BYTES, OFFLOAD_FROM_BYTES, in_batches
from transfer_service.services.uploads.incoming import Incoming
from transfer_service.services.uploads.lengths import agreed_extent
from transfer_service.services.uploads.placement import Placement
from transfer_service.storage.blobs import BlobWriter
from transfer_service.wire.media_types import stored_media_type
from transfer_service.wire.ranges import Span

CLAIM_WAIT_SECONDS = 2.0


class UploadService:
    """Receives chunks."""

    def __init__(self, core: Core, *, files: FileService, completion: Completion) -> None:
        self._database = core.database
        self._store = core.store
        self._space = core.space
        self._files = files
        self._completion = completion
        self._offload = core.offload
        self._now = core.now
        self._durability = core.durability

    def append(self, account_id: uuid.UUID, name: str, *, span: Span, incoming: Incoming) -> FileStatus:
        """Store one chunk at `span`, all of it or nothing, and tell how far the file got.

        Raises InvalidRequest, RangeConflict, TooLarge, RangeBusy, UploadGone, StorageFull.
        """
        claimed, infer = incoming.claimed_length(), incoming.infers_length
        file = self.check(account_id, name, span=span, claimed=claimed, infer=infer)
        batches = in_batches(incoming.blocks(), BATCH_BYTES)
        head = next(batches, [])
        fits_in_memory = span.size <= BATCH_BYTES
        if fits_in_memory:
            next(batches, None)  # the end of the data: now it is verified, before anything is touched
        content = chain([head], batches)
        chunk = self._address(account_id, name, file, span, incoming)
        try:
            status, is_due = self._store_chunk(chunk, content)
        except UploadGone as error:
            if not fits_in_memory and not isinstance(error, _GoneBeforeTheFirstByte):
                raise
            # Deleted, or given up by another first chunk, between our look and our claim: look again, and begin anew.
            file = self.check(account_id, name, span=span, claimed=incoming.claimed_length(), infer=infer)
            chunk = self._address(account_id, name, file, span, incoming)
            status, is_due = self._store_chunk(chunk, iter([head]) if fits_in_memory else content)
        if not is_due:
            self._completion.make_headway(chunk.file_id, status.next_expected)
            return status
        try:
            self._completion.finish(chunk.file_id)
        except BlobMissing as error:  # deleted while it was hashed
            raise UploadGone from error
        return self._status(chunk.file_id)

    def _address(
        self, account_id: uuid.UUID, name: str, file: FileFacts | None, span: Span, incoming: Incoming
    ) -> "_Chunk":
        """Where a chunk goes: into `file`, or into a new one."""
        return _Chunk(
            account_id=account_id,
            file_id=file.id if file else self._begin(account_id, name, incoming.media_type),
            span=span,
            incoming=incoming,
            fits_in_memory=span.size <= BATCH_BYTES,
            is_first=file is None or not file.received_bytes,
        )

    def _store_chunk(self, chunk: "_Chunk", batches: Iterator[Sequence[bytes]]) -> tuple[FileStatus, bool]:
        """Write a chunk under a claim of its span and make it a fact; if that fails, leave nothing of it."""
        try:
            with self._store.open_writer(
                chunk.file_id, chunk.span, create=chunk.is_first, wait_seconds=CLAIM_WAIT_SECONDS
            ) as writer:
                if not chunk.fits_in_memory:
                    chunk.incoming.give_up_when(writer.is_wanted)
                self._place(writer, chunk, batches)
                return self._make_fact(chunk)
        except BlobMissing as error:
            raise _GoneBeforeTheFirstByte from error
        except UploadGone:
            self._offload(lambda: self._store.delete(chunk.file_id))
            raise
        except BaseException:
            if not chunk.fits_in_memory:
                self._completion.tidy_after_refusal(chunk.file_id)
            if chunk.is_first:
                self._forget_if_empty(chunk.file_id)
            raise

    def _forget_if_empty(self, file_id: uuid.UUID) -> None:
        """Give the name of a file back whose first chunk was refused, unless another one is on its way."""
        if self._store.is_in_use(file_id):
            return
        with self._database.write() as session:
            file = session.get(File, file_id, with_for_update=True)
            if file is None or file.received_bytes or file.state is FileState.COMPLETE:
                return
            remove_row(session, file, self._space)
        self._offload(lambda: self._store.delete(file_id))

    def check(
        self, account_id: uuid.UUID, name: str, *, span: Span, claimed: int | None, infer: bool
    ) -> FileFacts | None:
        """Refuse what the facts already rule out, before the body is read. The file if there is one.

        Raises InvalidRequest, RangeConflict, TooLarge.
        """
        self._space.check_size(max(span.stop, claimed or 0))
        file, used_bytes = self._find_held(account_id, name)
        if file is not None and file_rows.is_in_doubt(file):
            self._files.finish(file)
            file, used_bytes = self._find_held(account_id, name)
        extent = agreed_extent(file, span, claimed=claimed, infer=infer)
        self._space.check_quota(used_bytes, extent.reserved_bytes - (file.reserved_bytes if file else 0))
        return file

    def _find_held(self, account_id: uuid.UUID, name: str) -> tuple[FileFacts | None, int]:
        with self._database.read_rows() as rows:
            return file_rows.find_held(rows, account_id, name)

    def _begin(self, account_id: uuid.UUID, name: str, media_type: str | None) -> uuid.UUID:
        """The id of the file of that name, made now, without bytes and so still invisible, if there is none."""
        now = self._now()
        with self._database.write() as session:
            session.get(Account, account_id, with_for_update=True)  # two first chunks at once make one file
            file, _ = file_rows.find_held(session, account_id, name)
            if file is not None:
                return file.id
            file_id = uuid.uuid4()
            session.add(
                File(
                    id=file_id,
                    account_id=account_id,
                    name=name,
                    holds_name=True,
                    media_type=stored_media_type(media_type, name),
                    state=FileState.RECEIVING,
                    created_at=now,
                    updated_at=now,
                )
            )
        return file_id

    def _place(self, writer: BlobWriter, chunk: "_Chunk", batches: Iterator[Sequence[bytes]]) -> None:
        """Write what is new and compare what is stored. Raises RangeConflict, UploadGone."""
        with self._database.read_rows() as rows:
            stored = intervals.find_touching_spans(rows, chunk.file_id, chunk.span)
        if stored is None:
            # A deleted blob must not come back under its old name, not even for a moment: somebody may be about to open
            # it. What is deleted from here on takes our open file with it.
            raise _GoneBeforeTheFirstByte
        offset = chunk.span.start
        for batch in batches:
            part = Span(offset, offset + sum(map(len, batch)))
            place = Placement(writer, part, batch, [both for each in stored if (both := each.overlap(part))])
            if part.size >= OFFLOAD_FROM_BYTES:
                self._offload(place)
            else:
                place()
            offset = part.stop

    def _make_fact(self, chunk: "_Chunk") -> tuple[FileStatus, bool]:
        """Let the chunk count. The status, and whether the file is now due to be finished."""
        is_flushed = self._durability.flush_chunks
        try:
            if is_flushed:
                flush_or_forget(self._database, self._store, self._offload, chunk.file_id)
            return self._commit(chunk, is_flushed=is_flushed)
        except _FlushFirst:
            flush_or_forget(self._database, self._store, self._offload, chunk.file_id)
            return self._commit(chunk, is_flushed=True)

    def _commit(self, chunk: "_Chunk", *, is_flushed: bool) -> tuple[FileStatus, bool]:
        """Make the chunk a fact. Raises _FlushFirst where it goes on with a finished file: that survives power loss."""
        file_id, span, incoming = chunk.file_id, chunk.span, chunk.incoming
        claimed = incoming.claimed_length()
        self._space.check_size(claimed or 0)
        with self._database.write_rows(durable=self._durability.flush_chunks) as rows:
            file = file_rows.lock(rows, file_id)
            if file is None:
                raise UploadGone
            self._durability.check(file.unflushed_boot)
            extent = agreed_extent(file, span, claimed=claimed, infer=incoming.infers_length)
            merged, added = intervals.add_span(rows, file_id, span)
            if added and self._durability.flush and not is_flushed and _was_whole(file):
                raise _FlushFirst
            self._space.reserve(rows, chunk.account_id, extent.reserved_bytes - file.reserved_bytes)
            changes = bool(added) or extent.length != file.length
            if changes and file.state is FileState.COMPLETE:
                file_dates.retire(rows, file_id)
            progress = Progress(
                state=FileState.RECEIVING if changes else file.state,
                length=extent.length,
                length_declared=extent.is_declared,
                received_bytes=file.received_bytes + added,
                reserved_bytes=extent.reserved_bytes,
                sha256=None if changes else file.sha256,
                unflushed_boot=self._durability.mark_of_chunk(file.unflushed_boot, is_flushed=is_flushed or not added),
                updated_at=max(file.updated_at, self._now()),
                completed_at=None if changes else file.completed_at,
            )
            file_rows.record(rows, file_id, progress)
            next_expected = merged.stop if merged.start == 0 else intervals.contiguous_from_start(rows, file_id)
        status = replace(
            status_of(file, next_expected),
            is_complete=progress.state is FileState.COMPLETE,
            length=progress.length,
            is_length_declared=progress.length_declared,
            received_bytes=progress.received_bytes,
            reserved_bytes=progress.reserved_bytes,
            sha256=progress.sha256,
            updated_at=progress.updated_at,
            completed_at=progress.completed_at,
        )
        return status, not status.is_complete and status.received_bytes == status.length

    def _status(self, file_id: uuid.UUID) -> FileStatus:
        with self._database.read_rows() as rows:
            found = file_rows.find_visible_by_id(rows, file_id)
        if found is None:
            raise UploadGone
        return status_of(*found)


class _GoneBeforeTheFirstByte(UploadGone):
    """The upload was deleted before anything of the chunk's content was taken."""


def _was_whole(file: FileFacts) -> bool:
    """Whether a file of a guessed total was finished, and so flushed: a chunk that is not would put all in doubt."""
    return not file.length_declared and bool(file.received_bytes) and file.unflushed_boot is None


class _FlushFirst(Exception):
    """What is about to count must be on the disk before it does."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """One chunk on its way into one file."""

    account_id: uuid.UUID
    file_id: uuid.UUID
    span: Span
    incoming: Incoming
    fits_in_memory: bool
    is_first: bool
    """Whether the blob may still have to be made."""
