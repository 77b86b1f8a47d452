"""Files and the ranges of them that have been received."""

import unicodedata
import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    Text,
    text,
)
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column

from transfer_service.models.base import Base, state_type


def folded(name: str) -> str:
    """A name as it is searched for: in NFC, without the difference of capitals and small letters in any script."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def folded_name(context: DefaultExecutionContext) -> str:
    """The `folded` name of a row that is inserted: the default of a column."""
    parameters: dict[str, Any] = context.get_current_parameters()  # type: ignore[no-untyped-call] # SQLAlchemy's
    return folded(parameters["name"])


class FileState(StrEnum):
    """`receiving` until every byte up to the length is stored, verified and hashed; then `complete`.

    A `folder` holds a name as a file does, in the same index, so that nothing can be both.
    """

    RECEIVING = "receiving"
    COMPLETE = "complete"
    FOLDER = "folder"


class File(Base):
    """The owner-visible record of a blob, from its first byte on; or the place of a folder among the names.

    `name` is the last label of the name, `folder_id` the folder that it lies in, None for the top. `holds_name` is
    false while a file that was sent in one request is still arriving: such a file gets its name when it is whole.
    `length_declared` tells a length the client promised from one inferred from the highest byte so far.
    `folded_name` follows `name`, for searches. `completed_at` is its date, see `services.file_dates`.
    `unflushed_boot` is the boot of the machine in which bytes that count were received and not flushed. A file that is
    `receiving` and has a SHA-256 was whole before a power loss, and is again if that is still the one of its bytes.
    `origin_id` is the key or the upload link by which it came, see `Allotment`; there need not be one any more.
    """

    __tablename__ = "files"
    __table_args__ = (
        Index(
            "uq_files_account_id_name", "account_id", "name", unique=True,
            sqlite_where=text("holds_name = 1 AND folder_id IS NULL"),
            postgresql_where=text("holds_name AND folder_id IS NULL"),
        ),
        Index(
            "uq_files_folder_id_name", "folder_id", "name", unique=True,
            sqlite_where=text("holds_name = 1 AND folder_id IS NOT NULL"),
            postgresql_where=text("holds_name AND folder_id IS NOT NULL"),
        ),
        Index(
            "ix_files_folder_id_created_at_id", "folder_id", "created_at", "id",
            sqlite_where=text("folder_id IS NOT NULL"), postgresql_where=text("folder_id IS NOT NULL"),
        ),
        Index(
            "ix_files_top", "account_id", "created_at", "id",
            sqlite_where=text("folder_id IS NULL"), postgresql_where=text("folder_id IS NULL"),
        ),
        Index(
            "ix_files_folders", "account_id", "folder_id", "name",
            sqlite_where=text("state = 'folder'"), postgresql_where=text("state = 'folder'"),
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
            "ix_files_origin_id", "origin_id",
            sqlite_where=text("origin_id IS NOT NULL AND state = 'receiving'"),
            postgresql_where=text("origin_id IS NOT NULL AND state = 'receiving'"),
        ),
        Index(
            "ix_files_unflushed_boot", "unflushed_boot",
            sqlite_where=text("unflushed_boot IS NOT NULL"), postgresql_where=text("unflushed_boot IS NOT NULL"),
        ),
    )  # fmt: skip

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    folder_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("folders.id", use_alter=True))
    name: Mapped[str] = mapped_column(String(255).with_variant(String(255, collation="C"), "postgresql"))
    folded_name: Mapped[str] = mapped_column(Text, default=folded_name, server_default=text("''"))
    holds_name: Mapped[bool]
    media_type: Mapped[str] = mapped_column(String(255))
    state: Mapped[FileState] = mapped_column(state_type(FileState))
    length: Mapped[int | None]
    length_declared: Mapped[bool] = mapped_column(default=False)
    received_bytes: Mapped[int] = mapped_column(default=0)
    reserved_bytes: Mapped[int] = mapped_column(default=0)
    sha256: Mapped[str | None] = mapped_column(String(64))
    crc32: Mapped[int | None]
    unflushed_boot: Mapped[str | None] = mapped_column(String(64))
    origin_id: Mapped[uuid.UUID | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]


class Folder(Base):
    """What is known of a folder besides its place among the names, which is the row of `files` with the same id.

    `path` is its whole path with a `/` behind it, so that those of all folders in it begin with it. `is_kept` is false
    while nothing but uploads under way has asked for it: it goes with the last of them. `moved_at` is the date of all
    files in it that are older, see `services.files.dates`.
    """

    __tablename__ = "folders"
    __table_args__ = (Index("uq_folders_account_id_path", "account_id", "path", unique=True),)

    id: Mapped[uuid.UUID] = mapped_column(ForeignKey("files.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(String(1025).with_variant(String(1025, collation="C"), "postgresql"))
    folded_path: Mapped[str] = mapped_column(Text)
    is_kept: Mapped[bool]
    moved_at: Mapped[datetime | None]


class TrashReason(StrEnum):
    """Why a file has gone into the trash: somebody has deleted it, or put another one in its place."""

    DELETED = "deleted"
    REPLACED = "replaced"


class TrashedFile(Base):
    """A finished file that its owner can still have back. It has left `files`, and takes its id along: it is here or
    there, and nothing that asks for files finds it.

    `name` is its whole name. `reserved_bytes` count against the quota as before. `unflushed_boot` says as in `files`
    what a power loss may take, and is `IN_DOUBT` where one may have done so.
    """

    __tablename__ = "trashed_files"
    __table_args__ = (
        Index("ix_trashed_files_account_id_deleted_at_id", "account_id", "deleted_at", "id"),
        Index("ix_trashed_files_account_id_name_deleted_at_id", "account_id", "name", "deleted_at", "id"),
        Index("ix_trashed_files_expires_at", "expires_at"),
        Index(
            "ix_trashed_files_unflushed_boot", "unflushed_boot",
            sqlite_where=text("unflushed_boot IS NOT NULL"), postgresql_where=text("unflushed_boot IS NOT NULL"),
        ),
    )  # fmt: skip

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(1024))
    media_type: Mapped[str] = mapped_column(String(255))
    length: Mapped[int]
    length_declared: Mapped[bool]
    reserved_bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    crc32: Mapped[int | None]
    unflushed_boot: Mapped[str | None] = mapped_column(String(64))
    origin_id: Mapped[uuid.UUID | None]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    reason: Mapped[TrashReason] = mapped_column(state_type(TrashReason))


class ReceivedRange(Base):
    """A half-open range of a file that is durably stored. Ranges of one file never overlap or touch."""

    __tablename__ = "received_ranges"
    __table_args__ = ({"sqlite_with_rowid": False},)

    file_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("files.id", ondelete="CASCADE"), primary_key=True)
    start: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stop: Mapped[int]
