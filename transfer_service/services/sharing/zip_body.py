"""The bytes of an archive: what its layout says, and the bytes of its files straight from the store.

Any span begins at once. A file is opened when its turn comes; of a remote store the next ones are opened meanwhile, or
each small one would cost the time of a request. In memory are some blocks, whatever the archive's length.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from functools import partial
from typing import Protocol

from transfer_service.errors import BlobMissing, ReadFailed, TransferError
from transfer_service.services.steps import Aside
from transfer_service.storage.blobs import PIECE_BYTES
from transfer_service.storage.bodies import BlobReader, LocalPiece
from transfer_service.wire.ranges import Span
from transfer_service.wire.zip_layout import DataSpan

OPENED_AHEAD = 8
"""Files of a remote store that are opened before their turn: each has its first 256 KiB in memory then."""
SEGMENTS_A_ROUND, PAUSE_SECONDS = 200, 0.001
"""After so many parts all others have their turn. To sleep for no time at all would keep timers waiting."""


class Layout(Protocol):
    """What an archive is made of (`wire.zip_layout`, `wire.zip_sections`)."""

    @property
    def size(self) -> int:
        """How many bytes it has."""

    def segments(self, span: Span) -> Iterator[bytes | DataSpan]:
        """What a span consists of, in its order."""

    def source_of(self, segment: DataSpan) -> tuple[bytes, int]:
        """Who gives the bytes of the member of a segment, and how many it has."""


class ZipBody:
    """An archive that can be sent, whole or in spans (the Body of `storage.bodies`).

    What is deleted meanwhile ends it early: then ReadFailed is raised, and no other byte is ever in its place.
    """

    is_made = False

    def __init__(self, layout: Layout, open_source: Callable[[bytes], BlobReader], *, is_remote: bool) -> None:
        """`open_source` opens what gives the bytes of a member; it raises BlobMissing and ReadFailed."""
        self._layout = layout
        self._open_source = open_source
        self._is_remote = is_remote
        self.size = layout.size

    def local(self, _span: Span) -> None:
        """They are in many places."""

    def close(self) -> None:
        """What is open belongs to who reads, and is closed with that."""

    def blocks(self, span: Span) -> Iterator[bytes]:
        """The bytes of a span, in pieces. Raises ReadFailed."""
        with closing(self.pieces(span)) as pieces:
            for piece in pieces:
                if isinstance(piece, bytes):
                    yield piece
                else:
                    yield from piece.blocks()

    def pieces(self, span: Span) -> Generator[bytes | LocalPiece, None, None]:
        """The same, but for what the kernel can send by itself: of that where it is, while it is open."""
        # Who stops reading leaves nothing open or on its way.
        with closing(self._opened(span)) as opened, closing(self._each(opened)) as pieces:
            yield from _gathered(pieces)

    def _each(
        self, opened: Iterator[tuple[bytes | DataSpan, BlobReader | None]]
    ) -> Generator[bytes | LocalPiece, None, None]:
        for segment, reader in opened:
            if isinstance(segment, bytes) or reader is None:
                yield segment if isinstance(segment, bytes) else b""
                continue
            data = Span(segment.start, segment.stop)
            with closing(reader):
                if reader.size < self._layout.source_of(segment)[1]:
                    raise ReadFailed
                local = reader.local(data) if data.size > PIECE_BYTES else None
                if local is None:
                    yield from reader.blocks(data)
                else:
                    yield LocalPiece(local.descriptor, local.offset, data.size, partial(reader.blocks, data))

    def _opened(self, span: Span) -> Generator[tuple[bytes | DataSpan, BlobReader | None], None, None]:
        """The segments of a span, those of files with their reader, which the caller closes."""
        segments = self._layout.segments(span)
        if not self._is_remote:
            for number, segment in enumerate(segments, 1):
                yield segment, None if isinstance(segment, bytes) else self._open(segment)
                if number % SEGMENTS_A_ROUND == 0:  # thousands of small files fit into what is sent at once
                    time.sleep(PAUSE_SECONDS)
            return
        ahead: deque[tuple[bytes | DataSpan, Aside[BlobReader] | None]] = deque()
        try:
            for segment in segments:
                opening = None if isinstance(segment, bytes) else Aside(partial(self._open, segment))
                ahead.append((segment, opening))
                if len(ahead) > 2 * OPENED_AHEAD:  # each has a header before it
                    yield _next(ahead)
            while ahead:
                yield _next(ahead)
        finally:
            for _, opening in ahead:
                if opening is not None:
                    with suppress(TransferError):
                        opening.result().close()

    def _open(self, segment: DataSpan) -> BlobReader:
        try:
            return self._open_source(self._layout.source_of(segment)[0])
        except BlobMissing as error:  # too late to say so
            raise ReadFailed from error


def _next(
    ahead: deque[tuple[bytes | DataSpan, Aside[BlobReader] | None]],
) -> tuple[bytes | DataSpan, BlobReader | None]:
    segment, opening = ahead.popleft()
    return segment, None if opening is None else opening.result()


def _gathered(pieces: Iterator[bytes | LocalPiece]) -> Iterator[bytes | LocalPiece]:
    """The same pieces, small ones put together: each costs a packet."""
    loose = bytearray()
    for piece in pieces:
        if isinstance(piece, LocalPiece) or (len(piece) >= PIECE_BYTES and not loose):
            if loose:
                yield bytes(loose)
                loose.clear()
            yield piece
            continue
        loose += piece
        if len(loose) >= PIECE_BYTES:
            yield bytes(loose)
            loose.clear()
    if loose:
        yield bytes(loose)
