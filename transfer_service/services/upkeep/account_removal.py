"""Removing an account with all its data.

First nobody can act as the account any more; then its data goes in batches, each in a transaction of its own,
records before bytes; its row goes last. So a removal that was killed leaves a disabled account, and is done by doing it
again. Of its messages the empty rows stay, without a sender: others see that something was said.
"""

import uuid
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from sqlalchemy import ColumnElement, and_, delete, func, select, update
from sqlalchemy.orm import Session

from transfer_service.models.accounts import Account, SignIn
from transfer_service.models.chat import Conversation, Message, Participant
from transfer_service.models.files import File, FileState, TrashedFile
from transfer_service.services.accounts.accounts import lock_expendable
from transfer_service.services.chat import message_rows
from transfer_service.services.chat.conversations import ConversationService
from transfer_service.services.core import Core
from transfer_service.services.files import discards
from transfer_service.services.files.files import FileService, remove_row
from transfer_service.services.files.folder_rows import lock_names
from transfer_service.services.files.trash import Trash

BATCH = 200

_messages = Message.__table__


class AccountRemoval:
    """Removes accounts with all that is theirs. A removal that was interrupted goes on when it is asked for again."""

    def __init__(self, core: Core, *, files: FileService, trash: Trash, conversations: ConversationService) -> None:
        self._database = core.database
        self._files = files
        self._trash = trash
        self._conversations = conversations
        self._attachments = core.attachments
        self._space = core.space
        self._now = core.now

    def remove(self, name: str) -> None:
        """Remove the account, its files, uploads, sign-ins and attachments. Raises NotFound, LastAdmin."""
        account_id, stored_name = self._lock_out(name)
        while True:
            self._leave_conversations(account_id, stored_name)
            self._empty_messages(account_id)
            self._remove_files(account_id)
            self._trash.empty(account_id)
            if self._remove_account(account_id):
                return

    def _lock_out(self, name: str) -> tuple[uuid.UUID, str]:
        """From now on every request of the account is refused, also those with tokens given before."""
        with self._database.write(durable=True) as session:
            account = lock_expendable(session, name)
            account.disabled_at = account.disabled_at or self._now()
            session.execute(delete(SignIn).where(SignIn.account_id == account.id))
            return account.id, account.name

    def _leave_conversations(self, account_id: uuid.UUID, name: str) -> None:
        with self._database.read() as session:
            own = select(Participant.conversation_id).where(Participant.account_id == account_id)
            conversation_ids = session.scalars(own).all()
        for conversation_id in conversation_ids:  # somebody else inherits what it owned
            self._conversations.remove_participant(account_id, conversation_id, name)

    def _empty_messages(self, account_id: uuid.UUID) -> None:
        for rows in self._database.batches(select(Message.id).where(Message.sender_id == account_id), size=BATCH):
            message_ids = [row.id for row in rows]
            with self._database.write(durable=True) as session:
                attached = self._empty(session, account_id, message_ids)
            for message_id in attached:
                discards.free(self._attachments, message_id)

    def _empty(self, session: Session, account_id: uuid.UUID, message_ids: Sequence[str]) -> list[str]:
        """Keep nothing of some messages but their rows; those whose attachments are to be discarded."""
        conversations = select(_messages.c.conversation_id).where(_messages.c.id.in_(message_ids))
        locked = select(Conversation.id).where(Conversation.id.in_(conversations)).order_by(Conversation.id)
        session.execute(locked.with_for_update())  # who changes a message holds its conversation's lock
        attached = session.execute(
            select(_messages.c.id, _messages.c.length).where(
                _messages.c.id.in_(message_ids), _messages.c.filename.is_not(None)
            )
        ).all()
        discards.remember_for_good(session, [each.id for each in attached])
        self._space.reserve(session, account_id, -sum(each.length or 0 for each in attached))
        session.execute(
            update(_messages)
            .where(_messages.c.id.in_(message_ids))
            .values(
                sender_id=None, content=None, filename=None, media_type=None, length=None, sha256=None,
                pinned_at=None, deleted_at=func.coalesce(_messages.c.deleted_at, self._now()),
            )
        )  # fmt: skip
        self._note_changes(session, message_ids)
        return [each.id for each in attached]

    def _note_changes(self, session: Session, message_ids: Sequence[str]) -> None:
        """Let those hear of it who follow the conversations."""
        emptied = select(_messages.c.conversation_id, _messages.c.id).where(_messages.c.id.in_(message_ids))
        in_order = emptied.order_by(_messages.c.conversation_id, _messages.c.seq)
        for conversation_id, group in groupby(session.execute(in_order).all(), key=attrgetter("conversation_id")):
            message_rows.note_changes(session, conversation_id, [each.id for each in group])

    def _remove_files(self, account_id: uuid.UUID) -> None:
        for rows in self._database.batches(select(File.id).where(_is_file_of(account_id)), size=BATCH):
            file_ids = [row.id for row in rows]
            with self._database.write(durable=True) as session:
                gone = self._remove_rows(session, account_id, file_ids)
            for file_id in gone:
                self._files.discard_blob(file_id)

    def _remove_rows(self, session: Session, account_id: uuid.UUID, file_ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
        lock_names(session, account_id)
        files = session.scalars(select(File).where(File.id.in_(file_ids)).order_by(File.id).with_for_update()).all()
        for file in files:
            remove_row(session, file, self._space)
        return [file.id for file in files]

    def _remove_account(self, account_id: uuid.UUID) -> bool:
        """Remove the row and what hangs on it, unless a request that was under way has brought something meanwhile."""
        with self._database.write(durable=True) as session:
            account = session.get(Account, account_id, with_for_update=True)  # nothing can be added behind it now
            for owned in (
                select(File.id).where(_is_file_of(account_id)),
                select(TrashedFile.id).where(TrashedFile.account_id == account_id),
                select(Message.id).where(Message.sender_id == account_id),
            ):
                if session.execute(owned.limit(1)).first() is not None:
                    return False
            if account is not None:
                session.execute(delete(Account).where(Account.id == account_id))
            return True


def _is_file_of(account_id: uuid.UUID) -> ColumnElement[bool]:
    """Folders go with the account's row, when nothing is in them any more."""
    return and_(File.account_id == account_id, File.state != FileState.FOLDER)
