"""A whole file in one request: streamed to its final place, named when it is whole, gone if it breaks."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import select

from transfer_service.errors import StorageFull, UploadGone
from transfer_service.models.accounts import Account
from transfer_service.models.files import File, FileState, folded
from transfer_service.services.core import Core
from transfer_service.services.files import received_ranges as intervals
from transfer_service.services.files.dates import date_for
from transfer_service.services.files.files import FileService, FileStatus, remove_row, status_of
from transfer_service.services.files.naming import claim_name
from transfer_service.services.uploads.receiving import write_hashed
from transfer_service.storage.blobs import END, BlobWriter
from transfer_service.wire.ranges import Span

ANYWHERE = Span(0, END)
RESERVATION_STEP_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Draft:
    """What is known about a file before its bytes: `length` is None where only the end of the body tells it."""

    name: str
    media_type: str
    length: int | None
    overwrite: bool


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a file, and whether another one of its name is gone for it."""

    status: FileStatus
    has_replaced: bool


class WholeBody(Protocol):
    """The bytes of one file, as they arrive."""

    def blocks(self) -> Iterator[bytes]:
        """The data; raises a TransferError instead of ending where it is not whole."""

    def settle(self, draft: Draft, sha256: bytes) -> Draft:
        """The draft with its last name and type, when `blocks` has ended. Raises DigestMismatch, InvalidRequest."""


class WholeFileService:
    """Receives whole files."""

    def __init__(self, core: Core, *, files: FileService) -> None:
        self._database = core.database
        self._store = core.store
        self._space = core.space
        self._files = files
        self._offload = core.offload
        self._now = core.now
        self._durability = core.durability

    def check_room(self, account_id: uuid.UUID, length: int) -> None:
        """Refuse a file that needs at least `length` bytes where there is no room. Raises TooLarge."""
        self._space.check_size(length)
        with self._database.read() as session:
            used = session.scalar(select(Account.used_bytes).where(Account.id == account_id)) or 0
        self._space.check_quota(used, length)

    def receive(self, account_id: uuid.UUID, draft: Draft, body: WholeBody) -> Received:
        """Store a file under its name, numbered where that is taken, or in place of the old one with `overwrite`.

        Raises InvalidRequest, TooLarge, StorageFull, UploadGone; then there is no row, no blob and no reservation.
        """
        self._space.check_size(draft.length or 0)
        file_id = self._begin(account_id, draft)
        try:
            with self._store.open_writer(file_id, ANYWHERE, create=True, wait_seconds=0) as writer:
                length, digest = self._write(writer, file_id, draft, body.blocks())
                draft = body.settle(draft, digest)
                if self._durability.flush:
                    self._offload(lambda: self._store.sync(file_id))
                status, replaced = self._commit(file_id, draft, length=length, sha256=digest.hex())
        except BaseException:
            self._discard(file_id)
            raise
        if replaced is not None:
            self._files.discard_blob(replaced)
        return Received(status, has_replaced=replaced is not None)

    def _begin(self, account_id: uuid.UUID, draft: Draft) -> uuid.UUID:
        now = self._now()
        reserved = draft.length or 0
        with self._database.write() as session:
            self._space.reserve(session, account_id, reserved)
            file = File(
                id=uuid.uuid4(),
                account_id=account_id,
                name=draft.name,
                holds_name=False,
                media_type=draft.media_type,
                state=FileState.RECEIVING,
                length=draft.length,
                length_declared=True,
                reserved_bytes=reserved,
                created_at=now,
                updated_at=now,
            )
            session.add(file)
        return file.id

    def _write(
        self, writer: BlobWriter, file_id: uuid.UUID, draft: Draft, blocks: Iterator[bytes]
    ) -> tuple[int, bytes]:
        """Write and hash the blocks. The length and the SHA-256."""
        reserved = draft.length or 0

        def make_room(length: int) -> None:
            nonlocal reserved
            self._space.check_size(length)
            if length > reserved:
                reserved = self._reserve_up_to(file_id, length)

        return write_hashed(writer, blocks, make_room=make_room, offload=self._offload)

    def _reserve_up_to(self, file_id: uuid.UUID, needed: int) -> int:
        """Reserve room for a file of unknown length, in steps that no other upload can take away."""
        with self._database.write() as session:
            file = session.get(File, file_id, with_for_update=True)
            if file is None:
                raise UploadGone
            used = session.scalar(select(Account.used_bytes).where(Account.id == file.account_id)) or 0
            step = needed - file.reserved_bytes
            if self._space.has_room(used, step + RESERVATION_STEP_BYTES):
                step += RESERVATION_STEP_BYTES
            self._space.reserve(session, file.account_id, step)
            file.reserved_bytes += step
            return file.reserved_bytes

    def _commit(
        self, file_id: uuid.UUID, draft: Draft, *, length: int, sha256: str
    ) -> tuple[FileStatus, uuid.UUID | None]:
        """Name the file and declare it whole, in one step. Its status, and the id of the file it replaced."""
        # What is replaced is unlinked afterwards: then it must not come back.
        with self._database.write(durable=self._durability.flush or draft.overwrite) as session:
            file = session.get(File, file_id, with_for_update=True)
            if file is None:
                raise UploadGone
            file.name, replaced_id = claim_name(
                session, file.account_id, draft.name, overwrite=draft.overwrite, space=self._space
            )
            self._space.reserve(session, file.account_id, length - file.reserved_bytes)
            now = self._now()
            file.unflushed_boot = self._durability.mark_of_whole()
            file.holds_name, file.state, file.sha256 = True, FileState.COMPLETE, sha256
            file.media_type = draft.media_type
            file.length = file.reserved_bytes = file.received_bytes = length
            file.folded_name, file.updated_at = folded(file.name), now
            file.completed_at = date_for(session, file.account_id, file.name, now)
            if length:
                intervals.add_span(session, file_id, Span(0, length))
            session.flush()
            return status_of(file, length), replaced_id

    def _discard(self, file_id: uuid.UUID) -> None:
        """Leave nothing of a file that broke. One whose commit failed only in telling that it succeeded stays."""
        try:
            is_gone = self._remove_unfinished(file_id)
        except StorageFull:  # nothing of it counts, and its bytes make the room that the database needs
            self._files.discard_blob(file_id)
            is_gone = self._remove_unfinished(file_id)
        if is_gone:
            self._files.discard_blob(file_id)

    def _remove_unfinished(self, file_id: uuid.UUID) -> bool:
        """Take the row away. Whether there is none."""
        with self._database.write() as session:
            file = session.get(File, file_id, with_for_update=True)
            if file is not None and file.state is FileState.RECEIVING:
                remove_row(session, file, self._space)
            return file is None or file.state is FileState.RECEIVING
