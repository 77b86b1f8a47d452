"""Bytes as the store has them, whatever a network makes of them on their way.

To be used wherever bytes are judged, or stored again: a digest, an answer that others were sent, a copy. A whole object
comes with its checksum; of a span no store knows one, nor of an object in parts: that is read until two answers one
after the other are the same.
"""

import zlib

from transfer_service.errors import ReadFailed
from transfer_service.storage.s3.objects import Objects
from transfer_service.storage.s3.outgoing import PIECE_BYTES
from transfer_service.storage.s3.pieces import Piece

MOST_READS = 5


def get_checked(objects: Objects, piece: Piece, *, etag: str | None = None) -> bytes:
    """The bytes of a piece, fewer only where its object ends. Raises BlobMissing, ReadFailed, StoreUnavailable, with
    `etag` ObjectChanged.
    """
    whole = get_whole(objects, piece, etag=etag)
    return _get_agreed(objects, piece, etag) if whole is None else whole


def get_whole(objects: Objects, piece: Piece, *, etag: str | None = None) -> bytes | None:
    """The same, checked, where the piece is all of an object of which the store has a checksum; None where it is not.

    What is longer than what is written at once was made of parts, and is not asked for.
    """
    may_be_whole = not piece.offset and 0 < piece.span.size <= PIECE_BYTES
    return objects.get_whole(piece.object, piece.span.size, etag=etag) if may_be_whole else None


def _get_agreed(objects: Objects, piece: Piece, etag: str | None) -> bytes:
    start, stop = piece.offset, piece.offset + piece.span.size
    before: tuple[int, int] | None = None
    for _ in range(MOST_READS):
        data = objects.get(piece.object, start, stop, etag=etag)
        seen = len(data), zlib.crc32(data)
        if seen == before:
            return data
        before = seen
        del data  # not two of them in memory
    raise ReadFailed
