"""Bytes that lie over one another: what was written last is what is read."""

from collections.abc import Callable, Iterable

from transfer_service.errors import ReadFailed
from transfer_service.storage.s3.pieces import Piece
from transfer_service.wire.ranges import Span

Layer = tuple[Piece, Callable[[Piece], bytes]]
"""A piece, and what gives the bytes of a part of it."""


def read_over(span: Span, layers: Iterable[Layer]) -> bytes:
    """The bytes of a span; zeros where no layer has any. Of layers only so many are asked for as it takes.

    The latest comes first. Raises ReadFailed where one gives fewer bytes than it should.
    """
    data = memoryview(bytearray(span.size))
    gaps = [span] if span.size else []
    if gaps:
        for piece, read in layers:
            gaps = [left for gap in gaps for left in _fill(data, span.start, gap, piece, read)]
            if not gaps:
                break
    return bytes(data)


def _fill(data: memoryview, start: int, gap: Span, piece: Piece, read: Callable[[Piece], bytes]) -> list[Span]:
    """Put what a piece has of a gap into `data`, which is from `start` on. What is left of the gap."""
    part = piece.within(gap)
    if part is None:
        return [gap]
    got = read(part)
    if len(got) != part.span.size:
        raise ReadFailed
    data[part.span.start - start : part.span.stop - start] = got
    return [each for each in (Span(gap.start, part.span.start), Span(part.span.stop, gap.stop)) if each.size]


def flat(pieces: Iterable[Piece]) -> list[Piece]:
    """Pieces that do not overlap, in the place of those that may: the later one counts."""
    seen: list[Piece] = []
    end = 0
    for piece in pieces:
        if piece.span.start < end:
            seen = [part for each in seen for part in each.without(piece.span)]
        seen.append(piece)
        end = max(end, piece.span.stop)
    return seen
