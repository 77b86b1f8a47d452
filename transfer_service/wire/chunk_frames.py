"""The binary frames that devices send: a small big-endian header, then the data (docs/device-chunks.md)."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from transfer_service.errors import InvalidRequest
from transfer_service.wire.ranges import Span


@dataclass(frozen=True, slots=True)
class ChunkHeader:
    """Where a chunk's data belongs, and the client's claim about the sum of its bytes."""

    span: Span
    checksum: int


@dataclass(frozen=True, slots=True)
class FrameFormat:
    """One kind of frame. The header holds start, inclusive end and checksum; the details are its error texts.

    The checksum is the sum of the data's bytes modulo 256. Where `takes_plain_sum`, the sum modulo 2^32 will do too,
    since clients read "checksum u32" so; one below 256 is the same in both readings.
    """

    header: struct.Struct
    too_short: str
    reversed_range: str
    wrong_length: str
    wrong_checksum: str
    takes_plain_sum: bool = False

    @property
    def header_bytes(self) -> int:
        """Length of the header in bytes."""
        return self.header.size

    def parse_header(self, data: bytes) -> ChunkHeader:
        """Read the header at the beginning of `data`. Raises InvalidRequest."""
        if len(data) < self.header_bytes:
            raise InvalidRequest(self.too_short)
        start, end, checksum = self.header.unpack_from(data)
        if end < start:
            raise InvalidRequest(self.reversed_range)
        return ChunkHeader(span=Span(start, end + 1), checksum=checksum)

    def verified_data(self, header: ChunkHeader, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass the data behind a header through, in blocks. Raises InvalidRequest where its length or sum is wrong.

        The sum is known at the end only: nothing that came out counts before the iterator has ended.
        """
        add = plain_sum if self.takes_plain_sum and header.checksum > 0xFF else byte_sum
        missing, total = header.span.size, 0
        for block in blocks:
            if len(block) > missing:
                raise InvalidRequest(self.wrong_length)
            missing -= len(block)
            total = add(block, total)
            yield block
        if missing:
            raise InvalidRequest(self.wrong_length)
        if total != header.checksum:
            raise InvalidRequest(self.wrong_checksum)

    def format(self, start: int, data: bytes) -> bytes:
        """A whole frame for non-empty `data` that belongs at `start`."""
        return self.header.pack(start, start + len(data) - 1, byte_sum(data)) + data


LONG_FRAME = FrameFormat(
    header=struct.Struct(">QQB"),
    too_short="Chunk data too small to contain valid header",
    reversed_range="Invalid byte range (end_byte < start_byte)",
    wrong_length="Chunk length does not match its header",
    wrong_checksum="Checksum validation failed",
)
"""17 bytes: u64 start, u64 inclusive end, u8 checksum (`/api/files/upload`)."""

SHORT_FRAME = FrameFormat(
    header=struct.Struct(">III"),
    too_short="Invalid chunk format",
    reversed_range="Invalid chunk format",
    wrong_length="Invalid chunk format",
    wrong_checksum="Checksum verification failed",
    takes_plain_sum=True,
)
"""12 bytes: u32 start, u32 inclusive end, u32 checksum (`/upload/{file_id}`)."""

_SHORT_BYTES = 1024


def byte_sum(data: bytes, initial: int = 0) -> int:
    """The sum of all bytes of `data`, added to `initial`, modulo 256."""
    return (initial + _sum(data, "uint8")) & 0xFF


def plain_sum(data: bytes, initial: int = 0) -> int:
    """The sum of all bytes of `data`, added to `initial`, modulo 2^32. Ten times slower than `byte_sum`."""
    return (initial + _sum(data, "uint32")) & 0xFFFFFFFF


def _sum(data: bytes, kind: str) -> int:
    if len(data) <= _SHORT_BYTES:
        return sum(data)
    import numpy as np  # loaded by the first chunk: it takes 11 MiB

    return int(np.frombuffer(data, dtype=np.uint8).sum(dtype=kind))
