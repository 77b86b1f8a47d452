"""What is known of a file by its bytes: SHA-256, and the CRC-32 that a ZIP archive of it needs.

Both are computed while the bytes come in, one after the other for each block. With zlib-ng, which uses the processor's
carry-less multiplication, the second adds a twentieth to what the first costs; with zlib it is a third. ISA-L's is as
quick by itself, but leaves the processor's wide registers in use, which makes the SHA-256 after it a fifth slower.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from zlib_ng.zlib_ng import crc32

Blocks = Sequence[bytes | memoryview]


class FileDigest(NamedTuple):
    """SHA-256 in hexadecimal, and CRC-32 as ZIP archives have it (APPNOTE.TXT, section 4.4.7)."""

    sha256: str
    crc32: int


class FileHasher:
    """Both, of bytes that come one after the other. It is used like a hash of hashlib, on any thread."""

    __slots__ = ("_crc32", "_sha256")

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._crc32 = 0

    def update(self, data: bytes | memoryview, /) -> None:
        """Take the next bytes."""
        self._sha256.update(data)
        self._crc32 = crc32(data, self._crc32)

    def copy(self) -> "FileHasher":
        """Another one that has taken the same bytes."""
        other = FileHasher()
        other._sha256, other._crc32 = self._sha256.copy(), self._crc32
        return other

    def digest(self) -> FileDigest:
        """Of all that was taken."""
        return FileDigest(self._sha256.hexdigest(), self._crc32)


def digest_of(blocks: Blocks) -> FileDigest:
    """Of what is in memory."""
    hasher = FileHasher()
    for block in blocks:
        hasher.update(block)
    return hasher.digest()
