"""One room of blobs in an object store as one process has it, and what it takes to look behind it."""

import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from transfer_service.db.database import Database, Executor
from transfer_service.errors import ClaimLost, RangeBusy
from transfer_service.storage.blobs import WHOLE, Key
from transfer_service.storage.rooms import FILES, Room
from transfer_service.storage.s3.backing import Backing
from transfer_service.storage.s3.discards import Discards
from transfer_service.storage.s3.layout import RoomLayout
from transfer_service.storage.s3.objects import Objects
from transfer_service.storage.s3.outgoing import PIECE_BYTES
from transfer_service.storage.s3.pieces import Piece, PieceRows
from transfer_service.storage.s3.writer import PieceWriter, writing
from transfer_service.wire.ranges import Span


@dataclass
class Claim:
    """A claim that is ours until the test says otherwise."""

    span: Span = WHOLE
    is_lost: bool = False
    wanted: bool = False

    def is_wanted(self) -> bool:
        return self.wanted

    def check(self, _rows: Executor) -> None:
        if self.is_lost:
            raise ClaimLost


@dataclass
class Locks:
    """Claims on whole blobs among those who share them."""

    held: dict[str, Claim] = field(default_factory=dict)

    @contextmanager
    def lock(self, key: str, span: Span, *, wait_seconds: float) -> Iterator[Claim]:
        assert wait_seconds == 0
        if key in self.held:
            raise RangeBusy
        claim = self.held[key] = Claim(span)
        try:
            yield claim
        finally:
            if self.held.get(key) is claim:
                del self.held[key]


def forget_pieces(database: Database) -> None:
    """Let a database know of no blob."""
    for name in ("stored_pieces", "scattered_blobs", "discarded_objects"):
        with database.write_rows() as rows:
            rows.exec_driver_sql(f"DELETE FROM {name}")


class Rig:
    """A process with a room."""

    def __init__(
        self,
        objects: Objects,
        database: Database,
        room: Room = FILES,
        prefix: str = "",
        piece_bytes: int = PIECE_BYTES,
    ) -> None:
        self.objects = objects
        self.database = database
        self.layout = RoomLayout(prefix or f"p-{uuid.uuid4().hex}", room)
        self.rows = PieceRows(self.layout.name, self.layout.own_name)
        self.discards = Discards(database, objects)
        self.backing = Backing(objects, database, self.layout, self.rows, self.discards, piece_bytes)

    def writer(
        self, key: Key, start: int = 0, *, create: bool = True, claim: Claim | None = None, **more: Any
    ) -> AbstractContextManager[PieceWriter]:
        """A writer of everything from `start` on."""
        return writing(self.backing, key, claim or Claim(Span(start, WHOLE.stop)), create=create, **more)

    def record(self, writer: PieceWriter) -> None:
        """Let what is stored count."""
        with self.database.write_rows() as rows:
            writer.record(rows)

    def put(self, key: Key, data: bytes, start: int = 0, *, whole: bool = False) -> None:
        """Let these bytes count, and with `whole` be the end."""
        with self.writer(key, start) as writer:
            writer.make_room(len(data))
            writer.write(start, [data])
            if whole:
                writer.seal(start + len(data), flush=True)
            else:
                writer.sync()
            self.record(writer)

    def delete(self, key: Key) -> None:
        """Delete a blob, as the store does."""
        name = self.layout.key_of(key)
        with self.database.write_rows() as rows:
            freed = self.rows.remove(rows, name)
        self.objects.delete([self.layout.own_name(key)])
        self.discards.remove(freed)

    def pieces(self, key: Key) -> list[Piece]:
        """The rows of a blob."""
        with self.database.read_rows() as rows:
            return self.rows.find(rows, self.layout.key_of(key))

    def read(self, key: Key) -> bytes:
        """All bytes that anybody can see. Holes are not there."""
        found = self.backing.find(self.layout.key_of(key), WHOLE)
        return b"".join(self.objects.get(each.object, each.offset, each.offset + each.span.size) for each in found)

    def names(self) -> set[str]:
        """All objects there are, but those that cleanup has set aside."""
        prefix = self.layout.own_prefix.removesuffix(f"{self.layout.name}/")
        found = {each.name for batch in self.objects.list(prefix) for each in batch}
        return {name for name in found if not name.startswith(self.layout.quarantine_prefix)}
