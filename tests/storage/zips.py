"""Zip archives made by hand, with every field in the hand of the test (APPNOTE.TXT section 4.3)."""

import bz2
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

ENCRYPTED, SIZES_FOLLOW, UTF8 = 0x1, 0x8, 0x800
STORED, DEFLATED, BZIP2 = 0, 8, 12
UNIX, DOS = 0x314, 0x14
"""Who made it, and by which version of the format."""
IN_ZIP64 = 0xFFFFFFFF


def deflate(data: bytes) -> bytes:
    """`data` as raw deflate."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush()


def unicode_path(name: bytes, path: str, *, version: int = 1, crc32: int | None = None) -> bytes:
    """The extra field of Info-ZIP that says what `name` is in Unicode."""
    body = struct.pack("<BL", version, zlib.crc32(name) if crc32 is None else crc32) + path.encode()
    return struct.pack("<HH", 0x7075, len(body)) + body


def descriptor(data: bytes, packed: bytes, *, signature: bytes = b"PK\x07\x08", form: str = "<3L") -> bytes:
    """What follows the data of a member that was written as a stream."""
    return signature + struct.pack(form, zlib.crc32(data), len(packed), len(data))


def zip64_extra(*numbers: int) -> bytes:
    """The extra field for numbers that need 64 bits."""
    return struct.pack("<HH", 1, 8 * len(numbers)) + struct.pack(f"<{len(numbers)}Q", *numbers)


@dataclass
class Part:
    """One member; `local` and `central` replace fields of that header, `offset` where the directory says it is.

    `behind` follows the compressed data and counts as its part, `descriptor` does not.
    """

    name: bytes
    data: bytes = b""
    method: int = STORED
    flags: int = 0
    mode: int = 0o100644
    local: dict[str, Any] = field(default_factory=dict)
    central: dict[str, Any] = field(default_factory=dict)
    offset: int | None = None
    descriptor: bytes = b""
    behind: bytes = b""
    made_by: int = UNIX

    @property
    def packed(self) -> bytes:
        """The data as it is in the archive."""
        return {DEFLATED: deflate, BZIP2: bz2.compress}.get(self.method, bytes)(self.data) + self.behind

    def fields(self, changes: dict[str, Any]) -> dict[str, Any]:
        """What a header says."""
        facts = {"name": self.name, "flags": self.flags, "method": self.method, "crc32": zlib.crc32(self.data)}
        return {**facts, "compressed": len(self.packed), "length": len(self.data), "extra": b"", **changes}

    def local_part(self) -> bytes:
        """Local header and data."""
        told = self.fields(self.local)
        sizes = (told["crc32"], told["compressed"], told["length"], len(told["name"]), len(told["extra"]))
        head = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, told["flags"], told["method"], 0, 0, *sizes)
        return head + bytes(told["name"] + told["extra"]) + self.packed + self.descriptor

    def entry(self, offset: int) -> bytes:
        """The entry of the directory."""
        told = self.fields(self.central)
        place = offset if self.offset is None else self.offset
        sizes = (told["crc32"], told["compressed"], told["length"], len(told["name"]), len(told["extra"]), 0)
        head = struct.pack("<4s6H3L3H", b"PK\x01\x02", self.made_by, 20, told["flags"], told["method"], 0, 0, *sizes)
        tail = struct.pack("<2H2L", 0, 0, self.mode << 16, place)
        return head + tail + bytes(told["name"] + told["extra"])


def make(parts: Sequence[Part], *, before: bytes = b"", **end: int) -> bytes:
    """The archive; `end` replaces fields of its last record: `count`, `size`, `offset`."""
    body, directory = bytearray(), bytearray()
    for part in parts:
        directory += part.entry(len(body))
        body += part.local_part()
    told = {"count": len(parts) & 0xFFFF, "size": len(directory), "offset": len(body), **end}
    last = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, told["count"], told["count"], told["size"], told["offset"], 0)
    return before + bytes(body + directory) + last
