"""Accounts, what they may do, and their sign-ins."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from transfer_service.models.base import Base
from transfer_service.models.files import folded_name

DELETED_ACCOUNT = "deleted account"
"""What stands in the place of a sender whose account was deleted; nobody can have this name."""


class Account(Base):
    """A device or a person. `used_bytes` counts the reserved bytes of all its files and attachments, and `quota_bytes`
    is how many they may be: None for as many as the settings say.

    `folded_name` follows `name`, for searches. `signing_generation` is raised to end all addresses that the account has
    signed.
    """

    __tablename__ = "accounts"
    # None over `used_bytes`: each upload changes it, and would have to change the index too.
    __table_args__ = (Index("ix_accounts_last_sign_in_at_id", "last_sign_in_at", "id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255).with_variant(String(255, collation="C"), "postgresql"), unique=True)
    folded_name: Mapped[str] = mapped_column(Text, default=folded_name, server_default=text("''"))
    password_hash: Mapped[str] = mapped_column(String(255))
    is_admin: Mapped[bool] = mapped_column(default=False)
    disabled_at: Mapped[datetime | None]
    used_bytes: Mapped[int] = mapped_column(default=0)
    quota_bytes: Mapped[int | None]
    signing_generation: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    created_at: Mapped[datetime]
    last_sign_in_at: Mapped[datetime | None]


class AccountPermission(Base):
    """One permission of one account, such as `games.download`."""

    __tablename__ = "account_permissions"

    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    permission: Mapped[str] = mapped_column(String(100), primary_key=True)


class SignIn(Base):
    """A token family: everything that came out of one sign-in.

    `renewed_at` is when a refresh token of it was used last, None where none was. `ip_address` and `user_agent` are
    those of the sign-in itself, None where nobody knows them.
    """

    __tablename__ = "sign_ins"
    __table_args__ = (Index("ix_sign_ins_account_id_created_at_id", "account_id", "created_at", "id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    renewed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]
    ip_address: Mapped[str | None] = mapped_column(String(64))
    user_agent: Mapped[str | None] = mapped_column(String(255))


class RefreshToken(Base):
    """A refresh token of a family, from when it was made until some time after its first use, at `spent_at`.

    One that is not here any more was used long ago, like one that was spent long ago.
    """

    __tablename__ = "refresh_tokens"

    jti: Mapped[str] = mapped_column(String(36), primary_key=True)
    sign_in_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sign_ins.id", ondelete="CASCADE"), index=True)
    spent_at: Mapped[datetime | None]
