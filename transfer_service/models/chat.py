"""Conversations, who takes part in them, and messages."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from transfer_service.models.base import Base, state_type


class ConversationKind(StrEnum):
    """`dm` is between two accounts and there is one for each pair; `group` has an owner who lets people in."""

    DM = "dm"
    GROUP = "group"


class Conversation(Base):
    """A dm or a group. `last_seq` is the number of its newest message: a post takes the next one under this row's lock.

    `last_change` is that of its latest change: whatever changes a message takes the next one, under the same lock. So
    whoever sees a change sees all before it.
    `pair_key` is the sorted pair of account ids of a dm: it stays when one of them leaves.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        Index(
            "ix_conversations_owner_id", "owner_id",
            sqlite_where=text("owner_id IS NOT NULL"), postgresql_where=text("owner_id IS NOT NULL"),
        ),
    )  # fmt: skip

    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    kind: Mapped[ConversationKind] = mapped_column(state_type(ConversationKind))
    group_name: Mapped[str | None] = mapped_column(String(255))
    owner_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"))
    pair_key: Mapped[str | None] = mapped_column(String(65), unique=True)
    last_seq: Mapped[int] = mapped_column(default=0)
    last_change: Mapped[int] = mapped_column(server_default=text("0"))
    last_message_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Participant(Base):
    """An account in a conversation. `position` is the order of joining, `read_seq` the newest message it has read."""

    __tablename__ = "participants"
    __table_args__ = (Index("ix_participants_account_id", "account_id"), {"sqlite_with_rowid": False})

    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int]
    joined_at: Mapped[datetime]
    read_seq: Mapped[int]


class Message(Base):
    """A message; `type` is a `wire.attachments.MessageType`. A deleted one keeps its row and its `seq`.

    `sender_id` is null where the sender's account was deleted. `change` is the number of its latest change, the post
    being the first one. `crc32` is that of its attachment, once an export has needed it.
    """

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("conversation_id", "seq"),
        Index("ix_messages_conversation_id_change", "conversation_id", "change"),
        Index(
            "ix_messages_conversation_id_pinned_at", "conversation_id", "pinned_at",
            sqlite_where=text("pinned_at IS NOT NULL"), postgresql_where=text("pinned_at IS NOT NULL"),
        ),
        Index(
            "ix_messages_sender_id_id", "sender_id", "id",
            sqlite_where=text("sender_id IS NOT NULL"), postgresql_where=text("sender_id IS NOT NULL"),
        ),
    )  # fmt: skip

    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    seq: Mapped[int]
    change: Mapped[int] = mapped_column(server_default=text("0"))
    sender_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"))
    content: Mapped[str | None] = mapped_column(Text)
    type: Mapped[str] = mapped_column(String(16))
    filename: Mapped[str | None] = mapped_column(String(255))
    media_type: Mapped[str | None] = mapped_column(String(255))
    length: Mapped[int | None]
    sha256: Mapped[str | None] = mapped_column(String(64))
    crc32: Mapped[int | None]
    reply_to: Mapped[str | None] = mapped_column(String(24))
    created_at: Mapped[datetime]
    edited_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    pinned_at: Mapped[datetime | None]
