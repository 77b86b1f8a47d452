"""Bytes that can be read and sent: by the service, by the kernel, or by another server."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from transfer_service.wire.ranges import Span


@dataclass(frozen=True, slots=True)
class LocalBytes:
    """Where the kernel finds bytes on this machine: an open file that somebody else closes, and the first one there."""

    descriptor: int
    offset: int


@dataclass(frozen=True, slots=True)
class LocalPiece:
    """A part of a body that the kernel can send: of a file that is open until the next part is asked for.

    `blocks` gives the same bytes to who has no use for that.
    """

    descriptor: int
    offset: int
    size: int
    blocks: Callable[[], Iterator[bytes]]

    def fileno(self) -> int:
        """The descriptor."""
        return self.descriptor


class Body(Protocol):
    """Bytes that can be sent, whole or in spans.

    One whose bytes lie in many places also has `pieces(span)`: what `blocks` gives, and in place of blocks a
    `LocalPiece` where the kernel can send them.
    """

    @property
    def size(self) -> int:
        """How many there are. Raises ReadFailed."""

    @property
    def is_made(self) -> bool:
        """Whether they are made while they are sent, so that a span before the last one begins all over."""

    def blocks(self, span: Span) -> Iterator[bytes]:
        """The bytes of a span, in pieces. Raises ReadFailed, also where they end before it."""

    def local(self, span: Span) -> LocalBytes | None:
        """Optional: where the kernel can send the span from. None where it cannot."""

    def close(self) -> None:
        """Release everything."""


class BlobReader(Body, Protocol):
    """An open blob: what is deleted or replaced meanwhile is read to its end, or ReadFailed, and never mixed."""

    def read(self, start: int, size: int) -> bytes:
        """At most `size` bytes from `start` on, fewer only where the blob ends. Raises ReadFailed."""


class RemoteBytes(Protocol):
    """A whole blob as another server has it, which can give it to others. `etag` is as headers have it."""

    @property
    def etag(self) -> str:
        """What that server calls this version."""

    @property
    def modified_at(self) -> datetime:
        """Since when it has it, by its own clock, in whole seconds."""

    def sign(self, headers: Mapping[str, str]) -> str:
        """An address by which anybody gets it for some minutes, with these headers. Raises StoreUnavailable."""
