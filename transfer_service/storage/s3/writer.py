"""Writers of blobs in an object store (the BlobWriter of `blobs`).

Whatever is written becomes objects that were never there before, and rows that name them, in the transaction in which
the bytes come to count. What no row came to name is removed with the writer, or noted for cleanup where a commit may
still come to be seen. A blob that lies in one buffer when it is whole becomes the object at its own name at once.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial

from transfer_service.db.database import Executor
from transfer_service.errors import BlobMissing, ClaimLost, ReadFailed, TransferError
from transfer_service.logs import log_error
from transfer_service.storage.blobs import Key
from transfer_service.storage.s3.backing import Backing, Fence
from transfer_service.storage.s3.base import Base
from transfer_service.storage.s3.discards import IN_DOUBT
from transfer_service.storage.s3.outgoing import Outgoing, OutgoingPiece
from transfer_service.storage.s3.overlay import Layer, flat, read_over
from transfer_service.storage.s3.pieces import Piece, hull, is_gapless
from transfer_service.storage.s3.shares import Shares
from transfer_service.wire.ranges import Span


@contextmanager
def writing(backing: Backing, key: Key, fence: Fence, *, create: bool, is_new: bool = False) -> Iterator["PieceWriter"]:
    """A writer of what the fence claims, of a blob that is there unless it is to be made; `is_new` is one of a key
    that nobody else knows. Raises BlobMissing.
    """
    name = backing.layout.key_of(key)
    writer = PieceWriter(backing, name, fence, is_new=is_new)
    if not create and not writer.is_there():
        raise BlobMissing
    try:
        yield writer
    except BaseException:
        writer.close(has_failed=True)
        raise
    writer.close(has_failed=False)


class PieceWriter:
    """The only writer of one span of one blob (the BlobWriter of `blobs`)."""

    def __init__(self, backing: Backing, key: str, fence: Fence, *, is_new: bool) -> None:
        self._backing = backing
        self._key = key
        self._fence = fence
        self._is_new = is_new
        self._base = Base(backing, key, is_new=is_new)
        self._out = self._new_outgoing()
        self._settled = fence.span.start
        self._shares = Shares(backing.rows)
        self._sealed: int | None = None
        self._is_one_object = self._is_published = False
        self._left: list[OutgoingPiece] = []
        self._freed: set[str] = set()

    def _new_outgoing(self) -> Outgoing:
        new_name = partial(self._backing.layout.new_piece_name, self._key)
        size = self._backing.piece_bytes
        return Outgoing(self._backing.objects, new_name, piece_bytes=size, before_sending=self._base.find_end)

    @property
    def length(self) -> int:
        """Where the blob ends."""
        own = [*(piece.as_row for piece in list(self._out.pieces)), *self._shares.pieces]
        return max([*(piece.span.stop for piece in own), self._backing.find_length(self._key) or 0])

    @property
    def settled(self) -> int:
        """Up to where everything from the start of the span is acknowledged by the store."""
        for piece in list(self._out.pieces):
            if piece.is_stored and piece.start <= self._settled < piece.span.stop:
                self._settled = piece.span.stop
        return self._settled

    def make_room(self, size: int) -> None:
        """Return when `write` can take `size` bytes without waiting. Raises StorageFull, StoreUnavailable."""
        self._out.make_room(size)

    def write(self, offset: int, blocks: Sequence[bytes | memoryview]) -> None:
        """Take the blocks, one after the other from `offset` on. Raises StorageFull, StoreUnavailable."""
        self._out.write(offset, blocks)

    def write_direct(self, offset: int, data: memoryview) -> None:
        """The same as `write`: no store keeps anything in our memory."""
        self._out.write(offset, [data])

    def read(self, span: Span, *, is_checked: bool = False) -> bytes:
        """The bytes of the span, shorter where the blob ends. Raises ReadFailed, StoreUnavailable."""
        stop = max(span.start, min(span.stop, self.length))
        fetch = self._backing.read_checked if is_checked else self._backing.read
        return read_over(Span(span.start, stop), self._layers(span, fetch))

    def _layers(self, span: Span, fetch: Callable[[Piece], bytes]) -> Iterator[Layer]:
        """What there is, the latest first: what was written here, what is shared, what counts."""
        for piece in reversed(list(self._out.pieces)):
            yield piece.as_row, partial(piece.read, fetch=fetch)
        yield from ((share, fetch) for share in reversed(self._shares.pieces))
        with suppress(BlobMissing):
            for stored in self._backing.find(self._key, span):
                yield stored, fetch

    def copy(self, source: Key, span: Span, *, to: int) -> None:
        """Let a span of another blob be at `to` too. Raises BlobMissing, StorageFull, ReadFailed.

        Pieces are shared, and must still be there at `record`; what is one object is read and written.
        """
        name = self._backing.layout.key_of(source)
        own_name = self._backing.layout.own_name(name)
        found = self._backing.find(name, span)
        if not is_gapless(found, span):
            raise ReadFailed
        for piece in found:
            start = to + piece.span.start - span.start
            if piece.object == own_name:
                self._copy_bytes(piece, start)
            else:
                self._shares.add(name, piece, to=start)

    def _copy_bytes(self, piece: Piece, to: int) -> None:
        size = self._backing.piece_bytes
        for start in range(piece.span.start, piece.span.stop, size):
            part = piece.part(Span(start, min(start + size, piece.span.stop)))
            data = self._backing.read_checked(part)
            if len(data) != part.span.size:
                raise ReadFailed
            self.make_room(len(data))
            self.write(to + start - piece.span.start, [data])

    def cut(self) -> None:
        """Cut the blob off where the span starts. Raises ClaimLost."""
        start = self._fence.span.start
        self._out.abandon()
        self._left += self._out.pieces
        self._out = self._new_outgoing()
        self._shares.clear()
        self._settled, self._sealed, self._is_one_object, self._is_new = start, None, False, False
        self._base.forget()  # what is recorded by now is to be seen
        if (self._base.find_end() or 0) > start:
            with self._backing.database.write_rows() as rows:
                self._fence.check(rows)
                self._base.record(rows)
                freed = self._backing.rows.cut(rows, self._key, start)
            self._backing.discards.remove(freed)
            self._base.forget()

    def sync(self) -> None:
        """Return when the store has acknowledged everything. Raises StorageFull, StoreUnavailable."""
        self._out.flush()

    def seal(self, length: int, *, flush: bool) -> None:  # noqa: ARG002 - it is always flushed
        """These are all the bytes: leave out what is behind `length`. Raises StorageFull, StoreUnavailable."""
        self._out.check()
        self._sealed = length
        if self._fits_one_object(length) and self._put_as_one(length):
            return
        self._base.find_end()
        self._left += self._out.cut(length)
        self._shares.cut(length)

    def _fits_one_object(self, length: int) -> bool:
        """Whether all the bytes are in the buffer, and may be put at the blob's own name."""
        holds_wholes = self._backing.layout.room_holds_wholes and not self._is_one_object
        if self._fence.span.start or self._shares.pieces or not holds_wholes:
            return False
        filling = self._out.filling
        if filling is None:
            return length == 0 and not self._out.pieces
        return self._out.pieces == [filling] and filling.start == 0 and length <= filling.size

    def _put_as_one(self, length: int) -> bool:
        """Put the blob at its own name. False where something is there: a row must say what counts then.

        Of two who do this for one blob, one after the other, the bytes of neither must replace the other's: so the
        store is asked to take them only where there is nothing. Whatever comes late comes to nothing.
        """
        piece, own_name = self._out.take_filling(), self._backing.layout.own_name(self._key)
        blocks = [piece.view()[:length]] if piece is not None and length else []
        try:
            self._is_one_object = self._backing.objects.put(own_name, blocks, only_new=True)
        finally:
            if piece is not None and not self._is_one_object:
                self._out.put_back(piece)
        if self._is_one_object:
            self._base.become_whole(length)
            self._settled = length
        return self._is_one_object

    def record(self, rows: Executor) -> None:
        """Write down where the bytes are that are stored, once in a transaction. Raises ClaimLost, BlobMissing."""
        self._fence.check(rows)
        if not self._is_published:
            self._record(rows)

    def _record(self, rows: Executor) -> None:
        if self._is_one_object and not self._out.pieces:
            if not self._is_new:
                self._freed |= self._backing.rows.remove(rows, self._key)
            return
        self._drop_recorded(rows)
        ready = self._ready()
        pieces = flat([*self._shares.held(rows), *(piece.as_row for piece in ready)])
        self._hand_over(ready, {each.object for each in pieces})
        if pieces:
            self._base.record(rows)
            self._freed |= self._backing.rows.add(rows, self._key, pieces)
        if self._sealed is not None:
            self._record_seal(rows, self._sealed)

    def _drop_recorded(self, rows: Executor) -> None:
        """Forget the pieces that an earlier transaction has written down: it may have been undone, so look."""
        handed_over = [piece for piece in list(self._out.pieces) if piece.was_handed_over]
        if not handed_over:
            return
        span = hull(piece.span for piece in handed_over)
        found = {each.object for each in self._backing.rows.find(rows, self._key, span)}
        for piece in handed_over:
            if piece.name in found:
                self._out.pieces.remove(piece)

    def _ready(self) -> list[OutgoingPiece]:
        """What may be written down: everything, once all is stored; else what has no gap before it."""
        is_all_stored, settled = self._out.is_all_stored, self.settled
        return [
            piece
            for piece in list(self._out.pieces)
            if piece.is_stored and piece.size and (is_all_stored or piece.span.stop <= settled)
        ]

    def _hand_over(self, ready: Sequence[OutgoingPiece], seen: set[str]) -> None:
        """Write down those that are seen, and never one that later ones hide: alone it would hide them."""
        for piece in ready:
            if piece.name in seen:
                piece.was_handed_over = True
            else:
                self._out.pieces.remove(piece)
                self._left.append(piece)

    def _record_seal(self, rows: Executor, length: int) -> None:
        if self._backing.rows.find_end(rows, self._key) is None and not self._base.is_cut_by(length):
            return  # it is one object
        self._base.record(rows)
        self._freed |= self._backing.rows.cut(rows, self._key, length)
        self._backing.rows.note_scattered(rows, self._key, length)

    def publish(self, key: Key) -> None:
        """Give these bytes another key, in place of what has it. Raises BlobMissing where they are another one's."""
        target = self._backing.layout.key_of(key)
        self.sync()
        self._is_published = True  # from here on others who record what is stored have nothing to say
        try:
            with self._backing.database.write_rows(durable=True) as rows:
                self._fence.check(rows)
                self._record(rows)
                freed = self._move(rows, target)
        except BaseException as error:
            self._is_published = False
            if isinstance(error, ClaimLost):
                raise BlobMissing from error
            raise
        self._backing.discards.remove(freed)
        self._out.pieces.clear()
        self._shares.clear()

    def _move(self, rows: Executor, target: str) -> set[str]:
        length = self._backing.rows.find_end(rows, self._key)
        if length is None:
            raise BlobMissing
        freed = self._backing.rows.move(rows, self._key, target)
        self._backing.rows.note_scattered(rows, target, length)
        return freed

    def is_wanted(self) -> bool:
        """Whether somebody else waits for a part of this span, or has come after who took it over."""
        return self._fence.is_wanted()

    def is_there(self) -> bool:
        """Whether there was such a blob before. Raises StoreUnavailable."""
        return self._base.find_end() is not None

    def close(self, *, has_failed: bool) -> None:
        """Remove what no row came to name, or note it where that cannot be known yet."""
        self._out.abandon()
        lost, in_doubt = [], []
        for piece in [*self._left, *self._out.pieces]:
            if piece.has_failed or (piece.was_handed_over and has_failed):
                in_doubt.append(piece.name)
            elif not piece.was_handed_over:
                lost.append(piece.name)
        try:
            self._backing.discards.note(in_doubt, due_at=datetime.now(UTC) + IN_DOUBT)
            self._backing.discards.note(lost)
        except TransferError as error:
            log_error(error)  # cleanup finds them where they are
            return
        self._backing.discards.remove([*lost, *(() if has_failed else self._freed)])
