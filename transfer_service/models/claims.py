"""Claims on blobs of an object store, and the processes that hold them.

Nothing of it must survive a crash of the database, where it is claimed again: PostgreSQL writes no log of it.
"""

from sqlalchemy import Double, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from transfer_service.models.base import Base

ID = String(32)


class ClaimProcess(Base):
    """A process that has claims. Past `expires_at`, in seconds of the database's clock, it counts as dead."""

    __tablename__ = "claim_processes"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    expires_at: Mapped[float] = mapped_column(Double())


class Claim(Base):
    """A claim that is held or waited for.

    `unit` is what the blob is removed with: its group, or itself. `mode` is `span` for a lock on a range, `use` for a
    request that may come to that, `alone` for who wants nobody to use the unit. Who takes over has a `turn`: the
    highest wins.
    """

    __tablename__ = "claims"
    __table_args__ = (Index("ix_claims_room_unit", "room", "unit"), Index("ix_claims_process_id", "process_id"))

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    process_id: Mapped[str] = mapped_column(ID)
    room: Mapped[str] = mapped_column(String(16))
    unit: Mapped[str] = mapped_column(String(320))
    name: Mapped[str] = mapped_column(String(320))
    mode: Mapped[str] = mapped_column(String(8))
    start: Mapped[int]
    stop: Mapped[int]
    turn: Mapped[int | None]
    is_held: Mapped[bool]
