"""Messages as values, and the prepared statements that post, page and change them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import Row, Select, and_, bindparam, func, insert, select, update

from transfer_service.db.database import Executor
from transfer_service.errors import NotFound
from transfer_service.models.accounts import DELETED_ACCOUNT, Account
from transfer_service.models.chat import Conversation, Participant
from transfer_service.models.chat import Message as MessageRow
from transfer_service.services.previews.rows import SHOWN, Shown, previews, shown_of
from transfer_service.wire.attachments import Attachment, MessageType

ABOVE_ALL = 2**63 - 1
"""No message has so high a number."""

_accounts = Account.__table__
_conversations = Conversation.__table__
_participants = Participant.__table__
_messages = MessageRow.__table__

_is_message = _messages.c.id == bindparam("message_id")
_of_conversation = _messages.c.conversation_id == bindparam("conversation_id")
_with_sender = select(_messages, func.coalesce(_accounts.c.name, DELETED_ACCOUNT).label("sender"), *SHOWN).select_from(
    _messages.outerjoin(_accounts, _accounts.c.id == _messages.c.sender_id).outerjoin(
        previews, previews.c.subject == _messages.c.id
    )
)
_with_conversation = _messages.join(_conversations, _conversations.c.id == _messages.c.conversation_id)
_is_participant = and_(
    _participants.c.conversation_id == _messages.c.conversation_id,
    _participants.c.account_id == bindparam("account_id"),
)

_TAKE_SEQ = (
    update(_conversations)
    .where(_conversations.c.id == bindparam("conversation_id"))
    .values(
        last_seq=_conversations.c.last_seq + 1,
        last_change=_conversations.c.last_change + 1,
        last_message_at=bindparam("now"),
    )
    .returning(_conversations.c.last_seq, _conversations.c.last_change)
)
_TAKE_CHANGES = (
    update(_conversations)
    .where(_conversations.c.id == bindparam("of_conversation"))
    .values(last_change=_conversations.c.last_change + bindparam("count"))
    .returning(_conversations.c.last_change)
)
_LAST_CHANGE = select(_conversations.c.last_change).where(_conversations.c.id == bindparam("conversation_id"))
_CHANGED = (
    _with_sender.add_columns(_messages.c.change)
    .where(_of_conversation, _messages.c.change > bindparam("since"))
    .order_by(_messages.c.change)
    .limit(bindparam("limit"))
)
_INSERT = insert(_messages)
_ONE = _with_sender.where(_is_message)
_SEQ = select(_messages.c.seq).where(_is_message, _of_conversation)
_PAGE = (
    _with_sender.where(_of_conversation, _messages.c.seq < bindparam("below"))
    .order_by(_messages.c.seq.desc())
    .limit(bindparam("limit"))
)
_PAGE_UP = (
    _with_sender.where(_of_conversation, _messages.c.seq > bindparam("above"))
    .order_by(_messages.c.seq)
    .limit(bindparam("limit"))
)
_LAST = (
    _with_sender.join(_conversations, _conversations.c.id == _messages.c.conversation_id)
    .where(_messages.c.seq == _conversations.c.last_seq)
    .where(_conversations.c.id.in_(bindparam("conversation_ids", expanding=True)))
)
_PINNED: Select[Any] = (
    select(_messages.c.conversation_id, _messages.c.id)
    .where(_messages.c.conversation_id.in_(bindparam("conversation_ids", expanding=True)))
    .where(_messages.c.pinned_at.is_not(None))
    .order_by(_messages.c.pinned_at, _messages.c.seq)
)
_LOCK_CONVERSATION = (
    select(_conversations.c.id)
    .select_from(_with_conversation)
    .where(_is_message)
    .with_for_update(of=_conversations)
)  # fmt: skip
_FOR_ACCOUNT = (
    select(_messages, _participants.c.account_id)
    .select_from(_messages.outerjoin(_participants, _is_participant))
    .where(_is_message)
)
_CHANGE = update(_messages).where(_is_message).values(change=bindparam("to_change"))
_EDIT = _CHANGE.values(content=bindparam("to_content"), edited_at=bindparam("now"))
_PIN = _CHANGE.values(pinned_at=bindparam("to_pinned_at"))
_ERASE = (
    _CHANGE.values(
        deleted_at=bindparam("now"),
        content=None, filename=None, media_type=None, length=None, sha256=None, crc32=None, pinned_at=None,
    )
)  # fmt: skip

Reads = Sequence[tuple[uuid.UUID, int]]
"""Participants, each with the number of the newest message that it has read."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as participants see it. A deleted one has neither content nor attachment.

    `is_read` is true once every other participant has read it; `shown` is what is known of its preview, if it has one.
    """

    id: str
    conversation_id: str
    sender: str
    sender_id: uuid.UUID | None
    content: str | None
    type: MessageType
    attachment: Attachment | None
    reply_to: str | None
    created_at: datetime
    is_read: bool = False
    is_deleted: bool = False
    edited_at: datetime | None = None
    pinned: bool = False
    shown: Shown | None = None


def message_of(row: Row[Any], reads: Reads) -> Message:
    """The message in a row; `reads` are of its conversation."""
    return Message(
        id=row.id,
        conversation_id=row.conversation_id,
        sender=row.sender,
        sender_id=row.sender_id,
        content=row.content,
        type=MessageType(row.type),
        attachment=attachment_of(row),
        reply_to=row.reply_to,
        is_read=_is_read(row.seq, row.sender_id, reads),
        is_deleted=row.deleted_at is not None,
        created_at=row.created_at,
        edited_at=row.edited_at,
        pinned=row.pinned_at is not None,
        shown=shown_of(row),
    )


def attachment_of(row: Row[Any]) -> Attachment | None:
    """The attachment in a row."""
    if row.filename is None:
        return None
    return Attachment(filename=row.filename, media_type=row.media_type, length=row.length, sha256=row.sha256)


def _is_read(seq: int, sender_id: uuid.UUID | None, reads: Reads) -> bool:
    others = [read_seq for account_id, read_seq in reads if account_id != sender_id]
    return bool(others) and min(others) >= seq


class Numbers(NamedTuple):
    """The number of a new message, and that of the change that it is."""

    seq: int
    change: int


def take_numbers(rows: Executor, conversation_id: str, now: datetime) -> Numbers:
    """Lock the conversation and take the numbers of its next message. Raises NotFound."""
    taken = rows.execute(_TAKE_SEQ, {"conversation_id": conversation_id, "now": now}).one_or_none()
    if taken is None:
        raise NotFound("Conversation not found")
    return Numbers(taken.last_seq, taken.last_change)


def insert_message(rows: Executor, message: Message, numbers: Numbers) -> None:
    """Store a new message under numbers that `take_numbers` gave."""
    attachment = message.attachment
    values = {
        "id": message.id,
        "conversation_id": message.conversation_id,
        "seq": numbers.seq,
        "change": numbers.change,
        "sender_id": message.sender_id,
        "content": message.content,
        "type": message.type.value,
        "filename": attachment.filename if attachment else None,
        "media_type": attachment.media_type if attachment else None,
        "length": attachment.length if attachment else None,
        "sha256": attachment.sha256 if attachment else None,
        "reply_to": message.reply_to,
        "created_at": message.created_at,
    }
    rows.execute(_INSERT, values)


def find_seq(rows: Executor, conversation_id: str, message_id: str) -> int | None:
    """The number of a message in this conversation, None where there is no such message in it."""
    found = rows.execute(_SEQ, {"conversation_id": conversation_id, "message_id": message_id})
    return cast(int | None, found.scalar_one_or_none())


def get_seq(rows: Executor, conversation_id: str, message_id: str) -> int:
    """The same. Raises NotFound."""
    seq = find_seq(rows, conversation_id, message_id)
    if seq is None:
        raise NotFound("Message not found")
    return seq


def below(rows: Executor, conversation_id: str, message_id: str | None) -> int:
    """The number that those before a message are below, or all. Raises NotFound."""
    return ABOVE_ALL if message_id is None else get_seq(rows, conversation_id, message_id)


def page(rows: Executor, conversation_id: str, *, below: int, limit: int) -> Sequence[Row[Any]]:
    """The newest messages whose number is below `below`, newest first."""
    return rows.execute(_PAGE, {"conversation_id": conversation_id, "below": below, "limit": limit}).all()


def page_up(rows: Executor, conversation_id: str, *, above: int, limit: int) -> Sequence[Row[Any]]:
    """The oldest messages whose number is above `above`, oldest first."""
    return rows.execute(_PAGE_UP, {"conversation_id": conversation_id, "above": above, "limit": limit}).all()


def last_of(rows: Executor, conversation_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """The newest message of each of these conversations that has one."""
    return rows.execute(_LAST, {"conversation_ids": conversation_ids}).all()


def pinned_of(rows: Executor, conversation_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """The pinned messages of these conversations, the one that was pinned first first."""
    return rows.execute(_PINNED, {"conversation_ids": conversation_ids}).all()


def lock_conversation_of(rows: Executor, message_id: str) -> str | None:
    """Lock the conversation that a message is in, which locks its messages. Its id, None for an unknown message."""
    return cast(str | None, rows.execute(_LOCK_CONVERSATION, {"message_id": message_id}).scalar_one_or_none())


def get_row(rows: Executor, message_id: str) -> Row[Any]:
    """A message that is known to exist."""
    return rows.execute(_ONE, {"message_id": message_id}).one()


def find_for(rows: Executor, message_id: str, account_id: uuid.UUID) -> Row[Any] | None:
    """A message, with `account_id` None where that account is not in its conversation."""
    return rows.execute(_FOR_ACCOUNT, {"message_id": message_id, "account_id": account_id}).one_or_none()


def edit(rows: Executor, message: Row[Any], *, content: str | None, now: datetime) -> None:
    """Replace the content. The caller holds the conversation's lock."""
    rows.execute(_EDIT, {**_changed(rows, message), "to_content": content, "now": now})


