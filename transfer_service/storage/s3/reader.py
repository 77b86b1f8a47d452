"""Readers of blobs in an object store (the BlobReader of `blobs`).

Where the bytes are is asked once, of the rows of pieces; a blob without any is one object. What is read of that is read
of that very object, by its ETag. Pieces never change, but they go when one object is made of all: then it is looked
again. A small file costs one request, a larger one a request for some mebibytes.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from transfer_service.errors import BlobMissing, ReadFailed, TransferError
from transfer_service.storage.blobs import PIECE_BYTES, WHOLE
from transfer_service.storage.s3.backing import Backing
from transfer_service.storage.s3.checked import get_checked, get_whole
from transfer_service.storage.s3.failures import ObjectChanged
from transfer_service.storage.s3.objects import ObjectFacts, Objects
from transfer_service.storage.s3.pieces import Piece
from transfer_service.wire.ranges import Span

FIRST_BYTES = 256 * 1024
"""What is read to find out what a blob is: most are not larger."""
MOST_BYTES = 8 * 1024 * 1024
"""What is read at once for somebody who takes it quickly; and so much is read ahead."""
QUICK_SECONDS = 0.5

Wait = Callable[[], bytes]


def open_reader(backing: Backing, key: str, *, is_checked: bool = False) -> "RemoteReader":
    """The blob as it is now. Raises BlobMissing, StoreUnavailable."""
    pieces = find_pieces(backing, key)
    if not pieces:
        try:
            first, whole = _look_at_whole(backing, key)
            source = _Source(backing, key, [], whole, is_checked=is_checked)
            return RemoteReader(source, b"" if is_checked else first)
        except BlobMissing:
            pieces = find_pieces(backing, key)  # it may have got its first one just now
            if not pieces:
                raise
    return RemoteReader(_Source(backing, key, pieces, None, is_checked=is_checked), b"")


def find_pieces(backing: Backing, key: str) -> list[Piece]:
    """The pieces of a blob in their order, none where it is one object, or missing."""
    with backing.database.read_rows() as rows:
        return backing.rows.find(rows, key, WHOLE)


def _look_at_whole(backing: Backing, key: str) -> tuple[bytes, ObjectFacts | None]:
    """The first bytes of the one object that a blob is, and its facts, None where it is empty. Raises BlobMissing."""
    return backing.objects.get_with_facts(backing.layout.own_name(key), 0, FIRST_BYTES)


class _Source:
    """Where the bytes of a blob are: in pieces, or in one object."""

    def __init__(
        self, backing: Backing, key: str, pieces: list[Piece], whole: ObjectFacts | None, *, is_checked: bool
    ) -> None:
        self._is_checked = is_checked
        self._backing = backing
        self._key = key
        self._pieces = pieces
        self._whole = whole
        self.size = _size_of(pieces, whole)

    def cut(self, span: Span, *, most: int) -> Span:
        """What is to be read for a span, at most `most` bytes from its start on: where it is to be checked, objects as
        they were written, since they have their checksums.
        """
        if not self._is_checked:
            return Span(span.start, min(span.start + most, self.size))
        size = self._backing.piece_bytes
        return Span(span.start // size * size, min(-(-span.stop // size) * size, self.size))

    def begin(self, span: Span) -> Wait:
        """Begin to read a span, all of which is there. What comes back waits, and must be called."""
        parts = [part for each in self._pieces if (part := each.within(span))] or [self._of_whole(span)]
        etag = self._whole.etag if self._whole and not self._pieces else None
        waits = [self._backing.objects.begin(self._getting(part, etag)) for part in parts]

        def wait() -> bytes:
            results = [_ended(each) for each in waits]  # all of them, whatever comes of the first
            with suppress(_Vanished):
                return _joined(span, parts, results)
            self._look_again()
            return self.begin(span)()

        return wait

    def _getting(self, part: Piece, etag: str | None) -> Callable[[Objects], bytes]:
        if self._is_checked:
            return partial(get_checked, piece=part, etag=etag)
        return partial(_get_whole_or_span if part in self._pieces else _get_span, part=part, etag=etag)

    def _of_whole(self, span: Span) -> Piece:
        if self._pieces:
            raise ReadFailed  # a hole in a blob is read by nobody
        return Piece(span, self._backing.layout.own_name(self._key), span.start)

    def _look_again(self) -> None:
        """Somebody has made one object of the pieces, unless the blob is gone. Raises ReadFailed."""
        # An archive may have made room for another one under its key.
        if not self._pieces or self._backing.layout.room.publishes:
            raise ReadFailed
        pieces = find_pieces(self._backing, self._key)
        if pieces == self._pieces:
            raise ReadFailed  # bytes are lost
        try:
            whole = None if pieces else _look_at_whole(self._backing, self._key)[1]
        except BlobMissing as error:
            raise ReadFailed from error
        if _size_of(pieces, whole) < self.size:
            raise ReadFailed
        self._pieces, self._whole = pieces, whole


def _size_of(pieces: list[Piece], whole: ObjectFacts | None) -> int:
    return pieces[-1].span.stop if pieces else whole.size if whole else 0


class _Vanished(Exception):
    """An object is not there any more."""


def _get_whole_or_span(objects: Objects, part: Piece, etag: str | None) -> bytes:
    whole = get_whole(objects, part, etag=etag)
    return _get_span(objects, part, etag) if whole is None else whole


def _get_span(objects: Objects, part: Piece, etag: str | None) -> bytes:
    return objects.get(part.object, part.offset, part.offset + part.span.size, etag=etag)


def _ended(wait: Wait) -> bytes | TransferError:
    try:
        return wait()
    except TransferError as error:
        return error


def _joined(span: Span, parts: list[Piece], results: list[bytes | TransferError]) -> bytes:
    """The bytes of the span. Raises ReadFailed, StoreUnavailable, _Vanished."""
    joined: list[bytes] = []
    position = span.start
    for part, result in zip(parts, results, strict=True):
        if isinstance(result, BlobMissing):
            raise _Vanished
        if isinstance(result, ObjectChanged):
            raise ReadFailed from result
        if isinstance(result, TransferError):
            raise result
        if len(result) != part.span.size:
            raise ReadFailed
        joined += [bytes(part.span.start - position), result]
        position = part.span.stop
    joined.append(bytes(span.stop - position))
    filled = [each for each in joined if each]
    return filled[0] if len(filled) == 1 else b"".join(filled)


class RemoteReader:
    """An open blob. What is deleted meanwhile cannot be read to its end: then it is ReadFailed."""

    is_made = False

    def __init__(self, source: _Source, first: bytes) -> None:
        self._source = source
        self._window = first
        self._window_start = 0

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return self._source.size

    def read(self, start: int, size: int) -> bytes:
        """At most `size` bytes from `start` on, fewer only where the blob ends. Raises ReadFailed, StoreUnavailable.

        More than that is read, and kept for the next call: more and more where each goes on where the last one ended.
        Unless it is checked, the piece that they are in.
        """
        stop = min(start + size, self.size)
        if start >= stop:
            return b""
        if not self._window_start <= start < self._window_stop or stop > self._window_stop:
            is_next = start == self._window_stop or self._window_start <= start < self._window_stop
            ahead = min(2 * len(self._window), MOST_BYTES) if is_next else 0
            wanted = self._source.cut(Span(start, stop), most=max(ahead, FIRST_BYTES, stop - start))
            self._window, self._window_start = b"", wanted.start  # not two of them in memory
            self._window = self._source.begin(wanted)()
        return self._window[start - self._window_start : stop - self._window_start]

    @property
    def _window_stop(self) -> int:
        return self._window_start + len(self._window)

    def blocks(self, span: Span) -> Iterator[bytes]:
        """The bytes of a span, in pieces, the next ones on their way meanwhile. Raises ReadFailed, StoreUnavailable."""
        if span.stop > self.size:
            raise ReadFailed
        position = span.start
        if self._window_start <= position < self._window_stop:
            ready = self._window[position - self._window_start : span.stop - self._window_start]
            position += len(ready)
        else:
            ready = b""
        size, wait = FIRST_BYTES, None
        try:
            while ready or position < span.stop:
                if position < span.stop:
                    step = self._source.cut(Span(position, position + 1), most=size)
                    step = Span(position, min(step.stop, span.stop))
                    wait, position = self._source.begin(step), step.stop
                began = time.monotonic()
                yield from _cut(ready)
                is_quick = time.monotonic() - began < QUICK_SECONDS
                size = min(size * 4, MOST_BYTES) if is_quick else FIRST_BYTES
                begun, wait = wait, None
                ready = begun() if begun else b""
        finally:
            if wait:
                _ended(wait)

    def local(self, _span: Span) -> None:
        """They are not on this machine."""

    def close(self) -> None:
        """Let go of what was read."""
        self._window = b""


def _cut(block: bytes) -> Iterator[bytes]:
    """What is sent at once: a slow client has its time for each."""
    for start in range(0, len(block), PIECE_BYTES):
        yield block[start : start + PIECE_BYTES]
