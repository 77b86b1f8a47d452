"""What readers and writers of a room in an object store stand on."""

from dataclasses import dataclass
from typing import Protocol

from transfer_service.db.database import Database, Executor
from transfer_service.errors import BlobMissing
from transfer_service.storage.s3.checked import get_checked
from transfer_service.storage.s3.discards import Discards
from transfer_service.storage.s3.layout import RoomLayout
from transfer_service.storage.s3.objects import Objects
from transfer_service.storage.s3.outgoing import PIECE_BYTES
from transfer_service.storage.s3.pieces import Piece, PieceRows
from transfer_service.wire.ranges import Span


class Fence(Protocol):
    """The claim on a span, as its writer sees it."""

    @property
    def span(self) -> Span:
        """What is claimed."""

    def is_wanted(self) -> bool:
        """Whether somebody else waits for a part of the span, or has come after who took it over."""

    def check(self, rows: Executor) -> None:
        """Keep the claim until the transaction ends. Raises ClaimLost where it is not ours any more."""


@dataclass(frozen=True, slots=True)
class Backing:
    """One room: where objects are, what they are called, and which rows name them.

    What is written is cut at multiples of `piece_bytes`.
    """

    objects: Objects
    database: Database
    layout: RoomLayout
    rows: PieceRows
    discards: Discards
    piece_bytes: int = PIECE_BYTES

    def find(self, key: str, span: Span) -> list[Piece]:
        """Where the bytes of a span are, in their order. Raises BlobMissing where there is no such blob."""
        with self.database.read_rows() as rows:
            found = self.rows.find(rows, key, span)
            has_rows = bool(found) or self.rows.find_end(rows, key) is not None
        if has_rows:
            return [part for each in found if (part := each.within(span))]
        whole = self.find_whole(key)
        if whole is None:
            raise BlobMissing
        part = whole.within(span)
        return [part] if part else []

    def find_whole(self, key: str) -> Piece | None:
        """The object at the blob's own name as a piece of it, None where there is none."""
        name = self.layout.own_name(key)
        facts = self.objects.head(name)
        return Piece(Span(0, facts.size), name) if facts else None

    def find_end(self, key: str) -> int | None:
        """Where the last piece of a blob ends, None where it has none."""
        with self.database.read_rows() as rows:
            return self.rows.find_end(rows, key)

    def find_length(self, key: str) -> int | None:
        """Where the blob ends, None where there is none."""
        end = self.find_end(key)
        if end is not None:
            return end
        whole = self.find_whole(key)
        return whole.span.stop if whole else None

    def read(self, piece: Piece) -> bytes:
        """The bytes of a piece, fewer only where its object ends. Raises BlobMissing, StoreUnavailable."""
        return self.objects.get(piece.object, piece.offset, piece.offset + piece.span.size)

    def read_checked(self, piece: Piece) -> bytes:
        """The same, as the store has them. Raises ReadFailed too."""
        return get_checked(self.objects, piece)
