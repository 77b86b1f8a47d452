"""Where an object store has the bytes of blobs that are not one object, and which objects are on their way out."""

from datetime import datetime

from sqlalchemy import Index, String, func
from sqlalchemy.orm import Mapped, mapped_column

from transfer_service.models.base import Base

_KEY_LENGTH = 320
"""An attachment's: its message's id, a slash, and a name of at most 255 characters."""
_OBJECT_LENGTH = 512
KEY = String(_KEY_LENGTH).with_variant(String(_KEY_LENGTH, collation="C"), "postgresql")
"""Compared byte by byte: a group of blobs is found by what its keys begin with."""


class StoredPiece(Base):
    """The bytes `start` to `stop` of a blob are those of an object from `offset` on.

    Pieces of a blob do not overlap. A blob without any is the object at its own name. One of no length says that the
    blob is there, and empty.
    """

    __tablename__ = "stored_pieces"
    __table_args__ = (Index("ix_stored_pieces_object", "object"), {"sqlite_with_rowid": False})

    room: Mapped[str] = mapped_column(String(16), primary_key=True)
    key: Mapped[str] = mapped_column(KEY, primary_key=True)
    start: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stop: Mapped[int]
    object: Mapped[str] = mapped_column(String(_OBJECT_LENGTH))
    offset: Mapped[int]


class ScatteredBlob(Base):
    """A blob that is whole and in pieces: the worker makes one object of it. `length` is that of the whole."""

    __tablename__ = "scattered_blobs"
    __table_args__ = ({"sqlite_with_rowid": False},)

    room: Mapped[str] = mapped_column(String(16), primary_key=True)
    key: Mapped[str] = mapped_column(KEY, primary_key=True)
    length: Mapped[int]
    since: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class DiscardedObject(Base):
    """The name of an object that no piece names any more, or never came to name: it may go from `due_at` on."""

    __tablename__ = "discarded_objects"
    __table_args__ = ({"sqlite_with_rowid": False},)

    name: Mapped[str] = mapped_column(String(_OBJECT_LENGTH), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(index=True)
