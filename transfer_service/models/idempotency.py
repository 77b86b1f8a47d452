"""What keeps a request that is sent again from being done again."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from transfer_service.models.base import Base


class IdempotentRequest(Base):
    """A request with an `Idempotency-Key`, under way or answered, and then with its answer.

    `holder` is the request that is under way, or was, alive until `held_until`; `is_wanted` says that it has been sent
    again since. `fingerprint` tells requests apart, `status`, `body` and `location` are the answer, all of them null
    until `answered_at`.
    """

    __tablename__ = "idempotent_requests"
    __table_args__ = (
        Index(
            "ix_idempotent_requests_answered_at", "answered_at",
            sqlite_where=text("answered_at IS NOT NULL"), postgresql_where=text("answered_at IS NOT NULL"),
        ),
        Index(
            "ix_idempotent_requests_held_until", "held_until",
            sqlite_where=text("answered_at IS NULL"), postgresql_where=text("answered_at IS NULL"),
        ),
    )  # fmt: skip

    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    holder: Mapped[uuid.UUID]
    held_until: Mapped[datetime]
    is_wanted: Mapped[bool]
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    status: Mapped[int | None]
    body: Mapped[str | None] = mapped_column(Text)
    location: Mapped[str | None] = mapped_column(Text)
    answered_at: Mapped[datetime | None]
