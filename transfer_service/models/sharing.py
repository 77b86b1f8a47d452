"""What keys and upload links may bring into an account."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from transfer_service.models.base import Base


class Allotment(Base):
    """How much may come by one origin: a key or an upload link, whose id it has. It stands in `files.origin_id`.

    `used_bytes` and `used_files` are what has been reserved; a part of a final upload is no file. With `gives_back`
    whatever leaves makes room again, without it only what never became whole. Of such an origin `received_files` and
    `received_bytes` are what did. From `ends_at` on nothing comes in any more, and nothing becomes whole.
    """

    __tablename__ = "allotments"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    quota_bytes: Mapped[int | None]
    used_bytes: Mapped[int] = mapped_column(default=0)
    quota_files: Mapped[int | None]
    used_files: Mapped[int] = mapped_column(default=0)
    received_bytes: Mapped[int] = mapped_column(default=0)
    received_files: Mapped[int] = mapped_column(default=0)
    gives_back: Mapped[bool]
    ends_at: Mapped[datetime | None] = mapped_column(index=True)
