"""The directory of a zip archive, read once and judged: which members there are, and which must not be sent.

The format is PKWARE's APPNOTE.TXT, section 4.3. Where archives are odd (something before them, zip64), this reads them
as Python's `zipfile` does, but lazily and within bounds: an archive comes from elsewhere, and its directory may lie.
"""

import hashlib
import stat
import struct
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from transfer_service.storage.bodies import BlobReader
from transfer_service.storage.zip_end import ENTRY_SIGNATURE, NoZip, find_directory
from transfer_service.storage.zip_members import LocalHeader, Method, find_header
from transfer_service.storage.zip_names import MemberPath, path_of, read_extra_fields

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Directory", "Flaw", "IndexedMember", "NoZip", "name_digest"]

MAX_ENTRIES = 1_000_000
DIGEST_BYTES = 16
READ_AHEAD_BYTES = 256 * 1024

_ENTRY = struct.Struct("<4s6H3L5H2L")
_IN_ZIP64 = 0xFFFFFFFF
_NEWEST_VERSION = 63  # section 4.4.3: of the format, ten times
_ENCRYPTED, _SIZES_FOLLOW, _PATCH = 0x2041, 0x8, 0x20
# A packer that reads a pipe or a socket writes down the mode of that.
_CONTENT_KINDS = frozenset({0, stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK})

# One row takes 56 bytes, so a million of them is no burden.
_ROW = struct.Struct("<16s4QLHBB")
_COLUMNS = {
    "names": ["high", "low", "start", "stop", "compressed", "length", "crc32", "method", "flaw", "respelt"],
    "formats": [">u8", ">u8", "<u8", "<u8", "<u8", "<u8", "<u4", "<u2", "u1", "u1"],
}


class Flaw(StrEnum):
    """Why a member must not be sent."""

    ENCRYPTED = "encrypted"
    UNSUPPORTED = "unsupported"
    DAMAGED = "damaged"
    OVERSIZED = "oversized"


_FLAWS: list[Flaw | None] = [None, *Flaw]
_DAMAGED = _FLAWS.index(Flaw.DAMAGED)


class IndexedMember(NamedTuple):
    """One member as the index keeps it."""

    name_digest: bytes
    header_offset: int
    compressed_bytes: int
    length: int
    crc32: int
    method: int
    flaw: Flaw | None


class _Entry(NamedTuple):
    """One entry of the directory. `header_offset` counts from the start of the file."""

    name: bytes
    flags: int
    method: int
    crc32: int
    compressed: int
    length: int
    file_mode: int
    header_offset: int
    extra: bytes


def name_digest(name: str) -> bytes:
    """What a member is found by."""
    return hashlib.sha256(name.encode()).digest()[:DIGEST_BYTES]


class Directory:
    """The members of an archive. Blocking; memory is some 200 bytes a member while it is read, 56 afterwards."""

    def __init__(self, archive: BlobReader, *, max_member_bytes: int) -> None:
        """Read and judge everything; `archive` stays open. Raises NoZip, ReadFailed."""
        rows = bytearray()
        start, size, shift = find_directory(archive)
        seen: set[int] = set()
        for entry in _entries(archive, start, size, shift):
            name = _safe_name(entry)
            if name is None:
                continue
            if entry.header_offset in seen:  # the first one is damaged by that too: they overlap
                rows += _damaged_row(name, entry.header_offset)
            else:
                seen.add(entry.header_offset)
                rows += _row(archive, entry, name, directory_start=start, max_member_bytes=max_member_bytes)
        self._rows = _judged_together(rows)

    def __len__(self) -> int:
        return len(self._rows)

    def batches(self, size: int) -> Iterator[list[IndexedMember]]:
        """All members, so many at a time."""
        for first in range(0, len(self._rows), size):
            yield [_member(row) for row in self._rows[first : first + size].tolist()]


def _member(row: Any) -> IndexedMember:
    high, low, start, _, compressed, length, crc32, method, flaw, _ = row
    digest = high.to_bytes(8, "big") + low.to_bytes(8, "big")
    return IndexedMember(digest, start, compressed, length, crc32, method, _FLAWS[flaw])


def _entries(archive: BlobReader, start: int, size: int, shift: int) -> Iterator[_Entry]:
    """Every entry of the directory. Raises NoZip, ReadFailed."""
    reader = _ReadAhead(archive, start)
    count, left = 0, size
    while left > 0:
        head = reader.read(_ENTRY.size)
        if len(head) < _ENTRY.size or not head.startswith(ENTRY_SIGNATURE) or count == MAX_ENTRIES:
            raise NoZip
        (_, _, needed, flags, method, _, _, crc32, compressed, length, name_size, extra_size, comment_size, _, _,
         attributes, offset) = _ENTRY.unpack(head)  # fmt: skip
        if needed & 0xFF > _NEWEST_VERSION:
            raise NoZip
        rest = reader.read(name_size + extra_size + comment_size)
        left -= len(head) + len(rest)
        if len(rest) < name_size + extra_size + comment_size or left < 0:
            raise NoZip
        sizes, extra = (length, compressed, offset), rest[name_size : name_size + extra_size]
        if _IN_ZIP64 in sizes:
            sizes = _with_zip64(sizes, extra)
        count += 1
        yield _Entry(
            rest[:name_size], flags, method, crc32, compressed=sizes[1], length=sizes[0],
            file_mode=attributes >> 16, header_offset=sizes[2] + shift, extra=extra,
        )  # fmt: skip


