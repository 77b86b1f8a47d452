"""Resumable uploads, each with its file's row, which has the same id; and the dates of names that are gone."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from transfer_service.models.base import Base, state_type


class UploadProtocol(StrEnum):
    """Which of the open protocols began an upload."""

    TUS = "tus"
    IETF = "ietf"


class UploadKind(StrEnum):
    """`partial` is only material for a `final` one, which is put together from such (tus concatenation)."""

    WHOLE = "whole"
    PARTIAL = "partial"
    FINAL = "final"


class ResumableUpload(Base):
    """An upload session. Its file arrives unnamed; `ended_at` is when it was cancelled, spent or found expired.

    A row without a file is a tombstone: there is no key between them, so that the upload's URL can say "gone". `ends`
    tells whether reaching the length makes it whole; with the IETF draft some request must have said so. `origin_id` is
    that of its file.
    """

    __tablename__ = "resumable_uploads"
    __table_args__ = (Index("ix_resumable_uploads_account_id_kind", "account_id", "kind"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    protocol: Mapped[UploadProtocol] = mapped_column(state_type(UploadProtocol))
    kind: Mapped[UploadKind] = mapped_column(state_type(UploadKind))
    upload_metadata: Mapped[str | None] = mapped_column(Text)
    concat_header: Mapped[str | None] = mapped_column(Text)
    repr_digest: Mapped[str | None] = mapped_column(Text)
    overwrite: Mapped[bool]
    ends: Mapped[bool]
    origin_id: Mapped[uuid.UUID | None]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None] = mapped_column(index=True)


class UploadPart(Base):
    """A partial upload at its place in a final one."""

    __tablename__ = "upload_parts"
    __table_args__ = (Index("ix_upload_parts_part_id", "part_id"), {"sqlite_with_rowid": False})

    final_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("resumable_uploads.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    part_id: Mapped[uuid.UUID]


class RetiredDate(Base):
    """The date of a version of a name that is gone: no other version of it may have the same.

    The name `/` stands for all that lie in folders.
    """

    __tablename__ = "retired_dates"
    __table_args__ = (
        Index("ix_retired_dates_account_id_name", "account_id", "name"),
        Index("ix_retired_dates_modified_at", "modified_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(1025))
    modified_at: Mapped[datetime]
