"""The binary frames in which devices send chunks, made and read; nothing here talks to anybody.

A frame is a header of big-endian integers, then the data: where the data begins, where it ends (inclusive), and the sum
of its bytes. docs/device-chunks.md has the doors that take them, docs/vectors.json examples with their bytes.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from transfer_service_client.errors import TransferError


class FrameError(TransferError):
    """Bytes that are no frame, or a chunk that no frame of this format can hold."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some bytes of a file and the offset of the first one."""

    start: int
    data: bytes

    @property
    def end(self) -> int:
        """The offset of the last byte, inclusive as in a frame."""
        return self.start + len(self.data) - 1

    def content_range(self, total: int | None) -> str:
        """The `Content-Range` (RFC 9110 section 14.4) to send with it. None: the file's length is not known yet."""
        return f"bytes {self.start}-{self.end}/{'*' if total is None else total}"


@dataclass(frozen=True, slots=True)
class FrameFormat:
    """One of the two formats: LONG or SHORT."""

    header: struct.Struct
    largest_end: int
    takes_plain_sum: bool

    @property
    def header_bytes(self) -> int:
        """Length of the header in bytes."""
        return self.header.size

    def format(self, chunk: Chunk) -> bytes:
        """The frame of a chunk. Raises FrameError for one without data, or past what the header can count."""
        if not chunk.data:
            raise FrameError("A frame holds at least one byte")
        if chunk.start < 0 or chunk.end > self.largest_end:
            raise FrameError(f"A frame of {self.header_bytes} bytes holds offsets from 0 to {self.largest_end}")
        return self.header.pack(chunk.start, chunk.end, sum(chunk.data) % 256) + chunk.data

    def parse(self, frame: bytes) -> Chunk:
        """The chunk in a frame. Raises FrameError where the service would refuse it."""
        if len(frame) < self.header_bytes:
            raise FrameError("The frame is shorter than its header")
        start, end, checksum = self.header.unpack_from(frame)
        chunk = Chunk(start, bytes(frame[self.header_bytes :]))
        if end < start:
            raise FrameError("The frame ends before it starts")
        if end != chunk.end:
            raise FrameError("The frame's length does not match its header")
        if checksum not in self._sums(chunk.data):
            raise FrameError("The frame's checksum does not match its data")
        return chunk

    def _sums(self, data: bytes) -> set[int]:
        total = sum(data)
        return {total % 256, total % 2**32} if self.takes_plain_sum else {total % 256}


LONG = FrameFormat(struct.Struct(">QQB"), largest_end=2**64 - 1, takes_plain_sum=False)
"""17 bytes and the data: u64 start, u64 end, u8 sum modulo 256. For `POST /api/files/upload`."""

SHORT = FrameFormat(struct.Struct(">III"), largest_end=2**32 - 1, takes_plain_sum=True)
"""12 bytes and the data: u32 start, u32 end, u32 sum modulo 256, or modulo 2^32. For `POST /upload/{file_id}`."""


def chunks_of(file: BinaryIO, *, start: int, chunk_bytes: int) -> Iterator[Chunk]:
    """What a file holds from `start` on, in chunks of `chunk_bytes` and a last one that may be shorter."""
    file.seek(start)
    while data := file.read(chunk_bytes):
        yield Chunk(start, data)
        start += len(data)