class _ReadAhead:
    """The bytes of an archive from a place on, read in large blocks."""

    def __init__(self, archive: BlobReader, start: int) -> None:
        self._archive = archive
        self._next = start
        self._block, self._position = b"", 0

    def read(self, size: int) -> bytes:
        """The next bytes, fewer only at the end."""
        if len(self._block) - self._position < size:
            more = self._archive.read(self._next, max(READ_AHEAD_BYTES, size))
            self._next += len(more)
            self._block, self._position = self._block[self._position :] + more, 0
        start, self._position = self._position, self._position + size
        return self._block[start : self._position]


def _with_zip64(values: tuple[int, ...], extra: bytes) -> Any:
    """The values, those that say so replaced by the next ones of the zip64 extra field (APPNOTE.TXT 4.5.3)."""
    numbers = _zip64_numbers(extra)
    return tuple(next(numbers, value) if value == _IN_ZIP64 else value for value in values)


def _zip64_numbers(extra: bytes) -> Iterator[int]:
    for kind, body in read_extra_fields(extra):
        if kind == 1:
            yield from (each for (each,) in struct.iter_unpack("<Q", body[: len(body) // 8 * 8]))
            return


def _safe_name(entry: _Entry) -> MemberPath | None:
    """The name of a regular file that stays below its folder, None for everything else."""
    if stat.S_IFMT(entry.file_mode) not in _CONTENT_KINDS:
        return None
    return path_of(entry.name, flags=entry.flags, extra=entry.extra)


def _row(archive: BlobReader, entry: _Entry, name: MemberPath, *, directory_start: int, max_member_bytes: int) -> bytes:
    start = entry.header_offset
    header = find_header(archive, start) if 0 <= start < directory_start else None
    stop = header.data_start + entry.compressed if header else 0
    flaw = _first_flaw(entry, max_member_bytes)
    if header is None or stop > directory_start:  # its numbers may be anything, and nobody will need them
        return _ROW.pack(name_digest(name.path), 0, 0, 0, 0, 0, 0, _FLAWS.index(flaw or Flaw.DAMAGED), name.is_respelt)
    if flaw is None and not _agree(entry, header):
        flaw = Flaw.DAMAGED
    length = min(entry.length, max_member_bytes + 1)
    return _ROW.pack(
        name_digest(name.path), start, stop, entry.compressed, length, entry.crc32, entry.method, _FLAWS.index(flaw),
        name.is_respelt,
    )  # fmt: skip


def _damaged_row(name: MemberPath, start: int) -> bytes:
    """An entry whose header need not be read: a million of them may name the same one."""
    is_place = 0 <= start < 2**63
    begins, ends = (start, start + 1) if is_place else (0, 0)
    return _ROW.pack(name_digest(name.path), begins, ends, 0, 0, 0, 0, _DAMAGED, name.is_respelt)


def _first_flaw(entry: _Entry, max_member_bytes: int) -> Flaw | None:
    if entry.flags & _ENCRYPTED:
        return Flaw.ENCRYPTED
    if entry.method not in set(Method) or entry.flags & _PATCH:
        return Flaw.UNSUPPORTED
    if entry.method == Method.STORED and entry.compressed != entry.length:
        return Flaw.DAMAGED
    return Flaw.OVERSIZED if entry.length > max_member_bytes else None


def _agree(entry: _Entry, header: LocalHeader) -> bool:
    """Whether the header before the data says the same as the directory: two readers must not see two archives."""
    if (header.name, header.method) != (entry.name, entry.method) or header.flags & _ENCRYPTED:
        return False
    sizes = (header.length, header.compressed)
    if _IN_ZIP64 in sizes:
        sizes = _with_zip64(sizes, header.extra)
    here, there = (header.crc32, *sizes), (entry.crc32, entry.length, entry.compressed)
    # Written as a stream, before they were known (section 4.4.4). Some packers say so in this header only.
    if header.flags & _SIZES_FOLLOW:
        return all(one in {0, _IN_ZIP64, other} for one, other in zip(here, there, strict=True))
    return here == there


def _judged_together(found_rows: bytes | bytearray) -> "np.ndarray[Any, Any]":
    """The rows, one for each name; two of one name are damaged, and so are those whose bytes overlap.

    A name that was written so is not disturbed by others that only come to the same path.
    """
    import numpy as np  # loaded by the first archive: it takes 11 MiB

    rows = np.frombuffer(found_rows, np.dtype(_COLUMNS))  # type: ignore[call-overload] # a dictionary is one way to say it
    rows = rows[np.argsort(rows["start"], kind="stable")]  # a copy, which can be written
    found = np.flatnonzero(rows["stop"])
    starts, stops = rows["start"][found], rows["stop"][found]
    overlapping = np.zeros(len(found), bool)
    overlapping[1:] |= starts[1:] < np.maximum.accumulate(stops)[:-1]
    overlapping[:-1] |= stops[:-1] > starts[1:]
    rows["flaw"][found[overlapping]] = _DAMAGED
    rows = rows[np.lexsort((rows["respelt"], rows["low"], rows["high"]))]
    same = np.zeros(len(rows), bool)
    same[1:] = (rows["high"][1:] == rows["high"][:-1]) & (rows["low"][1:] == rows["low"][:-1])
    rivals = same[1:] & (rows["respelt"][1:] == rows["respelt"][:-1])
    rows["flaw"][np.flatnonzero(rivals)] = _DAMAGED  # the first ones of a name, which are those that stay
    return rows[~same]
