"""The bytes of one member, read from its archive: local headers, and compressed data inflated on its way.

The format is PKWARE's APPNOTE.TXT, sections 4.3.7 and 4.4; deflate is RFC 1951.
"""

import bz2
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import NamedTuple, Protocol

from transfer_service.errors import MemberUnreadable, ReadFailed
from transfer_service.storage.bodies import BlobReader, LocalBytes
from transfer_service.threads import Offload
from transfer_service.wire.ranges import Span

PIECE_BYTES = 512 * 1024
"""So much is inflated in one hop off the event loop, and kept in memory."""

_HEADER = struct.Struct("<4s5H3L2H")
_SIGNATURE = b"PK\x03\x04"
_RAW_DEFLATE = -15
_READ_BYTES = 128 * 1024
_AHEAD_BYTES = 1024 * 1024
"""More than a piece is ever made of, also by bzip2, which has blocks of 900 kB."""
NO_MATCH = "This member of the archive is not what the archive says"


class Method(IntEnum):
    """The compression methods that can be read."""

    STORED = 0
    DEFLATED = 8
    BZIP2 = 12


@dataclass(frozen=True, slots=True)
class MemberPlace:
    """Where a member's local header is, and what the archive says of its data."""

    header_offset: int
    compressed_bytes: int
    length: int
    crc32: int
    method: int


MAX_EXTRA_BYTES = 1024


class LocalHeader(NamedTuple):
    """What stands before a member's data, sizes as they are written, and where the data begins.

    `extra` has at most MAX_EXTRA_BYTES: it is read for every member, and may be long without need.
    """

    flags: int
    method: int
    crc32: int
    compressed: int
    length: int
    name: bytes
    extra: bytes
    data_start: int


def find_header(archive: BlobReader, offset: int) -> LocalHeader | None:
    """The local header at an offset, None where there is none or the archive ends in it. Raises ReadFailed."""
    head = archive.read(offset, _HEADER.size)
    if len(head) < _HEADER.size or not head.startswith(_SIGNATURE):
        return None
    _, _, flags, method, _, _, crc32, compressed, length, name_size, extra_size = _HEADER.unpack(head)
    tail_size = name_size + min(extra_size, MAX_EXTRA_BYTES)
    tail = archive.read(offset + _HEADER.size, tail_size) if tail_size else b""
    if len(tail) < tail_size:
        return None
    start = offset + _HEADER.size + name_size + extra_size
    return LocalHeader(flags, method, crc32, compressed, length, tail[:name_size], tail[name_size:], start)


def find_data(archive: BlobReader, place: MemberPlace) -> int:
    """Where the member's data begins. Raises ReadFailed where the archive is not the one that was indexed."""
    header = find_header(archive, place.header_offset)
    if header is None:
        raise ReadFailed
    return header.data_start


class _Inflater(Protocol):
    """What `bz2.BZ2Decompressor` is."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out of what was put in."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Put data in, and take so much out. Raises zlib.error, OSError."""


