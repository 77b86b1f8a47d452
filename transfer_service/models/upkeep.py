"""What upkeep remembers: whose the store is, and which bytes are on their way out."""

from datetime import datetime

from sqlalchemy import (
    String,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from transfer_service.models.base import Base


class Installation(Base):
    """The one row that says which installation the database is, by the id that its stores carry too.

    While it is not `is_joined` a store without an id gets this one without further questions. `key_fingerprint` is
    that of the key that tokens are signed with, see `services.upkeep.signing_key`.
    """

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    installation_id: Mapped[str] = mapped_column(String(36))
    is_joined: Mapped[bool]
    key_fingerprint: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[datetime]


class DiscardedBytes(Base):
    """Bytes that are nobody's: of a file or message that was deleted, or an attachment that was not posted yet."""

    __tablename__ = "discarded_bytes"
    __table_args__ = ({"sqlite_with_rowid": False},)

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    discarded_at: Mapped[datetime] = mapped_column(server_default=func.now())
