"""The trash of an account: what was deleted or replaced, until it is brought back, or gone for good.

How a file gets here says `take_away` in `files`. Its bytes stay where they are. On the way out the row goes first, for
good, and then they do; `discards` knows what that leaves behind.
"""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import select

from transfer_service.db.database import run_again
from transfer_service.errors import NameTaken, NotFound, StorageFull
from transfer_service.models.files import FileState, TrashedFile
from transfer_service.services.core import Core
from transfer_service.services.events.actions import Action
from transfer_service.services.events.audit import record
from transfer_service.services.files import discards, trash_rows
from transfer_service.services.files import received_ranges as intervals
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.dates import date_for
from transfer_service.services.files.files import FileService
from transfer_service.services.files.folder_rows import A_FILE_HAS_IT, A_FOLDER_HAS_IT, find_holder, lock_names
from transfer_service.services.files.naming import claim_name
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.files.trash_rows import TrashedRecord

BATCH = 200


class Trash:
    """Shows what is in the trash, brings it back and removes it."""

    def __init__(self, core: Core, *, files: FileService) -> None:
        self._core = core
        self._database = core.database
        self._claims = core.store.claims
        self._files = files

    def list_files(
        self, account_id: uuid.UUID, name: str | None = None, *, limit: int, after: tuple[Any, ...] | None = None
    ) -> list[TrashedRecord]:
        """The account's trash, the newest deletion first, behind the place `after`; with a `name` only what had it."""
        with self._database.read_rows() as rows:
            return trash_rows.find_page(rows, account_id, name, limit=limit, after=after)

    def restore(self, account_id: uuid.UUID, file_id: uuid.UUID, name: str | None = None) -> FileRecord:
        """Make it a file again, under the name that it had, numbered where that is taken, or under `name`.

        Raises NotFound; NameTaken where `name` is taken, or a file is where a folder must be.
        """
        with self._claims.in_use(file_id):
            self._move_back(account_id, file_id, name)
        return self._files.get(account_id, file_id)

    @run_again
    def _move_back(self, account_id: uuid.UUID, file_id: uuid.UUID, name: str | None) -> None:
        with self._database.write_rows(durable=True) as rows:
            lock_names(rows, account_id)
            trashed = trash_rows.find(rows, account_id, file_id)
            if trashed is None:
                raise NotFound("File not found")
            holder = find_holder(rows, account_id, name) if name is not None else None
            if holder is not None:
                raise NameTaken(A_FOLDER_HAS_IT if holder.state is FileState.FOLDER else A_FILE_HAS_IT)
            free = claim_name(rows, account_id, name or trashed.name, overwrite=False, core=self._core).name
            trash_rows.take(rows, account_id, [file_id])
            now = self._core.now()
            # Its UUID is an address too, at which a file of that very name may have been seen meanwhile.
            at = date_for(rows, account_id, free, date_for(rows, account_id, str(file_id), now))
            is_in_doubt = trashed.unflushed_boot not in {None, self._core.durability.boot}
            file = FileRecord(
                id=file_id,
                account_id=account_id,
                name=free,
                holds_name=True,
                media_type=trashed.media_type,
                created_at=trashed.created_at,
                updated_at=now,
                state=FileState.RECEIVING if is_in_doubt else FileState.COMPLETE,
                length=trashed.length,
                length_declared=trashed.length_declared,
                received_bytes=trashed.length,
                reserved_bytes=trashed.reserved_bytes,
                sha256=trashed.sha256,
                crc32=trashed.crc32,
                origin_id=trashed.origin_id,
                unflushed_boot=None if is_in_doubt else trashed.unflushed_boot,
                completed_at=at,
            )
            file_rows.add(rows, file)
            if file.received_bytes:
                intervals.add_first(rows, file_id, file.received_bytes)
            details = {"filename": free, "previous": trashed.name, "size": file.length, "sha256": file.sha256}
            record(rows, Action.FILE_RESTORED, file_id, details, at=now)

    def remove(self, account_id: uuid.UUID, file_id: uuid.UUID) -> None:
        """Remove one for good. Raises NotFound."""
        if not list(self._remove(account_id, [file_id])):
            raise NotFound("File not found")

    def empty(self, account_id: uuid.UUID) -> None:
        """Remove all for good, but what comes in meanwhile."""
        after = None
        while page := self.list_files(account_id, limit=BATCH, after=after):
            for _ in self._remove(account_id, [each.id for each in page]):
                pass
            after = page[-1].place

    def remove_expired(self, *, dry_run: bool) -> Iterator[int]:
        """Remove what is past its day; the bytes of disk that each frees."""
        now = self._core.now()
        expired: Any = select(TrashedFile.id, TrashedFile.account_id).where(TrashedFile.expires_at <= now)
        for batch in self._database.batches(expired, size=BATCH):
            if dry_run:
                yield from (self._core.store.stored_bytes(each.id) or 0 for each in batch)
                continue
            by_account = attrgetter("account_id")
            for account_id, group in groupby(sorted(batch, key=by_account), key=by_account):
                yield from self._remove(account_id, [each.id for each in group], expired_at=now)

    def _remove(
        self, account_id: uuid.UUID, file_ids: Sequence[uuid.UUID], *, expired_at: datetime | None = None
    ) -> Iterator[int]:
        """Remove those of the account that are still here; the bytes of disk that each frees."""
        try:
            gone = self._remove_rows(account_id, file_ids, expired_at)
        except StorageFull:  # no room for the commit: unlink the bytes first, they go in any case
            if self._core.store.is_remote:  # where they are, is room
                raise
            for file_id in file_ids:
                self._discard_first(account_id, file_id, expired_at)
            gone = self._remove_rows(account_id, file_ids, expired_at)
        for file_id in gone:
            yield self._files.discard_blob(file_id)

    @run_again
    def _remove_rows(
        self, account_id: uuid.UUID, file_ids: Sequence[uuid.UUID], expired_at: datetime | None
    ) -> list[uuid.UUID]:
        with self._database.write_rows(durable=True) as rows:  # or a power loss brings them back without their bytes
            lock_names(rows, account_id)
            gone = trash_rows.take(rows, account_id, file_ids, expired_at=expired_at)
            discards.remember_for_good(rows, [each.id.hex for each in gone])
            self._core.space.give_back_all(rows, account_id, gone)
            for each in gone:
                details = {"filename": each.name, "size": each.length, "sha256": each.sha256}
                expired = {} if expired_at is None else {"expired": True}
                record(rows, Action.FILE_PURGED, each.id, {**details, **expired}, at=self._core.now())
        return [each.id for each in gone]

    def _discard_first(self, account_id: uuid.UUID, file_id: uuid.UUID, expired_at: datetime | None) -> None:
        """Free the bytes of what is in the trash, unless somebody is bringing it back, or sends more of it."""
        with self._claims.secluded(file_id) as is_free, self._database.read_rows() as rows:
            found = trash_rows.find(rows, account_id, file_id) if is_free else None
            if found is not None and (expired_at is None or found.expires_at <= expired_at):
                self._files.discard_blob(file_id)
