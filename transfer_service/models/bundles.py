"""Bundles: archives that are made while they are sent, of files as they were when somebody asked for them."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from transfer_service.models.base import Base


class Bundle(Base):
    """What lies in an archive, for as long as its address counts: `members` is a list that `wire.zip_layout` has
    packed, compressed. It never changes, so the archive stays what it was to the byte, whatever its files are called.
    """

    __tablename__ = "bundles"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(255))
    members: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
