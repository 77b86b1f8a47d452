"""Webhooks: who is told of what happens, and what is still to be told."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from transfer_service.models.base import Base, state_type

_SERIAL = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers only an INTEGER by itself


class WebhookState(StrEnum):
    """Whether a webhook still gets anything."""

    ACTIVE = "active"
    ENDED = "ended"


class Webhook(Base):
    """An address that is told of events: of all accounts, or of one only, with which it goes.

    `events` are names with a blank before, between and behind them, so that one is found by its name in blanks.
    `sealed_secret` is its secret under a key derived from `SECRET_KEY`. `runner` is the worker that sends to it, until
    `runs_until`.
    """

    __tablename__ = "webhooks"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    events: Mapped[str] = mapped_column(String(255))
    account_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    state: Mapped[WebhookState] = mapped_column(state_type(WebhookState))
    sealed_secret: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime]
    runner: Mapped[uuid.UUID | None]
    runs_until: Mapped[datetime | None]


class WebhookDelivery(Base):
    """One event for one webhook, until it has arrived. Of one `subject` those with lower ids are sent first.

    `message_id` is what the receiver knows it by, `body` the very bytes that it gets. It waits until `due_at`, or for
    an earlier one of its subject, where that is null; or it has failed, at `failed_at`. `webhook_id` is no foreign key:
    whoever stores a file would hold the row of each webhook meanwhile. What is left of a webhook that has gone, the
    worker removes. `traceparent` is that of whoever has done what it tells of, where that is traced.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index(
            "ix_webhook_deliveries_due", "webhook_id", "due_at", "id",
            sqlite_where=text("due_at IS NOT NULL"), postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index(
            "ix_webhook_deliveries_subject", "webhook_id", "subject", "id",
            sqlite_where=text("failed_at IS NULL"), postgresql_where=text("failed_at IS NULL"),
        ),
        Index(
            "ix_webhook_deliveries_failed_at", "failed_at", "id",
            sqlite_where=text("failed_at IS NOT NULL"), postgresql_where=text("failed_at IS NOT NULL"),
        ),
        Index(
            "ix_webhook_deliveries_message_id", "message_id", unique=True,
            sqlite_where=text("failed_at IS NOT NULL"), postgresql_where=text("failed_at IS NOT NULL"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(_SERIAL, primary_key=True)
    message_id: Mapped[uuid.UUID]
    webhook_id: Mapped[uuid.UUID]
    account_id: Mapped[uuid.UUID | None]
    event: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(80))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    tries: Mapped[int]
    error: Mapped[str | None] = mapped_column(String(16))
    failed_at: Mapped[datetime | None]
    traceparent: Mapped[str | None] = mapped_column(String(55))
