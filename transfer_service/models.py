"""The facts: SQLAlchemy mapped classes and the enums that own their states."""

import unicodedata
import uuid
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    DateTime,
    Enum,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

DELETED_ACCOUNT = "deleted account"
"""What stands in the place of a sender whose account was deleted; nobody can have this name."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant in UTC; SQLite, which has no zones, stores it naive."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive instants: they would silently mean local time."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of the mapped classes; constraint names are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcDateTime(), uuid.UUID: Uuid(), int: BigInteger()}


def state_type(states: type[StrEnum]) -> Enum:
    """A column type that stores the values of an enum as text."""
    return Enum(states, native_enum=False, length=16, values_callable=lambda enum: [state.value for state in enum])


def folded(name: str) -> str:
    """A name as it is searched for: in NFC, without the difference of capitals and small letters in any script."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _folded_name(context: DefaultExecutionContext) -> str:
    parameters: dict[str, Any] = context.get_current_parameters()  # type: ignore[no-untyped-call] # SQLAlchemy's
    return folded(parameters["name"])


class FileState(StrEnum):
    """`receiving` until every byte up to the length is stored, verified and hashed; then `complete`."""

    RECEIVING = "receiving"
    COMPLETE = "complete"


class Account(Base):
    """A device or a person. `used_bytes` counts the reserved bytes of all its files and attachments."""

    __tablename__ = "accounts"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    is_admin: Mapped[bool] = mapped_column(default=False)
    disabled_at: Mapped[datetime | None]
    used_bytes: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    last_sign_in_at: Mapped[datetime | None]


class AccountPermission(Base):
    """One permission of one account, such as `games.download`."""

    __tablename__ = "account_permissions"

    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    permission: Mapped[str] = mapped_column(String(100), primary_key=True)


class SignIn(Base):
    """A token family: everything that came out of one sign-in."""

    __tablename__ = "sign_ins"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]


class RefreshToken(Base):
    """A refresh token of a family, from when it was made until some time after its first use, at `spent_at`.

    One that is not here any more was used long ago, like one that was spent long ago.
    """

    __tablename__ = "refresh_tokens"

    jti: Mapped[str] = mapped_column(String(36), primary_key=True)
    sign_in_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sign_ins.id", ondelete="CASCADE"), index=True)
    spent_at: Mapped[datetime | None]


class File(Base):
    """The owner-visible record of a blob, from its first byte on.

    `holds_name` is false while a file that was sent in one request is still arriving: such a file gets its name when it
    is whole. `length_declared` tells a length the client promised from one inferred from the highest byte so far.
    `folded_name` follows `name`, for searches. `completed_at` is its date, see `services.file_dates`.
    `unflushed_boot` is the boot of the machine in which bytes that count were received and not flushed. A file that is
    `receiving` and has a SHA-256 was whole before a power loss, and is again if that is still the one of its bytes.
    """

    __tablename__ = "files"
    __table_args__ = (
        Index(
            "uq_files_account_id_name", "account_id", "name", unique=True,
            sqlite_where=text("holds_name = 1"), postgresql_where=text("holds_name"),
        ),
        Index("ix_files_account_id_created_at_id", "account_id", "created_at", "id"),
        Index("ix_files_account_id_reserved_bytes_id", "account_id", "reserved_bytes", "id"),
        Index("ix_files_account_id_updated_at_id", "account_id", "updated_at", "id"),
        Index(
            "ix_files_receiving", "account_id", "created_at", "id",
            sqlite_where=text("state = 'receiving'"), postgresql_where=text("state = 'receiving'"),
        ),
        Index("ix_files_state_updated_at", "state", "updated_at"),
        Index(
            "ix_files_unflushed_boot", "unflushed_boot",
            sqlite_where=text("unflushed_boot IS NOT NULL"), postgresql_where=text("unflushed_boot IS NOT NULL"),
        ),
    )  # fmt: skip

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(255).with_variant(String(255, collation="C"), "postgresql"))
    folded_name: Mapped[str] = mapped_column(Text, default=_folded_name, server_default=text("''"))
    holds_name: Mapped[bool]
    media_type: Mapped[str] = mapped_column(String(255))
    state: Mapped[FileState] = mapped_column(state_type(FileState))
    length: Mapped[int | None]
    length_declared: Mapped[bool] = mapped_column(default=False)
    received_bytes: Mapped[int] = mapped_column(default=0)
    reserved_bytes: Mapped[int] = mapped_column(default=0)
    sha256: Mapped[str | None] = mapped_column(String(64))
    unflushed_boot: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]


class ReceivedRange(Base):
    """A half-open range of a file that is durably stored. Ranges of one file never overlap or touch."""

    __tablename__ = "received_ranges"
    __table_args__ = ({"sqlite_with_rowid": False},)

    file_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("files.id", ondelete="CASCADE"), primary_key=True)
    start: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stop: Mapped[int]


class Installation(Base):
    """The one row that says which installation the database is, by the id that its stores carry too.

    While it is not `is_joined` a store without an id gets this one without further questions.
    """

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    installation_id: Mapped[str] = mapped_column(String(36))
    is_joined: Mapped[bool]
    created_at: Mapped[datetime]


class DiscardedBytes(Base):
    """Bytes that are nobody's: of a file or message that was deleted, or an attachment that was not posted yet."""

    __tablename__ = "discarded_bytes"
    __table_args__ = ({"sqlite_with_rowid": False},)

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    discarded_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ConversationKind(StrEnum):
    """`dm` is between two accounts and there is one for each pair; `group` has an owner who lets people in."""

    DM = "dm"
    GROUP = "group"


class Conversation(Base):
    """A dm or a group. `last_seq` is the number of its newest message: a post takes the next one under this row's lock.

    `pair_key` is the sorted pair of account ids of a dm: it stays when one of them leaves.
    """

    __tablename__ = "conversations"

    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    kind: Mapped[ConversationKind] = mapped_column(state_type(ConversationKind))
    group_name: Mapped[str | None] = mapped_column(String(255))
    owner_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"))
    pair_key: Mapped[str | None] = mapped_column(String(65), unique=True)
    last_seq: Mapped[int] = mapped_column(default=0)
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

    `sender_id` is null where the sender's account was deleted.
    """

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("conversation_id", "seq"),
        Index(
            "ix_messages_conversation_id_pinned_at", "conversation_id", "pinned_at",
            sqlite_where=text("pinned_at IS NOT NULL"), postgresql_where=text("pinned_at IS NOT NULL"),
        ),
    )  # fmt: skip

    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    seq: Mapped[int]
    sender_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"))
    content: Mapped[str | None] = mapped_column(Text)
    type: Mapped[str] = mapped_column(String(16))
    filename: Mapped[str | None] = mapped_column(String(255))
    media_type: Mapped[str | None] = mapped_column(String(255))
    length: Mapped[int | None]
    sha256: Mapped[str | None] = mapped_column(String(64))
    reply_to: Mapped[str | None] = mapped_column(String(24))
    created_at: Mapped[datetime]
    edited_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    pinned_at: Mapped[datetime | None]
