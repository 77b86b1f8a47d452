"""Appending to a resumable upload: one writer at a time in all processes, and whatever arrives counts.

An append claims everything from its offset on. The kernel drops the claim with the process; who comes later is seen by
its holder, who lets go. Written bytes count from the commit on that moves the offset.
"""

import uuid
from dataclasses import dataclass, replace
from typing import Protocol

from transfer_service.db.database import run_again
from transfer_service.errors import (
    BlobMissing,
    DigestMismatch,
    Forbidden,
    InconsistentLength,
    NameTaken,
    OffsetMismatch,
    QuotaExceeded,
    TooLarge,
    UploadEnded,
    UploadFinished,
    UploadGone,
)
from transfer_service.logs import tidying
from transfer_service.models.uploads import UploadKind
from transfer_service.services.body_writer import PAST_THE_LENGTH, BodyWriter, Counting, IncomingBytes, up_to
from transfer_service.services.core import Core
from transfer_service.services.files import received_ranges as intervals
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.files import FileService
from transfer_service.services.files.finishing import flush_or_forget
from transfer_service.services.running import works_on
from transfer_service.services.uploads import rows as resumable_rows
from transfer_service.services.uploads.finishing import UploadCompletion
from transfer_service.services.uploads.lookup import TAKE_OVER_SECONDS, Displacement, UploadLookup
from transfer_service.services.uploads.progress import ProgressNews
from transfer_service.services.uploads.rows import UploadRecord
from transfer_service.storage.blobs import END, BlobWriter
from transfer_service.wire.ranges import Span


class AppendBody(IncomingBytes, Protocol):
    """The bytes of an append and what is promised about them."""

    @property
    def is_atomic(self) -> bool:
        """Whether all of it counts or nothing, because it has a checksum."""

    @property
    def announced(self) -> int | None:
        """The number of bytes, None where only the end tells."""

    @property
    def awaits_leave(self) -> bool:
        """Whether nothing of it comes before it is asked for."""

    def has_arrived(self, most: int) -> bool:
        """Whether there are at most `most` bytes and all of them are here."""

    def verify(self) -> None:
        """Called after the last byte. Raises ChecksumMismatch, InvalidRequest."""

    def acknowledge(self, offset: int) -> None:
        """Called while the body arrives, when everything up to `offset` counts."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Where an append begins, and what it says of the whole: its length, whether it ends here, what it hashes to.

    With `ends` it is whole as soon as it has its length, with `is_last` it has its length here.
    """

    offset: int
    length: int | None = None
    is_last: bool = False
    repr_digest: str | None = None
    ends: bool = False


