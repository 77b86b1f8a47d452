"""Small files that have arrived whole: bytes first, then everything that is known of them, in one transaction."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from transfer_service.db.database import Executor, run_again
from transfer_service.errors import (
    AccountGone,
    FlushFailed,
    KeyLacksScope,
    NameTaken,
    QuotaExceeded,
    StorageFull,
    TransactionLost,
)
from transfer_service.logs import tidying
from transfer_service.services.core import Core
from transfer_service.services.file_digest import Blocks, FileDigest
from transfer_service.services.files import discards, trash_rows
from transfer_service.services.files.files import FileService
from transfer_service.services.files.finishing import declare_whole
from transfer_service.services.files.folder_rows import find_holder, lock_names
from transfer_service.services.files.naming import ClaimedName, claim_name
from transfer_service.services.files.rows import FileRecord
from transfer_service.storage.blobs import BlobWriter
from transfer_service.telemetry import meters
from transfer_service.wire.media_signatures import HEAD_BYTES

SMALL_BYTES = 256 * 1024
"""What is no longer, and there at once, is kept in memory until it can be stored and declared whole in one step."""


class Awaited(Protocol):
    """A body that somebody may have to ask for."""

    @property
    def awaits_leave(self) -> bool:
        """Whether nothing of it comes before it is asked for."""


def _head_of(blocks: Blocks) -> bytes:
    """The first bytes, as many as tell what it is."""
    head = b""
    for block in blocks:
        head += bytes(block[: HEAD_BYTES - len(head)])
        if len(head) == HEAD_BYTES:
            break
    return head


class SmallFiles:
    """Stores what has arrived whole: the bytes first, then its row as it is in the end."""

    def __init__(self, core: Core, *, files: FileService) -> None:
        self._core = core
        self._database = core.database
        self._store = core.store
        self._space = core.space
        self._files = files
        self._offload = core.offload
        self._durability = core.durability

    def check_room(
        self,
        account_id: uuid.UUID,
        length: int,
        body: Awaited | None = None,
        *,
        origin_id: uuid.UUID | None = None,
    ) -> None:
        """Refuse a file that needs at least `length` bytes where there is no room, of its account or its origin.

        A small one whose `body` comes without being asked for is refused when it is stored: to look before would save
        nothing. Raises TooLarge, QuotaExceeded, LinkGone, LinkUsedUp.
        """
        self._space.check_size(length)
        is_asked_for = body is None or body.awaits_leave or length > SMALL_BYTES
        if origin_id is not None or (is_asked_for and length > 0):
            with self._database.read_rows() as rows:
                self._space.check_room(rows, account_id, length)
                self._space.check_origin(rows, origin_id, length, files=1)

    def store(
        self,
        file: FileRecord,
        blocks: Blocks,
        digest: FileDigest,
        *,
        overwrite: bool = False,
        may_replace: bool = True,
        add_more: Callable[[Executor, FileRecord], None] | None = None,
    ) -> tuple[FileRecord, bool]:
        """Store a file and declare it whole. The file, and whether it has replaced another one.

        A name that it holds already must be free; else it is numbered where it is taken, or taken over with
        `overwrite`, unless it `may_replace` none. `add_more` adds rows last in the same transaction. Raises NameTaken,
        KeyLacksScope, TooLarge, StorageFull; then nothing of it is left.
        """
        length = sum(map(len, blocks))
        self._space.check_size(length)

        @run_again
        def declare(writer: BlobWriter) -> tuple[FileRecord, ClaimedName]:
            # Durable, since what is replaced is unlinked afterwards: its row must not come back.
            with self._database.write_rows(durable=self._durability.flush or overwrite) as rows:
                new = replace(file, reserved_bytes=length)
                claimed = self._claim(rows, new, overwrite=overwrite, may_replace=may_replace)
                named = replace(new, name=claimed.name)
                head, replaced_id = _head_of(blocks), claimed.replaced_id
                whole = declare_whole(
                    rows, named, self._core, length=length, digest=digest, is_new=True, head=head,
                    replaced_id=replaced_id,
                )  # fmt: skip
                writer.record(rows)
                whole = replace(whole, next_expected=length)
                if add_more is not None:
                    add_more(rows, whole)
            return whole, claimed

        with self._stored(file, blocks) as writer:
            whole, claimed = declare(writer)
        meters.count(meters.FINISHED)
        if claimed.blob_id is not None:
            self._files.discard_blob(claimed.blob_id)
        return whole, claimed.has_replaced

    def _claim(self, rows: Executor, file: FileRecord, *, overwrite: bool, may_replace: bool) -> ClaimedName:
        """A name for the file, and room for its bytes."""
        account_id, name = file.account_id, file.name
        if not file.holds_name:
            core = self._core
            return claim_name(rows, account_id, name, overwrite=overwrite, core=core, new=file, may_replace=may_replace)
        lock_names(rows, account_id)
        if find_holder(rows, account_id, name) is not None:
            raise NameTaken
        self._space.begin(rows, file)
        return ClaimedName(name)

    @contextmanager
    def _stored(self, file: FileRecord, blocks: Blocks) -> Iterator[BlobWriter]:
        """The bytes in their place, flushed if that was asked for; the claim keeps cleanup from taking them for lost.

        Where the block raises they are gone again, unless the file is there all the same: only the answer failed then.
        """
        try:
            with self._store.open_new(file.id) as writer:
                self._write(writer, blocks)
                yield writer
        except (NameTaken, KeyLacksScope, QuotaExceeded, AccountGone, StorageFull, FlushFailed, TransactionLost):
            self._files.discard_blob(file.id)
            raise
        except BaseException:
            self._discard_if_undeclared(file)
            raise

    def _write(self, writer: BlobWriter, blocks: Blocks) -> None:
        flush, length = self._durability.flush, sum(map(len, blocks))

        def write_and_seal() -> None:
            writer.write(0, blocks)
            writer.seal(length, flush=flush)

        if flush and not self._store.is_remote:  # which leaves the event loop by itself, and not into the thread pool
            self._offload(write_and_seal)
        else:
            write_and_seal()

    def _discard_if_undeclared(self, file: FileRecord) -> None:
        """After a commit of which nobody knows whether it happened: a power loss may still bring it back, and a server
        may still be about to do it.

        Not any more once another commit has followed it, under the lock that it held. Where that fails too, cleanup
        will find the blob.
        """
        file_id = file.id
        with tidying():
            with self._database.write_rows(durable=True) as rows:
                lock_names(rows, file.account_id)
                is_declared = trash_rows.exists_anywhere(rows, file_id)
                if not is_declared:
                    discards.remember(rows, [file_id.hex])
            if not is_declared:
                self._files.discard_blob(file_id)