def pin(rows: Executor, message: Row[Any], *, pinned_at: datetime | None) -> None:
    """Pin a message or, with None, take the pin away. The caller holds the conversation's lock."""
    rows.execute(_PIN, {**_changed(rows, message), "to_pinned_at": pinned_at})


def erase(rows: Executor, message: Row[Any], *, now: datetime) -> None:
    """Keep nothing of a message but its row. The caller holds the conversation's lock."""
    rows.execute(_ERASE, {**_changed(rows, message), "now": now})


def note_changes(rows: Executor, conversation_id: str, message_ids: Sequence[str]) -> None:
    """Give messages of one conversation, each once, the numbers of its next changes. The caller holds its lock."""
    last = _take_changes(rows, conversation_id, len(message_ids))
    first = last - len(message_ids) + 1
    rows.execute(_CHANGE, [{"message_id": each, "to_change": number} for number, each in enumerate(message_ids, first)])


def _changed(rows: Executor, message: Row[Any]) -> dict[str, Any]:
    return {"message_id": message.id, "to_change": _take_changes(rows, message.conversation_id, 1)}


def _take_changes(rows: Executor, conversation_id: str, count: int) -> int:
    """The last of so many numbers of changes to come."""
    return int(rows.execute(_TAKE_CHANGES, {"of_conversation": conversation_id, "count": count}).scalar_one())


def last_change(rows: Executor, conversation_id: str) -> int:
    """The number of the latest change of a conversation that is known to exist."""
    return int(rows.execute(_LAST_CHANGE, {"conversation_id": conversation_id}).scalar_one())


def changed(rows: Executor, conversation_id: str, *, since: int, limit: int) -> Sequence[Row[Any]]:
    """The messages that changed after a change, as they are now, each with the number of its latest `change`."""
    return rows.execute(_CHANGED, {"conversation_id": conversation_id, "since": since, "limit": limit}).all()
