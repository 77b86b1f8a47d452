"""Keys: bearer tokens of devices and programs, each for one account and some kinds of calls."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from transfer_service.models.base import Base

KEY_PREFIX = "tsk_"
"""How every key begins; no other token does."""


class Scope(StrEnum):
    """What a key may be used for."""

    UPLOAD = "upload"
    FILES = "files"
    DOWNLOAD = "download"
    CHAT = "chat"
    GAMES = "games"


class AccountKey(Base):
    """A key, known by the SHA-256 of its text alone. `scopes` are their names, sorted, with a blank between two.

    A key without a row has been revoked, or never was one. One that `has_quota` has an `Allotment` of its id.
    """

    __tablename__ = "account_keys"
    __table_args__ = (Index("ix_account_keys_account_id_created_at_id", "account_id", "created_at", "id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(255))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    scopes: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    has_quota: Mapped[bool] = mapped_column(default=False)
