"""The directory of a zip archive, read once and judged: which members there are, and which must not be sent.

The format is PKWARE's APPNOTE.TXT, section 4.3. Where archives are odd (something before them, zip64), this reads them
as Python's `zipfile` does, but lazily and within bounds: an archive comes from elsewhere, and its directory may lie.
"""

import hashlib
import io
import os
import re
import stat
import struct
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from transfer_service.storage.zip_members import LocalHeader, Method, find_header

MAX_DIRECTORY_BYTES = 256 * 1024 * 1024
MAX_ENTRIES = 1_000_000
DIGEST_BYTES = 16

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_MAX_COMMENT_BYTES = 65535
_IN_ZIP64 = 0xFFFFFFFF
_NEWEST_VERSION = 63  # section 4.4.3: of the format, ten times
_ENCRYPTED, _SIZES_FOLLOW, _PATCH, _UTF8 = 0x2041, 0x8, 0x20, 0x800
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]|\A(?:/|[A-Za-z]:)|(?:\A|/)\.{0,2}(?:/|\Z)")

# One row takes 55 bytes, so a million of them is no burden.
_ROW = struct.Struct("<16s4QLHB")
_COLUMNS = np.dtype(
    {
        "names": ["high", "low", "start", "stop", "compressed", "length", "crc32", "method", "flaw"],
        "formats": [">u8", ">u8", "<u8", "<u8", "<u8", "<u8", "<u4", "<u2", "u1"],
    }
)


class NoZip(Exception):
    """The file is no zip archive, or its directory cannot be read."""


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


def name_digest(name: str) -> bytes:
    """What a member is found by."""
    return hashlib.sha256(name.encode()).digest()[:DIGEST_BYTES]


class Directory:
    """The members of an archive. Blocking; memory is some 200 bytes a member while it is read, 55 afterwards."""

    def __init__(self, file: BinaryIO, *, max_member_bytes: int) -> None:
        """Read and judge everything; `file` stays open and its position changes. Raises NoZip, OSError."""
        rows = bytearray()
        with os.fdopen(os.dup(file.fileno()), "rb", buffering=0) as raw:
            start, size, shift = _find_directory(raw)
            seen: set[int] = set()
            for entry in _entries(raw, start, size, shift):
                name = _safe_name(entry)
                if name is None:
                    continue
                if entry.header_offset in seen:  # the first one is damaged by that too: they overlap
                    rows += _damaged_row(name, entry.header_offset)
                    continue
                seen.add(entry.header_offset)
                rows += _row(raw.fileno(), entry, name, directory_start=start, max_member_bytes=max_member_bytes)
        self._rows = _judged_together(np.frombuffer(rows, _COLUMNS))

    def __len__(self) -> int:
        return len(self._rows)

    def batches(self, size: int) -> Iterator[list[IndexedMember]]:
        """All members, so many at a time."""
        for first in range(0, len(self._rows), size):
            yield [_member(row) for row in self._rows[first : first + size].tolist()]


def _member(row: Any) -> IndexedMember:
    high, low, start, _, compressed, length, crc32, method, flaw = row
    digest = high.to_bytes(8, "big") + low.to_bytes(8, "big")
    return IndexedMember(digest, start, compressed, length, crc32, method, _FLAWS[flaw])


def _find_directory(raw: io.FileIO) -> tuple[int, int, int]:
    """Where the directory starts and its size, and what has to be added to every offset in it. Raises NoZip."""
    total = raw.seek(0, os.SEEK_END)
    tail_start = max(total - _MAX_COMMENT_BYTES - _END.size, 0)
    tail = os.pread(raw.fileno(), total - tail_start, tail_start)
    place = len(tail) - _END.size
    if place < 0 or tail[place : place + 4] != b"PK\x05\x06" or tail[-2:] != b"\0\0":
        place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < _END.size:
        raise NoZip
    *_, size, offset, _ = _END.unpack_from(tail, place)
    stop = tail_start + place
    locator = os.pread(raw.fileno(), _LOCATOR64.size, max(stop - _LOCATOR64.size, 0))
    if locator.startswith(b"PK\x06\x07"):
        place = stop - _LOCATOR64.size - _END64.size
        end64 = os.pread(raw.fileno(), _END64.size, place) if place >= 0 else b""
        if end64.startswith(b"PK\x06\x06"):
            *_, size, offset = _END64.unpack(end64)
            stop = place
    if size > min(stop, MAX_DIRECTORY_BYTES):
        raise NoZip
    return stop - size, size, stop - size - offset


