"""What happened: the audit log."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from transfer_service.models.base import Base

_SERIAL = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by plain integers only


class Activity(Base):
    """Something that an account, a guest or a command did. Rows are only ever added, and go when they are old.

    `username` is null for commands and for whoever did not prove who he is. The order of the log is that of
    `created_at`, then of `id`; each index has both behind what it is for, so that any page is read in order.
    """

    __tablename__ = "activities"
    __table_args__ = (
        Index("ix_activities_created_at", "created_at", "id"),
        Index("ix_activities_username", "username", "created_at", "id"),
        Index("ix_activities_action", "action", "created_at", "id"),
        Index("ix_activities_resource", "resource", "created_at", "id"),
    )

    id: Mapped[int] = mapped_column(_SERIAL, primary_key=True)
    username: Mapped[str | None] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(String(50))
    resource: Mapped[str] = mapped_column(String(50))
    resource_id: Mapped[str] = mapped_column(String(255))
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    ip_address: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]


class ActivityMark(Base):
    """Of a row of the log, how many rows came before it and with it, those counted that are gone."""

    __tablename__ = "activity_marks"
    __table_args__ = (Index("ix_activity_marks_created_at", "created_at"),)

    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    created_at: Mapped[datetime]
    activity_id: Mapped[int]
