"""Messages: posting, paging, editing, pinning, deleting and reading them (section 8 of the contract).

Events are published after the commit. Whatever `publish` raises reaches the caller, and the change stays.
"""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from transfer_service.db.database import Executor
from transfer_service.errors import Forbidden, InvalidRequest, NotFound, NotParticipant
from transfer_service.services.chat import conversation_rows, message_rows
from transfer_service.services.chat.conversation_rows import Members
from transfer_service.services.chat.events import (
    ChatEvent,
    MessageDeleted,
    MessageEdited,
    MessagePinned,
    MessagePosted,
    MessagesRead,
)
from transfer_service.services.chat.message_json import message_json
from transfer_service.services.chat.message_rows import Message, attachment_of, message_of
from transfer_service.services.core import Core, Space
from transfer_service.services.events import facts
from transfer_service.services.files import discards
from transfer_service.services.previews import noting as previews
from transfer_service.services.previews.rows import Shown
from transfer_service.wire.attachments import Attachment, MessageType, message_type
from transfer_service.wire.chat import new_chat_id, parse_caption, parse_chat_id, parse_text

Remember = Callable[[Executor, Message], None]


def _nothing(_rows: Executor) -> None:
    """There is nothing to be done first."""


class MessageService:
    """What participants do with messages. Ids that come from clients go through `parse_chat_id` first."""

    def __init__(
        self,
        core: Core,
        *,
        publish: Callable[[ChatEvent], None],
        make_id: Callable[[datetime], str] = new_chat_id,
    ) -> None:
        self._core = core
        self._database = core.database
        self._space = core.space
        self._now = core.now
        self._publish = publish
        self._make_id = make_id

    def new_id(self) -> str:
        """An id for a message whose attachment has to be stored before it is posted."""
        return self._make_id(self._now())

    def announce_attachment(self) -> str:
        """The id of a message to come. Its bytes are noted by name until it is posted, so that they leave no orphan."""
        message_id = self.new_id()
        with self._database.write_rows() as rows:
            discards.remember(rows, [message_id])
        return message_id

    def is_still_announced(self, message_id: str) -> bool:
        """Whether no message came of an announcement, nor will by a commit of which nobody knows whether it happened.

        Or it has been deleted again. Raises StoreUnavailable.
        """
        with self._database.write_rows() as rows:
            return discards.is_remembered(rows, message_id)

    def check_post(self, account_id: uuid.UUID, conversation_id: str, reply_to: str | None) -> None:
        """Refuse what `post` would refuse, before an attachment is received. Raises NotFound, NotParticipant."""
        with self._database.read_rows() as rows:
            conversation_rows.require(rows, conversation_id, account_id)
            _check_reply(rows, conversation_id, reply_to)

    def post(
        self,
        account_id: uuid.UUID,
        conversation_id: str,
        *,
        content: object,
        message_id: str | None = None,
        reply_to: str | None = None,
        attachment: Attachment | None = None,
        head: bytes | None = None,
        record: Callable[[Executor], None] | None = None,
        begin: Callable[[Executor], None] = _nothing,
        space: Space | None = None,
        remember: Remember | None = None,
    ) -> Message:
        """Append a message. The attachment's bytes are stored already, and count by `record`: it survives power loss.

        `head` are its first bytes, where they are known. `begin` is called first in the transaction, for locks before
        the conversation's, `remember` last, for a repetition. `space` counts its room, by default the service's own.

        Raises InvalidRequest, NotFound, NotParticipant, QuotaExceeded, ClaimLost; then nothing is stored.
        """
        text = parse_text(content) if attachment is None else parse_caption(content)
        with self._database.write_rows(durable=record is not None) as rows:
            begin(rows)
            now = self._now()
            numbers = message_rows.take_numbers(rows, conversation_id, now)
            members = conversation_rows.members(rows, conversation_id, account_id)
            _check_reply(rows, conversation_id, reply_to)
            message = Message(
                id=message_id or self._make_id(now),
                conversation_id=conversation_id,
                sender=members.name,
                sender_id=account_id,
                content=text,
                type=message_type(attachment.filename, attachment.media_type) if attachment else MessageType.TEXT,
                attachment=attachment,
                reply_to=reply_to,
                created_at=now,
            )
            message_rows.insert_message(rows, message, numbers)
            if attachment is not None:
                if record is not None:
                    record(rows)
                message = self._attach(rows, message, head)
                (space or self._space).reserve(rows, account_id, attachment.length)
            data = message_json(message)
            facts.message_created(rows, account_id=account_id, conversation_id=conversation_id, data=data, at=now)
            if remember is not None:
                remember(rows, message)
        self._publish(MessagePosted(members.account_ids, message, seq=numbers.seq))
        return message

    def _attach(self, rows: Executor, message: Message, head: bytes | None) -> Message:
        """Keep the bytes of a message for good, and have a preview made of them where they begin like a medium."""
        discards.keep(rows, message.id)
        is_noted = previews.note(rows, self._core, message.id, head=head)
        return replace(message, shown=Shown()) if is_noted else message

    def history(
        self,
        account_id: uuid.UUID,
        conversation_id: str,
        *,
        limit: int,
        before: str | None = None,
        after: str | None = None,
    ) -> list[Message]:
        """The newest messages, or those before one of them, newest first; those after one of them oldest first.

        Raises NotFound, NotParticipant.
        """
        with self._database.read_rows() as rows:
            conversation_rows.require(rows, conversation_id, account_id)
            if after is not None:
                above = message_rows.get_seq(rows, conversation_id, after)
                found = message_rows.page_up(rows, conversation_id, above=above, limit=limit)
            else:
                below = (
                    message_rows.ABOVE_ALL if before is None else message_rows.get_seq(rows, conversation_id, before)
                )
                found = message_rows.page(rows, conversation_id, below=below, limit=limit)
            reads = conversation_rows.lowest_reads(rows, conversation_id)
        return [message_of(row, reads) for row in found]

    def changes(
        self, account_id: uuid.UUID, conversation_id: str, *, since: int | None, limit: int
    ) -> tuple[list[Message], int]:
        """What has changed after a change, the oldest change first, each message as it is now; and up to which one.

        That number is the next `since`. Without one nothing is told but where to begin. Raises NotFound,
        NotParticipant; InvalidRequest where there was no such change, because the database is an older one.
        """
        with self._database.read_rows() as rows:
            conversation_rows.require(rows, conversation_id, account_id)
            found = () if since is None else message_rows.changed(rows, conversation_id, since=since, limit=limit)
            if not found:
                last = message_rows.last_change(rows, conversation_id)
                if since is not None and since > last:
                    raise InvalidRequest("Invalid cursor")
                return [], last if since is None else since
            reads = conversation_rows.lowest_reads(rows, conversation_id)
        return [message_of(row, reads) for row in found], found[-1].change

    def edit(self, account_id: uuid.UUID, message_id: str, content: object) -> Message:
        """Replace the text or caption of an own message. Raises InvalidRequest, NotFound, Forbidden."""
        with self._database.write_rows() as rows:
            row, members = _locked(rows, account_id, message_id)
            _check_own(row, account_id, "You can only edit your own messages")
            _check_not_deleted(row)
            text = parse_text(content) if row.filename is None else parse_caption(content)
            now = self._now()
            message_rows.edit(rows, row, content=text, now=now)
            message = replace(message_of(row, members.reads), content=text, edited_at=now)
        self._publish(MessageEdited(members.account_ids, message, seq=row.seq))
        return message

    def set_pinned(self, account_id: uuid.UUID, message_id: str, pinned: bool) -> Message:
        """Pin a message or take its pin away; any participant may. Raises NotFound, NotParticipant."""
        with self._database.write_rows() as rows:
            row, members = _locked(rows, account_id, message_id)
            _check_not_deleted(row)
            message = message_of(row, members.reads)
            if message.pinned == pinned:
                return message
            message_rows.pin(rows, row, pinned_at=self._now() if pinned else None)
            message = replace(message, pinned=pinned)
        self._publish(MessagePinned(members.account_ids, message, seq=row.seq))
        return message

    def delete(self, account_id: uuid.UUID, message_id: str) -> tuple[Message, Attachment | None]:
        """Empty an own message. Gives the attachment whose bytes are now the caller's to discard.

        Raises NotFound, Forbidden. A message that is deleted already stays so.
        """
        with self._database.write_rows(durable=True) as rows:  # or it may come back without its attachment
            row, members = _locked(rows, account_id, message_id)
            _check_own(row, account_id, "You can only delete your own messages")
            message, attachment = message_of(row, members.reads), attachment_of(row)
            if message.is_deleted:
                return message, None
            message_rows.erase(rows, row, now=self._now())
            if attachment is not None:
                discards.remember_for_good(rows, [message_id])
                self._space.reserve(rows, account_id, -attachment.length)
            message = replace(message, content=None, attachment=None, shown=None, is_deleted=True, pinned=False)
        self._publish(MessageDeleted(members.account_ids, message.id, message.conversation_id, seq=row.seq))
        return message, attachment

    def mark_read(self, account_id: uuid.UUID, conversation_id: str) -> datetime:
        """Record that the account has read everything there is, and when. Raises NotFound, NotParticipant."""
        with self._database.write_rows() as rows:
            now = self._now()
            locked = conversation_rows.lock(rows, conversation_id)
            members = conversation_rows.members(rows, conversation_id, account_id)
            if (account_id, locked.last_seq) in members.reads:
                return now
            conversation_rows.mark_read(rows, conversation_id, account_id, seq=locked.last_seq)
        self._publish(MessagesRead(members.account_ids, conversation_id, members.name, now, seq=locked.last_seq))
        return now

    def get_attachment(
        self, account_id: uuid.UUID, message_id: str, filename: str | None = None
    ) -> tuple[Attachment, datetime]:
        """The attachment of a message, if it has that name, and when it was posted. Raises NotFound, NotParticipant."""
        try:
            parse_chat_id(message_id)
        except InvalidRequest as error:  # the end of a path: such a file does not exist
            raise NotFound("File not found") from error
        row = self._find_for(account_id, message_id, "File not found")
        attachment = attachment_of(row)
        if attachment is None or filename not in {attachment.filename, None}:
            raise NotFound("File not found")
        return attachment, row.created_at

    def get_attached(self, account_id: uuid.UUID, message_id: str) -> Attachment:
        """What is attached to a message. Raises NotFound, NotParticipant."""
        attachment = attachment_of(self._find_for(account_id, message_id, "Message not found"))
        if attachment is None:
            raise NotFound("Message has no attachment")
        return attachment

    def _find_for(self, account_id: uuid.UUID, message_id: str, unknown: str) -> Row[Any]:
        """A message that the account may read. Raises NotFound with the detail `unknown`, NotParticipant."""
        with self._database.read_rows() as rows:
            row = message_rows.find_for(rows, message_id, account_id)
        if row is None:
            raise NotFound(unknown)
        if row.account_id is None:
            raise NotParticipant
        return row


def _check_reply(rows: Executor, conversation_id: str, reply_to: str | None) -> None:
    if reply_to is not None and message_rows.find_seq(rows, conversation_id, reply_to) is None:
        raise NotFound("Reply target not found")


def _locked(rows: Executor, account_id: uuid.UUID, message_id: str) -> tuple[Row[Any], Members]:
    """A message that nobody else may change before the transaction ends. Raises NotFound, NotParticipant."""
    conversation_id = message_rows.lock_conversation_of(rows, message_id)
    if conversation_id is None:
        raise NotFound("Message not found")
    members = conversation_rows.members(rows, conversation_id, account_id)
    return message_rows.get_row(rows, message_id), members


def _check_own(row: Row[Any], account_id: uuid.UUID, detail: str) -> None:
    if row.sender_id != account_id:
        raise Forbidden(detail)


def _check_not_deleted(row: Row[Any]) -> None:
    if row.deleted_at is not None:
        raise NotFound("Message not found")
