"""The upload engine: chunks of a file in any order, from several connections, over several lives of the process.

The order of every acknowledgement is: claim the range, write the bytes to their final place, flush them as far as
`Durability` says, commit the record, answer. Bytes outside committed ranges mean nothing, so a chunk that is refused
half-way needs no undoing.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

from transfer_service.db.database import run_again
from transfer_service.errors import BlobMissing, NameTaken, UploadGone
from transfer_service.logs import tidying
from transfer_service.models.files import FileState
from transfer_service.services.batches import BATCH_BYTES, OFFLOAD_FROM_BYTES, in_batches, write_or_compare
from transfer_service.services.core import Core, Taken
from transfer_service.services.file_digest import digest_of
from transfer_service.services.files import dates as file_dates
from transfer_service.services.files import discards
from transfer_service.services.files import received_ranges as intervals
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.files import FileService, remove_row
from transfer_service.services.files.finishing import Completion, flush_or_forget
from transfer_service.services.files.folder_rows import lock_names
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.files.small_files import SMALL_BYTES, SmallFiles
from transfer_service.services.running import works_on
from transfer_service.services.steps import ANSWER_SECONDS
from transfer_service.services.uploads.incoming import Incoming, Place
from transfer_service.services.uploads.lengths import agreed, was_whole
from transfer_service.storage.blobs import BlobWriter
from transfer_service.wire.media_types import stored_media_type
from transfer_service.wire.ranges import Span

CLAIM_WAIT_SECONDS = 2.0


class UploadService:
    """Receives chunks: each of them is stored whole or not at all, and counts before it is answered."""

    def __init__(self, core: Core, *, files: FileService, small_files: SmallFiles, completion: Completion) -> None:
        self._database = core.database
        self._store = core.store
        self._space = core.space
        self._files = files
        self._small_files = small_files
        self._completion = completion
        self._offload = core.offload
        self._now = core.now
        self._durability = core.durability

    def append(self, place: Place, *, span: Span, incoming: Incoming) -> FileRecord:
        """Store one chunk at `span`, all of it or nothing, and tell how far the file got; it may be due still.

        Raises InvalidRequest, RangeConflict, TooLarge, RangeBusy, UploadGone, StorageFull.
        """
        claimed, infer = incoming.claimed_length(), incoming.infers_length
        file = self.check(place, span=span, claimed=claimed, infer=infer)
        batches = in_batches(incoming.blocks(), BATCH_BYTES)
        head = next(batches, [])
        fits_in_memory = span.size <= BATCH_BYTES
        if fits_in_memory:
            next(batches, None)  # reads to the end, where the chunk is verified, before anything is touched
            if file is None and (whole := self._store_whole(place, span, incoming, head)):
                return whole
        content = chain([head], batches)
        chunk = self._address(place, file, span, incoming)
        try:
            status = self._store_chunk(chunk, content)
        except UploadGone as error:
            if not fits_in_memory and not isinstance(error, _GoneBeforeTheFirstByte):
                raise
            # Deleted, or given up by another first chunk, between our look and our claim: look again, and begin anew.
            file = self.check(place, span=span, claimed=incoming.claimed_length(), infer=infer)
            chunk = self._address(place, file, span, incoming)
            status = self._store_chunk(chunk, iter([head]) if fits_in_memory else content)
        if fits_in_memory:
            self._completion.add(chunk.file_id, span.start, head)
        if not status.is_due:
            self._completion.make_headway(chunk.file_id, status.next_expected)
            return status
        try:
            self._completion.finish_within(chunk.file_id, ANSWER_SECONDS)
        except BlobMissing as error:  # deleted while it was hashed
            raise UploadGone from error
        return self._status(chunk.file_id)

    def _store_whole(self, place: Place, span: Span, incoming: Incoming, blocks: Sequence[bytes]) -> FileRecord | None:
        """The first chunk of a small file that is all of it; None where it is not, or not the first any more."""
        new = self._new_file(place, incoming.media_type)
        new = agreed(new, span, claimed=incoming.claimed_length(), infer=incoming.infers_length)
        if new.length != span.size or span.size > SMALL_BYTES:
            return None
        try:
            return self._small_files.store(new, blocks, digest_of(blocks))[0]
        except NameTaken:
            return None

    def _address(self, place: Place, file: FileRecord | None, span: Span, body: Incoming) -> "_Chunk":
        """Where a chunk goes: into `file`, or into a new one."""
        file_id = file.id if file else self._begin(place, body.media_type)
        is_first = file is None or not file.received_bytes
        return _Chunk(file_id, span, body, span.size <= BATCH_BYTES, is_first)

    def _store_chunk(self, chunk: "_Chunk", batches: Iterator[Sequence[bytes]]) -> FileRecord:
        """Write a chunk under a claim of its span and let it count; if that fails, leave nothing of it."""
        works_on(chunk.file_id)
        try:
            with self._store.open_writer(
                chunk.file_id, chunk.span, create=chunk.is_first, wait_seconds=CLAIM_WAIT_SECONDS
            ) as writer:
                if not chunk.fits_in_memory:
                    chunk.incoming.give_up_when(writer.is_wanted)
                self._place(writer, chunk, batches)
                return self._count(chunk, writer)
        except BlobMissing as error:
            raise _GoneBeforeTheFirstByte from error
        except UploadGone:
            self._files.discard_if_nobodys(chunk.file_id)
            raise
        except BaseException:
            with tidying():
                if not chunk.fits_in_memory:
                    self._completion.tidy_after_refusal(chunk.file_id)
                if chunk.is_first:
                    self._forget_if_empty(chunk.file_id)
            raise

    @run_again
    def _forget_if_empty(self, file_id: uuid.UUID) -> None:
        """Give the name of a file back whose first chunk was refused, unless another one is on its way."""
        if self._store.claims.is_in_use(file_id):
            return
        with self._database.write_rows() as rows:
            file = file_rows.lock_to_name(rows, file_id)
            if file is None or file.received_bytes or file.is_complete:
                return
            remove_row(rows, file, self._space)
        discards.free(self._store, file_id)

    def check(self, place: Place, *, span: Span, claimed: int | None, infer: bool) -> FileRecord | None:
        """Refuse what the record already rules out, before the body is read. The file if there is one.

        Raises InvalidRequest, RangeConflict, TooLarge.
        """
        self._space.check_size(max(span.stop, claimed or 0))
        file, taken = self._find_held(place)
        if file is not None and file.is_in_doubt:
            self._files.finish(file)
            file, taken = self._find_held(place)
        before = file or self._new_file(place)
        additional = agreed(before, span, claimed=claimed, infer=infer).reserved_bytes - before.reserved_bytes
        self._space.check_quota(taken, additional)
        if before.origin_id is not None:
            with self._database.read_rows() as rows:
                self._space.check_origin(rows, before.origin_id, additional, files=int(file is None))
        return file

    def _find_held(self, place: Place) -> tuple[FileRecord | None, Taken]:
        with self._database.read_rows() as rows:
            return file_rows.find_held(rows, place.account_id, place.name)

    @run_again
    def _begin(self, place: Place, media_type: str | None) -> uuid.UUID:
        """The id of the file of that name, made now, without bytes and so still invisible, if there is none."""
        with self._database.write_rows() as rows:
            lock_names(rows, place.account_id)  # two first chunks at once make one file
            file, _ = file_rows.find_held(rows, place.account_id, place.name)
            if file is None:
                file = self._new_file(place, media_type)
                file_rows.add(rows, file)
                self._space.begin(rows, file)
        return file.id

    def _new_file(self, place: Place, media_type: str | None = None) -> FileRecord:
        now = self._now()
        return FileRecord(
            id=uuid.uuid4(),
            account_id=place.account_id,
            name=place.name,
            holds_name=True,
            media_type=stored_media_type(media_type, place.name),
            created_at=now,
            updated_at=now,
            origin_id=place.origin_id,
        )

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
            stored_here = [both for each in stored if (both := each.overlap(part))]
            writer.make_room(part.size)
            place = partial(write_or_compare, writer, part, batch, stored_here)
            # To read from a remote store leaves the event loop by itself.
            is_much = part.size >= OFFLOAD_FROM_BYTES and not (stored_here and self._store.is_remote)
            self._offload(place) if is_much else place()
            offset = part.stop

    def _count(self, chunk: "_Chunk", writer: BlobWriter) -> FileRecord:
        """Let the chunk count. The file, which may be due to be finished now."""
        is_flushed = self._durability.flush_chunks
        try:
            if is_flushed:
                flush_or_forget(self._database, writer.sync, chunk.file_id)
            return self._commit(chunk, writer, is_flushed=is_flushed)
        except _FlushFirst:
            flush_or_forget(self._database, writer.sync, chunk.file_id)
            return self._commit(chunk, writer, is_flushed=True)

    @run_again
    def _commit(self, chunk: "_Chunk", writer: BlobWriter, *, is_flushed: bool) -> FileRecord:
        """Let the chunk count. Raises _FlushFirst where it goes on with a finished file: that survives power loss."""
        file_id, span, incoming = chunk.file_id, chunk.span, chunk.incoming
        claimed = incoming.claimed_length()
        self._space.check_size(claimed or 0)
        with self._database.write_rows(durable=self._durability.flush_chunks) as rows:
            file = file_rows.lock(rows, file_id)
            if file is None:
                raise UploadGone
            self._durability.check(file.unflushed_boot)
            writer.record(rows)
            agreed_file = agreed(file, span, claimed=claimed, infer=incoming.infers_length)
            merged, added = intervals.add_span(rows, file_id, span)
            if added and self._durability.flush and not is_flushed and was_whole(file):
                raise _FlushFirst
            self._space.resize(rows, file, agreed_file.reserved_bytes)
            changes = bool(added) or agreed_file.length != file.length
            if changes and file.is_complete:
                file_dates.retire(rows, file_id)
            reopened: dict[str, Any] = {
                "state": FileState.RECEIVING,
                "sha256": None,
                "crc32": None,
                "completed_at": None,
            }
            from_start = merged.stop if merged.start == 0 else intervals.contiguous_from_start(rows, file_id)
            after = replace(
                agreed_file,
                received_bytes=file.received_bytes + added,
                unflushed_boot=self._durability.mark_of_chunk(file.unflushed_boot, is_flushed=is_flushed or not added),
                updated_at=max(file.updated_at, self._now()),
                next_expected=from_start,
                **(reopened if changes else {}),
            )
            file_rows.save_progress(rows, after)
        return after

    def _status(self, file_id: uuid.UUID) -> FileRecord:
        with self._database.read_rows() as rows:
            found = file_rows.find_visible_by_id(rows, file_id)
        if found is None:
            raise UploadGone
        return found


class _GoneBeforeTheFirstByte(UploadGone):
    """The upload was deleted before anything of the chunk's content was taken."""


class _FlushFirst(Exception):
    """What is about to count must be on the disk before it does."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """One chunk on its way into one file."""

    file_id: uuid.UUID
    span: Span
    incoming: Incoming
    fits_in_memory: bool
    is_first: bool
    """Whether the blob may still have to be made."""
