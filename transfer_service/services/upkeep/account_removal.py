"""Removing an account with all its data.

First nobody can act as the account any more: from that commit on every request is refused, and those that run end
within a moment, at whichever instance (`services.running`). Then its data goes, some of it at a time, each in a
transaction of its own, records before bytes; its row goes last. So a removal that was killed leaves a disabled account,
and is done by doing it again. Of its messages the empty rows stay, without a sender: others see that somebody spoke.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Row, Select, delete, func, select, tuple_, update
from sqlalchemy.orm import Session

from transfer_service.db.database import run_again
from transfer_service.models.accounts import Account
from transfer_service.models.chat import Message
from transfer_service.models.files import File, FileState, Folder, ReceivedRange, TrashedFile
from transfer_service.services.accounts.changes import lock_expendable
from transfer_service.services.accounts.sign_ins import Identity
from transfer_service.services.chat import conversation_rows, message_rows
from transfer_service.services.core import Core
from transfer_service.services.events import audit, facts, outbox, webhook_rows
from transfer_service.services.events.actions import Action
from transfer_service.services.files import discards, trash_rows
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.files import FileService
from transfer_service.services.files.folder_rows import lock_names
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.previews.removal import PreviewRemoval
from transfer_service.services.running import ENDED_WITHIN_SECONDS
from transfer_service.services.upkeep import account_rows
from transfer_service.services.upkeep.account_traces import AccountTraces
from transfer_service.storage.blobs import BlobStore, Key
from transfer_service.wire.webhooks import Event

BATCH = 200
BYTES_SECONDS = 180.0
"""So long bytes are removed before the answer. What is left then belongs to nobody, and cleanup removes it."""

_files, _folders, _ranges = File.__table__, Folder.__table__, ReceivedRange.__table__
_trashed, _messages = TrashedFile.__table__, Message.__table__
_is_folder = _files.c.state == FileState.FOLDER


class AccountRemoval:
    """Removes accounts with all that is theirs. A removal that was interrupted goes on when it is asked for again.

    `ended_within_seconds` is how long the requests of an account may go on that were running when it was locked out.
    """

    def __init__(self, core: Core, *, files: FileService, traces: AccountTraces) -> None:
        self._core = core
        self._database = core.database
        self._files = files
        self._traces = traces
        self._previews = PreviewRemoval(core)
        self.ended_within_seconds = ENDED_WITHIN_SECONDS

    def remove(self, name: str, *, by: Identity | None = None) -> None:
        """Remove the account, its files, uploads, sign-ins and attachments; `by` is the administrator who asks for it.

        Raises NotFound, LastAdmin, Forbidden, BadCredentials.
        """
        account_id = self._lock_out(name, by)
        locked_out_at = time.monotonic()
        until = locked_out_at + BYTES_SECONDS
        while True:
            self._purge(account_id, until)
            time.sleep(max(0.0, locked_out_at + self.ended_within_seconds - time.monotonic()))
            if self._remove_account(account_id):
                break
        self._remove_previews(until)

    def _lock_out(self, name: str, by: Identity | None) -> uuid.UUID:
        """From now on every request of the account is refused, also those with tokens given before."""
        with self._database.write(durable=True) as session:
            account = lock_expendable(session, name, by=by)
            account.disabled_at = account.disabled_at or self._core.now()
            return account.id

    def _purge(self, account_id: uuid.UUID, until: float) -> None:
        """Remove all there is now, but the account's row."""
        self._traces.remove(account_id)
        account_rows.remove_all(self._database, account_id)
        self._empty_messages(account_id, until)
        self._remove_pages(_pages_of_files(account_id), lambda ids: self._remove_files(account_id, ids), until)
        self._remove_pages(_pages_of_trash(account_id), lambda ids: self._empty_trash(account_id, ids), until)
        while self._remove_folders(account_id):
            pass

    def _remove_pages(
        self,
        page_behind: Callable[[tuple[Any, ...] | None], Select[Any]],
        remove: Callable[[list[uuid.UUID]], list[uuid.UUID]],
        until: float,
    ) -> None:
        """Walk along an index, remove each page's rows, then their bytes."""
        for page in self._walk(page_behind):
            self._free(self._core.store, remove([row.id for row in page]), until)

    def _walk(self, page_behind: Callable[[tuple[Any, ...] | None], Select[Any]]) -> Iterator[Sequence[Row[Any]]]:
        last: tuple[Any, ...] | None = None
        while True:
            with self._database.read_rows() as rows:
                page = rows.execute(page_behind(last)).all()
            if not page:
                return
            yield page
            last = tuple(page[-1])

    def _free(self, store: BlobStore, keys: Sequence[Key], until: float) -> None:
        """Remove the bytes of records that are gone, while there is time: off the event loop, or several at once."""
        if time.monotonic() >= until:
            return
        for key in keys:
            if isinstance(key, uuid.UUID):
                self._files.forget(key)
        discards.free_all(store, keys, offload=self._core.offload)

    @run_again
    def _remove_files(self, account_id: uuid.UUID, file_ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
        locked = file_rows.select_for_update.where(_files.c.id.in_(file_ids)).order_by(_files.c.id)
        with self._database.write_rows(durable=True) as rows:  # or a power loss brings them back without their bytes
            lock_names(rows, account_id)
            gone = [FileRecord(*row) for row in rows.execute(locked)]
            ids = [each.id for each in gone]
            if outbox.is_anybody_told(rows, Event.FILE_DELETED, account_id):
                for each in gone:
                    if each.is_complete:  # the log tells of all of them at once, as the deleted account
                        facts.file_replaced(rows, each, at=self._core.now())
            discards.remember_for_good(rows, [each.hex for each in ids])
            rows.execute(delete(_ranges).where(_ranges.c.file_id.in_(ids)))
            rows.execute(delete(_files).where(_files.c.id.in_(ids)))
            self._core.space.give_back_all(rows, account_id, gone)
        return ids

    @run_again
    def _empty_trash(self, account_id: uuid.UUID, file_ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
        with self._database.write_rows(durable=True) as rows:
            lock_names(rows, account_id)
            gone = trash_rows.take(rows, account_id, file_ids)
            discards.remember_for_good(rows, [each.id.hex for each in gone])
            self._core.space.give_back_all(rows, account_id, gone)
        return [each.id for each in gone]

    @run_again
    def _remove_folders(self, account_id: uuid.UUID) -> int:
        """Remove some that nothing lies in, and tell how many. What an upload has asked for meanwhile stays."""
        inside = _files.alias()
        is_empty = ~select(inside.c.id).where(inside.c.folder_id == _folders.c.id).exists()
        lowest = select(_folders.c.id).where(_folders.c.account_id == account_id, is_empty)
        with self._database.write_rows() as rows:
            lock_names(rows, account_id)
            ids = rows.execute(lowest.order_by(_folders.c.path.desc()).limit(BATCH)).scalars().all()
            rows.execute(delete(_files).where(_files.c.id.in_(ids)))
        return len(ids)

    def _empty_messages(self, account_id: uuid.UUID, until: float) -> None:
        for rows in self._database.batches(select(Message.id).where(Message.sender_id == account_id), size=BATCH):
            self._free(self._core.attachments, self._empty(account_id, [row.id for row in rows]), until)

    @run_again
    def _empty(self, account_id: uuid.UUID, message_ids: Sequence[str]) -> list[str]:
        """Keep nothing of some messages but their rows; those whose attachments are to be discarded."""
        with self._database.write(durable=True) as session:
            conversation_rows.lock_all_of(session, message_ids)  # who changes a message holds its conversation's lock
            is_one = _messages.c.id.in_(message_ids)
            attached = session.execute(
                select(_messages.c.id, _messages.c.length).where(is_one, _messages.c.filename.is_not(None))
            ).all()
            discards.remember_for_good(session, [each.id for each in attached])
            self._core.space.reserve(session, account_id, -sum(each.length or 0 for each in attached))
            session.execute(
                update(_messages).where(is_one).values(
                    sender_id=None, content=None, filename=None, media_type=None, length=None, sha256=None, crc32=None,
                    pinned_at=None, deleted_at=func.coalesce(_messages.c.deleted_at, self._core.now()),
                )
            )  # fmt: skip
            _note_changes(session, message_ids)
            return [each.id for each in attached]

    @run_again
    def _remove_account(self, account_id: uuid.UUID) -> bool:
        """Remove the row and what hangs on it, unless a request that was under way has brought something meanwhile."""
        with self._database.write(durable=True) as session:
            account = session.get(Account, account_id, with_for_update=True)  # nothing can be added behind it now
            for owned in (
                select(_files.c.id).where(_files.c.account_id == account_id, ~_is_folder),
                select(_trashed.c.id).where(_trashed.c.account_id == account_id),
                select(_messages.c.id).where(_messages.c.sender_id == account_id),
            ):
                if session.execute(owned.limit(1)).first() is not None:
                    return False
            if account is not None:
                audit.record(session, Action.ACCOUNT_DELETED, account.name, {}, at=self._core.now())
                webhook_rows.forget_account(session, account_id)
                session.execute(delete(Account).where(Account.id == account_id))
            return True

    def _remove_previews(self, until: float) -> None:
        """What was seen in its files goes too; where there is much of it, the worker or cleanup removes the rest."""
        for _ in self._previews.remove_gone(dry_run=False):
            if time.monotonic() >= until:
                return


def _pages_of_files(account_id: uuid.UUID) -> Callable[[tuple[Any, ...] | None], Select[Any]]:
    place = (_files.c.created_at, _files.c.id)
    statement = select(*place).where(_files.c.account_id == account_id, ~_is_folder).order_by(*place).limit(BATCH)
    return lambda last: statement if last is None else statement.where(tuple_(*place) > tuple_(*last))


def _pages_of_trash(account_id: uuid.UUID) -> Callable[[tuple[Any, ...] | None], Select[Any]]:
    place = (_trashed.c.deleted_at, _trashed.c.id)
    statement = select(*place).where(_trashed.c.account_id == account_id).order_by(*place).limit(BATCH)
    return lambda last: statement if last is None else statement.where(tuple_(*place) > tuple_(*last))


def _note_changes(session: Session, message_ids: Sequence[str]) -> None:
    """Let those hear of it who follow the conversations."""
    emptied = select(_messages.c.conversation_id, _messages.c.id).where(_messages.c.id.in_(message_ids))
    in_order = emptied.order_by(_messages.c.conversation_id, _messages.c.seq)
    for conversation_id, group in groupby(session.execute(in_order).all(), key=attrgetter("conversation_id")):
        message_rows.note_changes(session, conversation_id, [each.id for each in group])
