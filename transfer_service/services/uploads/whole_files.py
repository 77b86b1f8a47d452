"""A whole file in one request: streamed to its final place, named when it is whole, gone if it breaks."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from transfer_service.db.database import Executor, run_again
from transfer_service.errors import StorageFull, UploadGone
from transfer_service.logs import tidying
from transfer_service.services.body_writer import BodyWriter, Counting, IncomingBytes, read_all
from transfer_service.services.core import Core
from transfer_service.services.digests import DigestFollower
from transfer_service.services.file_digest import FileDigest, digest_of
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.files import FileService, remove_row
from transfer_service.services.files.finishing import declare_whole
from transfer_service.services.files.folder_rows import prune
from transfer_service.services.files.naming import ClaimedName, check_name, claim_name
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.files.small_files import SMALL_BYTES, SmallFiles
from transfer_service.services.running import works_on
from transfer_service.storage.blobs import END, BlobWriter
from transfer_service.telemetry import meters
from transfer_service.wire.ranges import Span

ANYWHERE = Span(0, END)
Remember = Callable[[Executor, FileRecord], None]

RESERVATION_STEP_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Draft:
    """What is known about a file before its bytes: `length` is None where only the end of the body tells it.

    `overwrite` that `may_replace` nothing takes a free name only, and neither a number nor another file's place.
    """

    name: str
    media_type: str
    length: int | None
    overwrite: bool
    origin_id: uuid.UUID | None = None
    may_replace: bool = True


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a file, and whether another one of its name is gone for it."""

    file: FileRecord
    has_replaced: bool


class WholeBody(IncomingBytes, Protocol):
    """The bytes of one file, as they arrive; what raises is not whole."""

    @property
    def awaits_leave(self) -> bool:
        """Whether nothing of it comes before it is asked for."""

    def has_arrived(self, most: int) -> bool:
        """Whether there are at most `most` bytes and all of them are here."""

    def verified(self, draft: Draft, sha256: bytes) -> Draft:
        """The draft with its last name and type, when all has been read. Raises DigestMismatch, InvalidRequest."""


