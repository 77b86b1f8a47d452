"""Exports: an archive of all that an account has, of which everything but the bytes of files is kept for a day."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from transfer_service.models.base import Base


class Export(Base):
    """An archive. Its id is its ETag. `size` is null until all of it is known, `text_bytes` are those of its texts."""

    __tablename__ = "exports"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    size: Mapped[int | None]
    member_count: Mapped[int] = mapped_column(default=0)
    text_bytes: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class ExportSection(Base):
    """Up to a thousand members: a list that `wire.zip_layout` has packed, compressed; and its place in the archive."""

    __tablename__ = "export_sections"
    __table_args__ = ({"sqlite_with_rowid": False},)

    export_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("exports.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    start: Mapped[int]
    stop: Mapped[int]
    entries_start: Mapped[int]
    entries_stop: Mapped[int]
    members: Mapped[bytes] = mapped_column(LargeBinary)


class ExportText(Base):
    """A piece of what was written for the archive, compressed: all texts one behind the other, in equal pieces.

    Messages are edited, and lists grow: made anew they would be other bytes.
    """

    __tablename__ = "export_texts"
    __table_args__ = ({"sqlite_with_rowid": False},)

    export_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("exports.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(LargeBinary)
