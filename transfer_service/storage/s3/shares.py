"""Pieces of other blobs that are to be pieces of one blob too: parts are put together without moving a byte.

Their objects stay as long as any row names them. So when a row is added for one, its own blob must have it still, and
keep it until that transaction ends.
"""

from bisect import bisect_right
from dataclasses import dataclass

from transfer_service.db.database import Executor
from transfer_service.errors import BlobMissing
from transfer_service.storage.s3.pieces import Piece, PieceRows, hull
from transfer_service.wire.ranges import Span


@dataclass(frozen=True, slots=True)
class _Share:
    source: str
    theirs: Piece
    mine: Piece


class Shares:
    """What one writer shares, in the order in which it came."""

    def __init__(self, rows: PieceRows) -> None:
        self._rows = rows
        self._shares: list[_Share] = []

    @property
    def pieces(self) -> list[Piece]:
        """Where it is in this blob."""
        return [share.mine for share in self._shares]

    def add(self, source: str, piece: Piece, *, to: int) -> None:
        """Share a piece of another blob, which begins at `to` in this one."""
        mine = Piece(Span(to, to + piece.span.size), piece.object, piece.offset)
        self._shares.append(_Share(source, piece, mine))

    def cut(self, length: int) -> None:
        """Leave out what lies behind `length`."""
        left = [(share, share.mine.within(Span(0, length))) for share in self._shares]
        self._shares = [_Share(share.source, share.theirs, mine) for share, mine in left if mine]

    def clear(self) -> None:
        """Share nothing."""
        self._shares.clear()

    def held(self, rows: Executor) -> list[Piece]:
        """All of it, which stays where it comes from until the transaction ends. Raises BlobMissing."""
        for source in {share.source for share in self._shares}:
            self._hold(rows, source, [share.theirs for share in self._shares if share.source == source])
        return self.pieces

    def _hold(self, rows: Executor, source: str, pieces: list[Piece]) -> None:
        held = self._rows.hold(rows, source, hull(each.span for each in pieces))
        starts = [row.span.start for row in held]
        for piece in pieces:
            place = bisect_right(starts, piece.span.start)
            if not place or held[place - 1].within(piece.span) != piece:
                raise BlobMissing
