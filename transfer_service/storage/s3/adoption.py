"""Blobs that get the bytes of whole ones in another room, within the store.

What is in pieces is shared: rows name the same objects. What is one object is copied by the store to the name that the
new blob has of its own.
"""

from collections.abc import Callable

from transfer_service.db.database import Executor
from transfer_service.errors import BlobMissing, StoreUnavailable
from transfer_service.storage.s3.backing import Backing, Fence
from transfer_service.storage.s3.failures import ObjectChanged
from transfer_service.storage.s3.pieces import Piece, is_gapless
from transfer_service.storage.s3.shares import Shares
from transfer_service.wire.ranges import Span


class Adoption:
    """One blob on its way to its bytes, under a claim on all of it."""

    def __init__(self, backing: Backing, key: str, fence: Fence, length: int) -> None:
        self._backing = backing
        self._key = key
        self._fence = fence
        self._length = length

    def take(self, source: Backing, key: str) -> Callable[[Executor], None]:
        """Let the store copy what it must. What comes back lets the bytes count: it raises BlobMissing where the source
        has changed since, ClaimLost.

        Raises BlobMissing, also where the source is another one by now, StorageFull, StoreUnavailable.
        """
        if not self._length:
            self._backing.objects.put(self._own_name, [])
            return self._fence.check
        whole = Span(0, self._length)
        pieces = source.find(key, whole)
        if not is_gapless(pieces, whole):
            raise BlobMissing
        own_name = source.layout.own_name(key)
        if pieces == [Piece(whole, own_name)] and self._copy(source, own_name, self._own_name, self._length):
            return self._fence.check
        shares, copies = Shares(source.rows), []
        for piece in pieces:
            if piece.object == own_name:  # it goes with the source
                copies.append(self._copied(source, piece))
            else:
                shares.add(key, piece, to=piece.span.start)

        def record(rows: Executor) -> None:
            self._fence.check(rows)
            self._backing.rows.put_in_place(rows, self._key, [*copies, *shares.held(rows)])
            self._backing.rows.note_scattered(rows, self._key, self._length)

        return record

    @property
    def _own_name(self) -> str:
        return self._backing.layout.own_name(self._key)

    def _copied(self, source: Backing, piece: Piece) -> Piece:
        name = self._backing.layout.new_piece_name(self._key)
        if not self._copy(source, piece.object, name):
            raise BlobMissing
        return Piece(piece.span, name, piece.offset)

    def _copy(self, source: Backing, name: str, to: str, length: int | None = None) -> bool:
        """Whether the object was copied; not where it is not `length` long. Raises BlobMissing where it is replaced."""
        facts = source.objects.head(name)
        if facts is None:
            raise BlobMissing
        if length not in {None, facts.size}:
            return False
        try:
            source.objects.copy(name, to)
        except ObjectChanged as error:
            raise BlobMissing from error
        copy = self._backing.objects.head(to)
        if copy is None or copy.size != facts.size:
            raise StoreUnavailable("A store has made a copy that is not as long as what it is of")
        return True