def _entries(raw: io.FileIO, start: int, size: int, shift: int) -> Iterator[_Entry]:
    """Every entry of the directory. Raises NoZip."""
    raw.seek(start)
    reader = io.BufferedReader(raw, 256 * 1024)
    count, left = 0, size
    while left > 0:
        head = reader.read(_ENTRY.size)
        if len(head) < _ENTRY.size or not head.startswith(b"PK\x01\x02") or count == MAX_ENTRIES:
            raise NoZip
        (_, _, needed, flags, method, _, _, crc32, compressed, length, name_size, extra_size, comment_size, _, _,
         attributes, offset) = _ENTRY.unpack(head)  # fmt: skip
        if needed & 0xFF > _NEWEST_VERSION:
            raise NoZip
        rest = reader.read(name_size + extra_size + comment_size)
        left -= len(head) + len(rest)
        if len(rest) < name_size + extra_size + comment_size or left < 0:
            raise NoZip
        sizes = (length, compressed, offset)
        if _IN_ZIP64 in sizes:
            sizes = _with_zip64(sizes, rest[name_size : name_size + extra_size])
        count += 1
        yield _Entry(
            rest[:name_size], flags, method, crc32, compressed=sizes[1], length=sizes[0],
            file_mode=attributes >> 16, header_offset=sizes[2] + shift,
        )  # fmt: skip
    reader.detach()


def _with_zip64(values: tuple[int, ...], extra: bytes) -> Any:
    """The values, those that say so replaced by the next ones of the zip64 extra field (APPNOTE.TXT 4.5.3)."""
    numbers = _zip64_numbers(extra)
    return tuple(next(numbers, value) if value == _IN_ZIP64 else value for value in values)


def _zip64_numbers(extra: bytes) -> Iterator[int]:
    place = 0
    while place + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, place)
        if kind == 1:
            body = extra[place + 4 : place + 4 + size]
            yield from (each for (each,) in struct.iter_unpack("<Q", body[: len(body) // 8 * 8]))
            return
        place += 4 + size


def _safe_name(entry: _Entry) -> str | None:
    """The name of a regular file that stays below its folder, None for everything else."""
    if entry.file_mode and stat.S_IFMT(entry.file_mode) not in {0, stat.S_IFREG}:
        return None
    try:
        name = entry.name.decode("utf-8" if entry.flags & _UTF8 else "cp437")
    except UnicodeDecodeError:
        return None
    return None if _UNSAFE.search(name) else name


def _row(descriptor: int, entry: _Entry, name: str, *, directory_start: int, max_member_bytes: int) -> bytes:
    start = entry.header_offset
    header = find_header(descriptor, start) if 0 <= start < directory_start else None
    stop = header.data_start + entry.compressed if header else 0
    flaw = _first_flaw(entry, max_member_bytes)
    if header is None or stop > directory_start:  # its numbers may be anything, and nobody will need them
        return _ROW.pack(name_digest(name), 0, 0, 0, 0, 0, 0, _FLAWS.index(flaw or Flaw.DAMAGED))
    if flaw is None and not _agree(entry, header):
        flaw = Flaw.DAMAGED
    length = min(entry.length, max_member_bytes + 1)
    return _ROW.pack(
        name_digest(name), start, stop, entry.compressed, length, entry.crc32, entry.method, _FLAWS.index(flaw)
    )


def _damaged_row(name: str, start: int) -> bytes:
    """An entry whose header need not be read: a million of them may name the same one."""
    is_place = 0 <= start < 2**63
    begins, ends = (start, start + 1) if is_place else (0, 0)
    return _ROW.pack(name_digest(name), begins, ends, 0, 0, 0, 0, _DAMAGED)


def _first_flaw(entry: _Entry, max_member_bytes: int) -> Flaw | None:
    if entry.flags & _ENCRYPTED:
        return Flaw.ENCRYPTED
    if entry.method not in {Method.STORED, Method.DEFLATED} or entry.flags & _PATCH:
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
    if header.flags & entry.flags & _SIZES_FOLLOW:  # written as a stream, before they were known (section 4.4.4)
        return all(one in {0, _IN_ZIP64, other} for one, other in zip(here, there, strict=True))
    return here == there


def _judged_together(rows: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """The rows, one for each name; two of one name are damaged, and so are those whose bytes overlap."""
    rows = rows[np.argsort(rows["start"], kind="stable")]  # a copy, which can be written
    found = np.flatnonzero(rows["stop"])
    starts, stops = rows["start"][found], rows["stop"][found]
    overlapping = np.zeros(len(found), bool)
    overlapping[1:] |= starts[1:] < np.maximum.accumulate(stops)[:-1]
    overlapping[:-1] |= stops[:-1] > starts[1:]
    rows["flaw"][found[overlapping]] = _DAMAGED
    rows = rows[np.lexsort((rows["low"], rows["high"]))]
    same = np.zeros(len(rows), bool)
    same[1:] = (rows["high"][1:] == rows["high"][:-1]) & (rows["low"][1:] == rows["low"][:-1])
    rows["flaw"][np.flatnonzero(same)] = _DAMAGED
    rows["flaw"][np.flatnonzero(same[1:])] = _DAMAGED
    return rows[~same]
