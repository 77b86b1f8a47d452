"""Links: what an account gives out to whoever has the address, or lets them bring."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from transfer_service.models.base import Base, state_type


class LinkKind(StrEnum):
    """Which way bytes go by a link."""

    DOWNLOAD = "download"
    UPLOAD = "upload"


class Link(Base):
    """A link of an account, until some time after it has expired.

    `token_hash` is the SHA-256 of the secret in its address, and `sealed_token` that secret under a key derived from
    `SECRET_KEY`, so that only the service can print the address again. `downloads` is how many transfers have begun.
    `folder_id` is where an upload link puts what arrives, None for the top; `max_files` and `max_bytes` are as they
    were asked for, what counts of them is the link's allotment.
    """

    __tablename__ = "links"
    __table_args__ = (Index("ix_links_account_id_created_at_id", "account_id", "created_at", "id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    kind: Mapped[LinkKind] = mapped_column(state_type(LinkKind))
    name: Mapped[str | None] = mapped_column(String(255))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    sealed_token: Mapped[str] = mapped_column(String(64))
    password_hash: Mapped[str | None] = mapped_column(String(255))
    folder_id: Mapped[uuid.UUID | None]
    max_downloads: Mapped[int | None]
    downloads: Mapped[int] = mapped_column(default=0)
    max_files: Mapped[int | None]
    max_bytes: Mapped[int | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class LinkFile(Base):
    """A file that a link gives out, in the order of `position`.

    `file_id` is no foreign key: a file that leaves the trash comes back with its links, and no id is used twice.
    """

    __tablename__ = "link_files"
    __table_args__ = ({"sqlite_with_rowid": False},)

    link_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("links.id", ondelete="CASCADE"), primary_key=True)
    file_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    position: Mapped[int]


class LinkFolder(Base):
    """A folder that a link gives out with all that is in it when it is asked. `folder_id` as in `link_files`."""

    __tablename__ = "link_folders"
    __table_args__ = ({"sqlite_with_rowid": False},)

    link_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("links.id", ondelete="CASCADE"), primary_key=True)
    folder_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    position: Mapped[int]


class LinkTransfer(Base):
    """What one client has had of one thing: a file, or all of it as a ZIP, for which the link's own id stands.

    Each download that it has begun lets it have twice the size: `allowed_bytes`. `sent_bytes` are those that were sent
    and those that are being sent. `client` is a digest of its cookie or its address.
    """

    __tablename__ = "link_transfers"
    __table_args__ = ({"sqlite_with_rowid": False},)

    link_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("links.id", ondelete="CASCADE"), primary_key=True)
    client: Mapped[str] = mapped_column(String(64), primary_key=True)
    subject_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    allowed_bytes: Mapped[int]
    sent_bytes: Mapped[int]
    updated_at: Mapped[datetime]