class Appends:
    """Takes the bytes of appends."""

    def __init__(
        self,
        core: Core,
        *,
        files: FileService,
        lookup: UploadLookup,
        displacement: Displacement,
        completion: UploadCompletion,
        news: ProgressNews,
    ) -> None:
        self._database = core.database
        self._store = core.store
        self._space = core.space
        self._files = files
        self._lookup = lookup
        self._displacement = displacement
        self._completion = completion
        self._news = news
        self._begin_offload = core.begin_offload
        self._now = core.now
        self._durability = core.durability

    def append(self, upload: UploadRecord, piece: Piece, body: AppendBody) -> UploadRecord:
        """Store bytes at the end of an upload, and finish it if they are the last: see ResumableUploadService."""
        if upload.kind is UploadKind.FINAL:
            raise Forbidden("A final upload takes no bytes of its own")
        return _replayed(upload, piece, body) if upload.is_finished else self._append(upload, piece, body)

    def _append(self, upload: UploadRecord, piece: Piece, body: AppendBody) -> UploadRecord:
        if upload.offset != piece.offset:  # what it is told must be true for its next request
            self._displacement.end_append(upload.id)
            upload = self._lookup.get(upload.account_id, upload.id)
            if upload.is_finished:
                return _replayed(upload, piece, body)
        self._check(upload, piece, body)
        span = Span(piece.offset, END)
        try:
            with self._store.take_over(
                upload.id, span, create=upload.offset == 0, wait_seconds=TAKE_OVER_SECONDS
            ) as writer:
                upload = self._lookup.get(upload.account_id, upload.id)
                if upload.is_finished:  # meanwhile
                    return _replayed(upload, piece, body)
                return self._receive(self._check(upload, piece, body), piece, body, writer)
        except BlobMissing as error:
            raise UploadEnded from error
        except (UploadEnded, UploadGone) as error:
            self._files.discard_if_nobodys(upload.id)  # it may have been finished and then forgotten: the file stays
            raise UploadEnded from error

    def _check(self, upload: UploadRecord, piece: Piece, body: AppendBody) -> UploadRecord:
        """Refuse what the facts rule out. Raises OffsetMismatch, InconsistentLength, TooLarge."""
        if upload.offset != piece.offset:
            raise OffsetMismatch(offset=upload.offset, provided=piece.offset)
        length = upload.length if piece.length is None else piece.length
        stop = piece.offset + (body.announced or 0)
        if upload.length is not None and length != upload.length:
            raise InconsistentLength
        if length is not None and stop > length:
            raise TooLarge(PAST_THE_LENGTH)
        if length is not None and piece.is_last and body.announced is not None and stop != length:
            raise InconsistentLength
        self._space.check_size(max(length or 0, stop))
        self._check_room(upload, max(length or 0, stop))
        return upload

    def _check_room(self, upload: UploadRecord, reserved_bytes: int) -> None:
        """Refuse, before its body is read, what is known to need more room than there is. Raises QuotaExceeded."""
        if upload.file is not None and reserved_bytes > upload.file.reserved_bytes:
            with self._database.read_rows() as rows:
                self._space.check_growth(rows, upload.file, reserved_bytes)

    def _receive(self, upload: UploadRecord, piece: Piece, body: AppendBody, writer: BlobWriter) -> UploadRecord:
        length = upload.length if piece.length is None else piece.length
        if length is None and piece.is_last and body.announced is not None:
            length = piece.offset + body.announced

        def commit(offset: int) -> None:
            self._count(upload, upload.with_file(received_bytes=offset, length=length), writer)
            body.acknowledge(offset)

        body_writer = BodyWriter(
            writer,
            start=upload.offset,
            make_room=up_to(self._space.max_file_bytes if length is None else length),
            counting=Counting(body.is_atomic, commit, lambda: self._touch(upload.id)),
            follower=self._completion.follow(upload.id) if self._store.is_remote or not body.is_atomic else None,
            begin=self._begin_offload,
        )
        body.end_when(writer.is_wanted)
        works_on(upload.id)
        try:
            body_writer.receive(body)
            body.verify()
            if piece.is_last and length is not None and body_writer.offset != length:
                if not body.is_atomic:
                    body_writer.commit_all()
                raise InconsistentLength
        except BaseException:
            if body_writer.has_loose_bytes:
                self._completion.go_back(upload.id)
            if body.is_atomic:
                with tidying():
                    writer.cut()
            raise
        if piece.repr_digest is not None:
            upload = self._promise(upload, piece.repr_digest)
        stop = body_writer.offset
        whole = upload.with_file(received_bytes=stop, length=stop if piece.is_last else length)
        return self._conclude(upload, replace(whole, ends=upload.ends or piece.is_last or piece.ends), writer)

    def _conclude(self, before: UploadRecord, after: UploadRecord, writer: BlobWriter) -> UploadRecord:
        """Let all that is written count; where that makes the upload whole, in one step with finishing it."""
        is_finishing = self._completion.is_nearly_hashed(after)
        try:
            if is_finishing:
                return self._completion.finish_written(after, writer)
        except (DigestMismatch, NameTaken, QuotaExceeded):  # it counts all the same, and stays unfinished
            self._count(before, after, writer)
            raise
        except BaseException:
            self._completion.go_back(after.id)
            raise
        return self._count(before, after, writer)

    def _count(self, before: UploadRecord, after: UploadRecord, writer: BlobWriter) -> UploadRecord:
        """Let everything count that `after` has, on the disk as far as that was asked for."""
        try:
            if self._needs_sync(after.offset, writer):
                flush_or_forget(self._database, writer.sync, after.id)
            return self._commit(before, after, writer)
        except BaseException:
            self._completion.go_back(after.id)  # the hash has taken bytes that do not count
            raise

    @run_again
    def _touch(self, upload_id: uuid.UUID) -> None:
        """Tell others that bytes are arriving, of which none counts yet. Raises UploadEnded."""
        with self._database.write_rows() as rows:
            if not file_rows.touch(rows, upload_id, self._now()):
                raise UploadEnded

    @run_again
    def _promise(self, upload: UploadRecord, repr_digest: str) -> UploadRecord:
        """Remember what the whole must hash to."""
        with self._database.write_rows() as rows:
            resumable_rows.set_repr_digest(rows, upload.id, repr_digest)
        return replace(upload, repr_digest=repr_digest)

    def _needs_sync(self, offset: int, writer: BlobWriter) -> bool:
        """Whether the bytes up to `offset` must still be brought where they are safe enough to count."""
        return offset > writer.settled if self._store.is_remote else self._durability.flush_chunks

    @run_again
    def _commit(self, upload: UploadRecord, wanted: UploadRecord, writer: BlobWriter) -> UploadRecord:
        """Let everything count that `wanted` has; one that is finished meanwhile, and wants no more, stays as it is.

        Raises UploadEnded, UploadFinished, QuotaExceeded, ClaimLost.
        """
        offset, length, ends = wanted.offset, wanted.length, wanted.ends
        with self._database.write_rows(durable=self._durability.flush_chunks) as rows:
            file = file_rows.lock(rows, upload.id)
            if file is None:
                raise UploadEnded
            if file.is_complete:  # by somebody who has taken the claim, or found that nothing was missing
                writer.record(rows)
                return _finished_meanwhile(resumable_rows.find(rows, upload.id), upload, wanted)
            self._durability.check(file.unflushed_boot)
            if file.received_bytes < upload.offset:  # forgotten meanwhile, see `flush_or_forget`
                raise OffsetMismatch(offset=file.received_bytes, provided=upload.offset)
            writer.record(rows)
            reserved = max(file.reserved_bytes, offset) if length is None else length
            self._space.check_open(rows, file)
            self._space.resize(rows, file, reserved)
            if offset > file.received_bytes:
                intervals.add_span(rows, upload.id, Span(0, offset))
            if ends and not upload.ends:
                resumable_rows.set_ends(rows, upload.id)
            after = replace(
                file,
                length=length,
                length_declared=length is not None,
                received_bytes=offset,
                reserved_bytes=reserved,
                sha256=None,
                crc32=None,
                unflushed_boot=self._durability.mark_of_chunk(file.unflushed_boot),
                updated_at=max(file.updated_at, self._now()),
                completed_at=None,
            )
            file_rows.save_progress(rows, after)
        upload = replace(upload, ends=ends, rested_since=after.updated_at, file=after)
        if not upload.is_due:
            self._news.tell(upload)
            self._completion.make_headway(upload.id, offset)
        return upload


def _finished_meanwhile(finished: UploadRecord | None, upload: UploadRecord, wanted: UploadRecord) -> UploadRecord:
    """What somebody else has finished, to who wants its end where it is. Raises UploadEnded, UploadFinished."""
    if finished is None or finished.has_ended:
        raise UploadEnded
    if not (wanted.ends and upload.offset == wanted.offset == finished.offset):
        raise UploadFinished
    return finished


def _replayed(finished: UploadRecord, piece: Piece, body: AppendBody) -> UploadRecord:
    """A finished upload, to who may have lost its answer: an empty append at its end that says it is the end.

    Raises OffsetMismatch, UploadFinished.
    """
    if piece.offset != finished.offset:
        raise OffsetMismatch(offset=finished.offset, provided=piece.offset)
    is_replay = piece.is_last or piece.ends
    if not is_replay or body.announced or (body.announced is None and body.readinto(memoryview(bytearray(1)))):
        raise UploadFinished
    return finished
