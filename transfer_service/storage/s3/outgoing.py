"""The bytes of one writer on their way to an object store: one piece is filled while others are sent.

Pieces end at multiples of PIECE_BYTES of their blob, so that most of a blob is pieces that a larger object can be made
of within the store. A name is never used twice: what is stored under one never changes.
"""

import mmap
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transfer_service.errors import StorageFull, StoreUnavailable, TransferError
from transfer_service.storage.s3.objects import Objects
from transfer_service.storage.s3.pieces import Piece
from transfer_service.storage.windows import PRIVATE
from transfer_service.wire.ranges import Span

PIECE_BYTES = 8 * 1024 * 1024
MOST_SENT_AT_ONCE = 2
MOST_HELD_BYTES = 18 * 1024 * 1024
"""With the two windows of who receives them, and what it takes to send, an upload takes 24 MiB at most."""


@dataclass(eq=False, slots=True)
class OutgoingPiece:
    """A piece with its bytes in memory, until the store has acknowledged it. At `limit` it must end.

    It `was_handed_over` to a transaction that may write it down.
    """

    name: str
    start: int
    limit: int
    buffer: mmap.mmap | None
    size: int = 0
    is_stored: bool = False
    has_failed: bool = False
    was_handed_over: bool = False

    @property
    def span(self) -> Span:
        """Its place in the blob."""
        return Span(self.start, self.start + self.size)

    @property
    def as_row(self) -> Piece:
        """How it is written down."""
        return Piece(self.span, self.name)

    def view(self) -> memoryview:
        """Its bytes, while they are in memory."""
        return memoryview(self.buffer or b"")[: self.size]

    def read(self, part: Piece, *, fetch: Callable[[Piece], bytes]) -> bytes:
        """The bytes of a part of it: from memory, or by `fetch` where the store has them alone."""
        buffer = self.buffer  # which is let go of by whoever waits for the store
        if buffer is None or self.is_stored:
            return fetch(part)
        return bytes(memoryview(buffer)[part.offset : part.offset + part.span.size])

    def fill(self, data: memoryview) -> int:
        """Take as many bytes as fit, and tell how many."""
        count = min(len(data), self.limit - self.start - self.size)
        memoryview(self.buffer or b"")[self.size : self.size + count] = data[:count]
        self.size += count
        return count


class Outgoing:
    """The pieces of one writer that are not known to be written down, in the order in which they were begun.

    One thread at a time calls its methods, but `pieces` may be looked at while another one writes. A piece that was
    begun to be sent on the event loop is waited for there.
    """

    def __init__(
        self,
        objects: Objects,
        new_name: Callable[[], str],
        *,
        piece_bytes: int,
        before_sending: Callable[[], object],
    ) -> None:
        self.pieces: list[OutgoingPiece] = []
        self._objects = objects
        self._new_name = new_name
        self._piece_bytes = piece_bytes
        self._before_sending = before_sending
        self._filling: OutgoingPiece | None = None
        self._full: deque[OutgoingPiece] = deque()
        self._sent: deque[tuple[OutgoingPiece, Callable[[], object]]] = deque()
        self._failure: TransferError | None = None

    @property
    def is_all_stored(self) -> bool:
        """Whether everything that was written is acknowledged."""
        return self._filling is None and not self._full and not self._sent and self._failure is None

    @property
    def filling(self) -> OutgoingPiece | None:
        """The piece that is filled."""
        return self._filling

    def check(self) -> None:
        """Raises StoreUnavailable, StorageFull where something before could not be stored."""
        if isinstance(self._failure, StorageFull):
            raise StorageFull from self._failure
        if self._failure is not None:
            raise StoreUnavailable from self._failure

    def make_room(self, size: int) -> None:
        """Send what is full, and return when there is memory for `size` bytes. Raises like `check`."""
        self.check()
        self._send_full()
        while self._sent and self._held_bytes + size > MOST_HELD_BYTES:
            self._end_first()
        self.check()

    def write(self, offset: int, blocks: Sequence[bytes | memoryview]) -> None:
        """Take a copy of the blocks, which lie one after the other from `offset` on. Raises like `check`."""
        self.check()
        for block in blocks:
            data = memoryview(block)
            while data:
                piece = self._piece_at(offset)
                count = piece.fill(data)
                data, offset = data[count:], offset + count
                if offset == piece.limit:
                    self._close_filling()

    def flush(self) -> None:
        """Return when everything is stored. Raises like `check`."""
        self._close_filling()
        self._send_full()
        while self._sent:
            self._end_first()
        self.check()

    def abandon(self) -> None:
        """Return when nothing is on its way any more, whatever became of it."""
        for piece in (self._filling, *self._full):
            if piece is not None:
                piece.buffer, piece.has_failed = None, True
        self._filling = None
        self._full.clear()
        while self._sent:
            self._end_first()

    def take_filling(self) -> OutgoingPiece | None:
        """The piece that is filled, which whoever asks for it stores."""
        piece, self._filling = self._filling, None
        if piece is not None:
            self.pieces.remove(piece)
        return piece

    def put_back(self, piece: OutgoingPiece) -> None:
        """Send a piece after all."""
        self.pieces.append(piece)
        self._full.append(piece)

    def cut(self, length: int) -> list[OutgoingPiece]:
        """Leave out what lies behind `length`, once nothing is on its way. The pieces of which nothing is left."""
        self.flush()
        gone = [piece for piece in self.pieces if piece.start >= length]
        for piece in gone:
            self.pieces.remove(piece)
        for piece in self.pieces:
            piece.size = min(piece.size, length - piece.start)
        return gone

    def _piece_at(self, offset: int) -> OutgoingPiece:
        if self._filling is not None and self._filling.span.stop != offset:
            self._close_filling()
        if self._filling is None:
            limit = (offset // self._piece_bytes + 1) * self._piece_bytes
            memory = mmap.mmap(-1, self._piece_bytes, flags=PRIVATE)
            self._filling = OutgoingPiece(self._new_name(), offset, limit, memory)
            self.pieces.append(self._filling)
        return self._filling

    def _close_filling(self) -> None:
        """Let the piece be sent; at once and waited for, where nobody has made room for more."""
        piece, self._filling = self._filling, None
        if piece is None:
            return
        if self._held_bytes + piece.size > MOST_HELD_BYTES:
            self._finish(piece, self._begin(piece))
        else:
            self._full.append(piece)

    def _send_full(self) -> None:
        while self._full and len(self._sent) < MOST_SENT_AT_ONCE and self._failure is None:
            piece = self._full.popleft()
            self._sent.append((piece, self._begin(piece)))

    def _begin(self, piece: OutgoingPiece) -> Callable[[], object]:
        def store(objects: Objects) -> None:
            objects.put(piece.name, [piece.view()])
            piece.is_stored = True

        self._before_sending()
        return self._objects.begin(store)

    def _end_first(self) -> None:
        self._finish(*self._sent.popleft())
        self._send_full()

    def _finish(self, piece: OutgoingPiece, wait: Callable[[], object]) -> None:
        try:
            wait()
        except TransferError as error:
            self._failure = error
        finally:
            piece.buffer = None
            if not piece.is_stored:  # also where something else than the store has ended the wait
                piece.has_failed = True
                self._failure = self._failure or StoreUnavailable()
            if self._failure is not None:
                for other in self._full:
                    other.buffer, other.has_failed = None, True
                self._full.clear()

    @property
    def _held_bytes(self) -> int:
        on_its_way = [*self._full, *(piece for piece, _ in self._sent)]
        return sum(piece.size for piece in on_its_way) + (self._filling.size if self._filling else 0)