class WholeFileService:
    """Receives whole files: the name and all bytes count in one commit."""

    def __init__(self, core: Core, *, files: FileService, small_files: SmallFiles) -> None:
        self._core = core
        self._database = core.database
        self._store = core.store
        self._space = core.space
        self._files = files
        self._small_files = small_files
        self._offload = core.offload
        self._begin_offload = core.begin_offload
        self._now = core.now
        self._durability = core.durability

    def receive(
        self, account_id: uuid.UUID, draft: Draft, body: WholeBody, *, remember: Remember | None = None
    ) -> Received:
        """Store a file under its name, numbered where that is taken, or in place of the old one with `overwrite`.

        `remember` is called last in the transaction, and keeps the answer for when the request comes again.

        Raises InvalidRequest, KeyLacksScope, TooLarge, StorageFull, UploadGone; then there is no row, no blob and no
        reservation.
        """
        self._small_files.check_room(account_id, draft.length or 0, body, origin_id=draft.origin_id)
        if body.has_arrived(SMALL_BYTES):  # then it is verified before anything is touched
            blocks = [read_all(body, SMALL_BYTES if draft.length is None else draft.length)]
            digest = digest_of(blocks)
            new = self._new_file(account_id, body.verified(draft, bytes.fromhex(digest.sha256)))
            return Received(
                *self._small_files.store(
                    new,
                    blocks,
                    digest,
                    overwrite=draft.overwrite,
                    may_replace=draft.may_replace,
                    add_more=remember,
                )
            )
        file_id, begun_as = self._begin(account_id, draft), draft.name
        works_on(file_id)
        try:
            with self._store.open_writer(file_id, ANYWHERE, create=True, wait_seconds=0) as writer:
                length, digest = self._write(writer, file_id, draft, body)
                draft = body.verified(draft, bytes.fromhex(digest.sha256))
                writer.seal(length, flush=self._durability.flush)
                whole = _Whole(file_id, length, digest, writer, remember)
                file, claimed = self._commit(whole, draft, is_renamed=draft.name != begun_as)
        except BaseException:
            with tidying():
                self._discard(file_id)
            raise
        meters.count(meters.FINISHED)
        if claimed.blob_id is not None:
            self._files.discard_blob(claimed.blob_id)
        return Received(file, claimed.has_replaced)

    @run_again
    def _begin(self, account_id: uuid.UUID, draft: Draft) -> uuid.UUID:
        file = self._new_file(account_id, draft)
        with self._database.write_rows() as rows:
            check_name(rows, account_id, file.name, overwrite=draft.overwrite)
            file_rows.add(rows, file)
            self._space.begin(rows, file)
        return file.id

    def _new_file(self, account_id: uuid.UUID, draft: Draft) -> FileRecord:
        now = self._now()
        return FileRecord(
            id=uuid.uuid4(),
            account_id=account_id,
            name=draft.name,
            holds_name=False,
            media_type=draft.media_type,
            created_at=now,
            updated_at=now,
            length=draft.length,
            length_declared=True,
            reserved_bytes=draft.length or 0,
            origin_id=draft.origin_id,
        )

    def _write(self, writer: BlobWriter, file_id: uuid.UUID, draft: Draft, body: WholeBody) -> tuple[int, FileDigest]:
        """Write and hash the body. Its length and digest."""
        reserved = draft.length or 0

        def make_room(length: int) -> None:
            nonlocal reserved
            self._space.check_size(length)
            if length > reserved:
                reserved = self._reserve_up_to(file_id, length)

        follower = DigestFollower.alone()
        body_writer = BodyWriter(
            writer,
            start=0,
            make_room=make_room,
            counting=Counting(is_atomic=True),
            follower=follower,
            begin=self._begin_offload,
        )
        body_writer.receive(body)
        return body_writer.offset, follower.digest

    @run_again
    def _reserve_up_to(self, file_id: uuid.UUID, needed: int) -> int:
        """Reserve room for a file of unknown length, in steps that no other upload can take away."""
        with self._database.write_rows() as rows:
            file = file_rows.lock(rows, file_id)
            if file is None:
                raise UploadGone
            step = needed - file.reserved_bytes + RESERVATION_STEP_BYTES
            space = self._space
            has_room = space.has_room_for(rows, file.account_id, step) and space.has_room_by(rows, file.origin_id, step)
            reserved = needed + RESERVATION_STEP_BYTES if has_room else needed
            self._space.resize(rows, file, reserved)
            file_rows.save_progress(rows, replace(file, reserved_bytes=reserved))
            return reserved

    @run_again
    def _commit(self, whole: "_Whole", draft: Draft, *, is_renamed: bool) -> tuple[FileRecord, ClaimedName]:
        """Name the file and declare it whole, in one step. Its status, and what became of its name.

        Its folder may have been moved meanwhile; then it is there, unless the end of a form has told another name.
        """
        # Durable, since what is replaced is unlinked afterwards: its row must not come back.
        with self._database.write_rows(durable=self._durability.flush or draft.overwrite) as rows:
            file = file_rows.lock_to_name(rows, whole.file_id)
            if file is None:
                raise UploadGone
            whole.writer.record(rows)
            wanted = draft.name if is_renamed else file.name
            overwrite, may_replace = draft.overwrite, draft.may_replace
            claimed = claim_name(
                rows, file.account_id, wanted, overwrite=overwrite, core=self._core, may_replace=may_replace
            )
            file = replace(file, name=claimed.name, media_type=draft.media_type)
            length, digest, replaced_id = whole.length, whole.digest, claimed.replaced_id
            declared = declare_whole(rows, file, self._core, length=length, digest=digest, replaced_id=replaced_id)
            if is_renamed:
                prune(rows, file.folder_id)
            declared = replace(declared, next_expected=length)
            if whole.remember is not None:
                whole.remember(rows, declared)
            return declared, claimed

    def _discard(self, file_id: uuid.UUID) -> None:
        """Leave nothing of a file that broke. One whose commit failed only in telling that it succeeded stays."""
        try:
            is_gone = self._remove_unfinished(file_id)
        except StorageFull:  # no room for the commit: unlink the bytes first, none of them counts
            self._files.discard_blob(file_id)
            is_gone = self._remove_unfinished(file_id)
        if is_gone:
            self._files.discard_if_nobodys(file_id)

    @run_again
    def _remove_unfinished(self, file_id: uuid.UUID) -> bool:
        """Take the row away. Whether there is none."""
        with self._database.write_rows() as rows:
            file = file_rows.lock_to_name(rows, file_id)
            if file is not None and not file.is_complete:
                remove_row(rows, file, self._space)
            return file is None or not file.is_complete


@dataclass(frozen=True, slots=True)
class _Whole:
    """All bytes of a file, sealed, who has written them, and what keeps the answer."""

    file_id: uuid.UUID
    length: int
    digest: FileDigest
    writer: BlobWriter
    remember: Remember | None