class _Deflated:
    """The same for raw deflate."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(_RAW_DEFLATE)

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflater.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inflater.decompress(self._inflater.unconsumed_tail + data, max_length)


_INFLATERS: dict[int, Callable[[], _Inflater]] = {Method.DEFLATED: _Deflated, Method.BZIP2: bz2.BZ2Decompressor}


class InflatedMember:
    """The inflated data of a compressed member, for spans in any order: forward it skips, backward it begins again.

    It owns the `archive`. Raises ReadFailed where the data is not what that says.
    """

    is_made = True

    def __init__(self, archive: BlobReader, place: MemberPlace, offload: Offload) -> None:
        self._archive = archive
        self._place = place
        self._offload = offload
        self._start = find_data(archive, place)
        self._is_far = archive.local(Span(0, 0)) is None
        self.size = place.length
        self._begin()

    def local(self, _span: Span) -> LocalBytes | None:
        """They lie nowhere."""
        return None

    def _begin(self) -> None:
        self._inflater = _INFLATERS[self._place.method]()
        self._consumed = 0
        self._piece, self._piece_start = b"", 0

    def blocks(self, span: Span) -> Iterator[bytes]:
        """The bytes of a span, in pieces."""
        if span.start < self._piece_start:
            self._begin()
        position = span.start
        while position < span.stop:
            piece_stop = self._piece_start + len(self._piece)
            if position < piece_stop:
                block = self._piece[position - self._piece_start : span.stop - self._piece_start]
                position += len(block)
                yield block
                continue
            self._fetch()
            piece = self._offload(self._inflate)
            if not piece:
                raise ReadFailed
            self._piece, self._piece_start = piece, piece_stop

    def check(self) -> None:
        """Inflate everything once, never past the length. Raises MemberUnreadable where length or CRC-32 is a lie."""
        self._begin()
        self._length = self._crc32 = 0
        try:
            self._fetch()
            while self._offload(self._check_piece):
                self._fetch()
        except ReadFailed as error:
            raise MemberUnreadable(NO_MATCH) from error
        is_at_end = self._inflater.eof or self._place.compressed_bytes == 0
        if (self._length, self._crc32, is_at_end) != (self._place.length, self._place.crc32, True):
            raise MemberUnreadable(NO_MATCH)
        # Bytes behind the end of the stream are nobody's: unzippers pass over them, and so does this.
        self._begin()

    def _fetch(self) -> None:
        """Have what the next piece is made of in the reader's memory: a remote store is not waited for in the pool."""
        if self._is_far:
            left = self._place.compressed_bytes - self._consumed
            self._archive.read(self._start + self._consumed, min(_AHEAD_BYTES, left))

    def _check_piece(self) -> bool:
        """Go one piece on. Whether there may be more."""
        piece = self._inflate()
        self._length += len(piece)
        self._crc32 = zlib.crc32(piece, self._crc32)
        return bool(piece) and self._length <= self._place.length

    def _inflate(self) -> bytes:
        """The next piece, shorter only at the end and empty behind it. Raises ReadFailed."""
        made, size = [], 0
        while size < PIECE_BYTES and not self._inflater.eof:
            is_hungry = self._inflater.needs_input
            source = self._read() if is_hungry else b""
            try:
                data = self._inflater.decompress(source, PIECE_BYTES - size)
            except (zlib.error, OSError) as error:
                raise ReadFailed from error
            if is_hungry and not (data or source):
                break
            made.append(data)
            size += len(data)
        return b"".join(made)

    def _read(self) -> bytes:
        """The next compressed bytes, none at their end. Raises ReadFailed."""
        left = self._place.compressed_bytes - self._consumed
        data = self._archive.read(self._start + self._consumed, min(_READ_BYTES, left))
        if left and not data:
            raise ReadFailed
        self._consumed += len(data)
        return data

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()


class StoredMember:
    """The data of a member that is not compressed: a span of its archive, which it owns."""

    is_made = False

    def __init__(self, archive: BlobReader, place: MemberPlace, offload: Offload) -> None:
        self._archive = archive
        self._place = place
        self._offload = offload
        self._start = find_data(archive, place)

    @property
    def size(self) -> int:
        """How many bytes there are. Raises ReadFailed."""
        return min(self._place.length, self._archive.size - self._start)

    def blocks(self, span: Span) -> Iterator[bytes]:
        """The bytes of a span, in pieces. Raises ReadFailed."""
        return self._archive.blocks(self._shifted(span))

    def local(self, span: Span) -> LocalBytes | None:
        """Where the kernel can send the span from, if it can."""
        return self._archive.local(self._shifted(span))

    def _shifted(self, span: Span) -> Span:
        return Span(self._start + span.start, self._start + span.stop)

    def check(self) -> None:
        """Read everything once. Raises MemberUnreadable where the CRC-32 is a lie, ReadFailed."""
        crc32 = 0
        is_far = self._archive.local(Span(0, 0)) is None

        def read(offset: int) -> bytes:
            return self._archive.read(self._start + offset, min(PIECE_BYTES, self._place.length - offset))

        def add_block(offset: int, crc32: int, fetched: bytes | None) -> int:
            block = read(offset) if fetched is None else fetched
            if not block:
                raise ReadFailed
            return zlib.crc32(block, crc32)

        for offset in range(0, self._place.length, PIECE_BYTES):
            fetched = read(offset) if is_far else None  # a remote store is not waited for in the pool
            crc32 = self._offload(partial(add_block, offset, crc32, fetched))
        if crc32 != self._place.crc32:
            raise MemberUnreadable(NO_MATCH)

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()
