"""Accounts of people who sign in at a provider of OpenID Connect."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from transfer_service.models.base import Base


class AccountIdentity(Base):
    """Whose an account is: the `subject` that an issuer knows somebody by. An account is one person's at most."""

    __tablename__ = "account_identities"

    issuer: Mapped[str] = mapped_column(String(255), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), unique=True)
    created_at: Mapped[datetime]


class SpentAttempt(Base):
    """A sign-in at a provider that has come back, so that its state counts once. It can go at `expires_at`."""

    __tablename__ = "spent_attempts"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
