"""Bytes that somebody counts before they are sent: what is sent of a link that only so many may have.

Where each byte counts only the service itself can send them, since nobody else tells how many it has sent.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from flask import current_app, request

from transfer_service.storage.bodies import Body, LocalBytes, LocalPiece
from transfer_service.wire.ranges import Span

KERNEL_BYTES = 512 * 1024


class Meter(Protocol):
    """Decides whether bytes are sent, and counts them."""

    @property
    def is_exact(self) -> bool:
        """Whether it has to hear how many were sent in the end."""

    def begin(self, size: int, *, is_range: bool) -> Callable[[int], None]:
        """So many bytes are going to be sent; what comes back is called once with how many were.

        Raises a TransferError where they must not be sent.
        """


def may_be_sent_elsewhere(meter: Meter | None) -> bool:
    """Whether nginx or a store may send what a meter counts."""
    return meter is None or not meter.is_exact


def begin(meter: Meter | None, spans: Sequence[Span] | None, length: int) -> Callable[[int], None] | None:
    """Tell a meter what is going to be sent: these spans, or all of the length."""
    if meter is None:
        return None
    size = length if spans is None else sum(span.size for span in spans)
    return meter.begin(size, is_range=spans is not None)


def metered(meter: Meter | None, body: Body, spans: Sequence[Span] | None, length: int) -> Body:
    """A body whose bytes are counted by a meter, as they are sent where it is exact."""
    if meter is None or (not meter.is_exact and _is_counted()):
        return body
    on_end = begin(meter, spans, length)
    return MeteredBody(body, on_end) if on_end is not None and meter.is_exact else body


def _is_counted() -> bool:
    """Whether it was counted when the body was handed over to nginx, which has not found it and asks again."""
    return current_app.config["ACCEL"] and "X-Accel-Retry" in request.headers


class MeteredBody:
    """A body that tells at its end how many bytes were taken from it.

    What is taken counts as sent, because some of it may have been when a connection breaks; so the kernel, which says
    nothing meanwhile, gets little at once.
    """

    def __init__(self, body: Body, on_end: Callable[[int], None]) -> None:
        self._body = body
        self._on_end: Callable[[int], None] | None = on_end
        self._sent_bytes = 0

    @property
    def size(self) -> int:
        """That of the body."""
        return self._body.size

    @property
    def is_made(self) -> bool:
        """That of the body."""
        return self._body.is_made

    def blocks(self, span: Span) -> Iterator[bytes]:
        """The bytes of a span."""
        for block in self._body.blocks(span):
            self._sent_bytes += len(block)
            yield block

    def pieces(self, span: Span) -> Iterator[bytes | LocalPiece]:
        """The same, with what the kernel can send in parts of at most KERNEL_BYTES."""
        for piece in self._pieces_of_body(span):
            for part in [piece] if isinstance(piece, bytes) else _parts_of(piece):
                self._sent_bytes += len(part) if isinstance(part, bytes) else part.size
                yield part

    def _pieces_of_body(self, span: Span) -> Iterator[bytes | LocalPiece]:
        pieces: Callable[[Span], Iterator[bytes | LocalPiece]] | None = getattr(self._body, "pieces", None)
        if pieces is not None:
            return pieces(span)
        local = self._body.local(span)
        if local is None:
            return iter(self._body.blocks(span))
        return iter([LocalPiece(local.descriptor, local.offset, span.size, partial(self._body.blocks, span))])

    def local(self, span: Span) -> LocalBytes | None:  # noqa: ARG002 - the Protocol's
        """Nowhere: all at once would be too much."""
        return None

    def close(self) -> None:
        """Close the body, and tell."""
        self._body.close()
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(self._sent_bytes)


def _parts_of(piece: LocalPiece) -> Iterator[LocalPiece]:
    for start in range(0, piece.size, KERNEL_BYTES):
        size = min(KERNEL_BYTES, piece.size - start)
        yield replace(piece, offset=piece.offset + start, size=size, blocks=partial(_read, piece, start, size))


def _read(piece: LocalPiece, start: int, size: int) -> Iterator[bytes]:
    yield os.pread(piece.descriptor, size, piece.offset + start)
