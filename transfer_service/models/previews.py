"""Previews of files and attachments: those that are made, and those to be made."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Double, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from transfer_service.models.base import Base, state_type


class PreviewState(StrEnum):
    """`waiting` for a worker, `ready`, `none` where there can be none; `gone` with its file: the bytes are to go."""

    WAITING = "waiting"
    READY = "ready"
    NONE = "none"
    GONE = "gone"


class Preview(Base):
    """The preview of a file, whose `subject` is its id in hexadecimal digits, or of an attachment, its message's id.

    The row is the queue, too. `rank` is 0 where somebody waits for it and 1 otherwise; a worker may begin from `due_at`
    on, and puts that behind the time it may take, as `runner`. `tries` counts the beginnings, `deaths` how often the
    maker was killed by it. `length_160` to `length_1280` are those of the pictures that lie one behind the other in the
    blob of that key in the room `previews`, 0 where a smaller one is the same; `sha256` is that of all of them.
    `width` and `height` are those of the file's own picture as it is shown, `duration` is in seconds.
    """

    __tablename__ = "previews"
    __table_args__ = (
        Index(
            "ix_previews_waiting", "rank", "queued_at",
            sqlite_where=text("state = 'waiting'"), postgresql_where=text("state = 'waiting'"),
        ),
        Index(
            "ix_previews_gone", "due_at",
            sqlite_where=text("state = 'gone'"), postgresql_where=text("state = 'gone'"),
        ),
        {"sqlite_with_rowid": False},
    )  # fmt: skip

    subject: Mapped[str] = mapped_column(String(32), primary_key=True)
    state: Mapped[PreviewState] = mapped_column(state_type(PreviewState))
    rank: Mapped[int]
    queued_at: Mapped[datetime]
    due_at: Mapped[datetime]
    runner: Mapped[uuid.UUID | None]
    tries: Mapped[int]
    deaths: Mapped[int]
    width: Mapped[int | None]
    height: Mapped[int | None]
    duration: Mapped[float | None] = mapped_column(Double())
    blurhash: Mapped[str | None] = mapped_column(String(64))
    length_160: Mapped[int | None]
    length_480: Mapped[int | None]
    length_1280: Mapped[int | None]
    sha256: Mapped[str | None] = mapped_column(String(64))
    made_at: Mapped[datetime | None]
