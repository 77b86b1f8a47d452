"""A ZIP archive as a pure function of what lies in it: its length, its name for itself, and the bytes of any span.

The format is PKWARE's APPNOTE.TXT, version 6.3.10. Members are stored as they are (method 0, section 4.4.5), one after
the other, and what is told of them is known before: so each local header has CRC-32 and sizes, and there are no data
descriptors (4.3.9). ZIP64 is used exactly where a number does not fit: then every reader that can read such an archive
at all reads it, and all others are readable by everybody.

Nothing depends on the clock, the time zone, the machine or the order in which spans are asked for. `ETAG_LABEL` must
change with any change of the bytes that are made here.
"""

import hashlib
import struct
import sys
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Final, NamedTuple

from transfer_service.wire.ranges import Span

ETAG_LABEL: Final = b"zip 1\0"
SOURCE_BYTES: Final = 16
_NO_SOURCE: Final = bytes(SOURCE_BYTES)
_PACKED: Final = struct.Struct("<4sIQ")
_PACK_MARK: Final = b"zm1\0"

_LOCAL: Final = struct.Struct("<4s5H3L2H")  # section 4.3.7
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")  # section 4.3.12
_END64: Final = struct.Struct("<4sQ2H2L4Q")  # section 4.3.14
_LOCATOR64: Final = struct.Struct("<4sLQL")  # section 4.3.15
_END: Final = struct.Struct("<4s4H2LH")  # section 4.3.16
_MOST_16, _MOST_32 = 0xFFFF, 0xFFFFFFFF
_TIMES: Final = struct.Struct("<2HBl")
_TIMES_ID, _HAS_MODIFIED = 0x5455, 1  # section 4.5.1: what Info-ZIP calls the extended timestamp, in UTC
_MOST_TIME = 0x7FFFFFFF
_ZIP64_ID = 0x0001  # section 4.5.3
_UTF8 = 1 << 11  # section 4.4.4
_STORED_VERSION, _FOLDER_VERSION, _ZIP64_VERSION = 10, 20, 45  # section 4.4.3
_MADE_BY_UNIX = 3 << 8 | _ZIP64_VERSION  # section 4.4.2: so that the upper half of the attributes is a mode
_FILE_ATTRIBUTES, _FOLDER_ATTRIBUTES = 0o100644 << 16, 0o40755 << 16 | 0x10
_FIRST_DOS, _LAST_DOS = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)
_DIRECTORY_BYTES = 64 * 1024
"""So much of the central directory is made at once."""


class ZipMember(NamedTuple):
    """What lies in an archive: a file of `size` bytes, or a folder, whose path ends in `/`.

    `modified_at` is in whole unix seconds. `source` is who can give the bytes: 16 bytes that never mean other ones.
    """

    path: str
    size: int
    crc32: int
    modified_at: int
    source: bytes = _NO_SOURCE

    @property
    def is_folder(self) -> bool:
        """Whether it is one."""
        return self.path.endswith("/")


class ZipMembers:
    """The members of an archive in their order, kept in columns: ten thousand take half a megabyte and their names."""

    def __init__(self, members: Iterable[ZipMember]) -> None:
        self.sizes, self.crcs, self.times, self._stops = array("Q"), array("I"), array("q"), array("Q")
        names, sources, stop = bytearray(), bytearray(), 0
        for member in members:
            name = member.path.encode()
            if not 1 <= len(name) <= _MOST_16 or len(member.source) != SOURCE_BYTES:
                raise ValueError(member)
            stop += len(name)
            self.sizes.append(member.size)
            self.crcs.append(member.crc32)
            self.times.append(member.modified_at)
            self._stops.append(stop)
            names += name
            sources += member.source
        self._names, self._sources = bytes(names), bytes(sources)

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> ZipMember:
        if not 0 <= index < len(self):
            raise IndexError(index)
        path = self.name(index).decode()
        return ZipMember(path, self.sizes[index], self.crcs[index], self.times[index], self.source(index))

    def __iter__(self) -> Iterator[ZipMember]:
        return map(self.__getitem__, range(len(self)))

    def name(self, index: int) -> bytes:
        """The path of one."""
        return self._names[self._stops[index - 1] if index else 0 : self._stops[index]]

    def name_sizes(self) -> list[int]:
        """The bytes of each path."""
        stops = self._stops.tolist()
        return [stop - start for start, stop in zip([0, *stops], stops, strict=False)]

    def source(self, index: int) -> bytes:
        """Who gives the bytes of one."""
        return self._sources[index * SOURCE_BYTES : (index + 1) * SOURCE_BYTES]

    def sources(self) -> list[bytes]:
        """Who gives the bytes of all, without folders, each once."""
        all_of_them = self._sources
        found = dict.fromkeys([all_of_them[at : at + SOURCE_BYTES] for at in range(0, len(all_of_them), SOURCE_BYTES)])
        found.pop(_NO_SOURCE, None)
        return list(found)

    def pack(self) -> bytes:
        """All of it in one piece, the same on every machine, from which `unpack` makes it again."""
        columns = [self.sizes, self.times, self._stops, self.crcs]
        head = _PACKED.pack(_PACK_MARK, len(self), len(self._names))
        return b"".join([head, *map(_little_endian, columns), self._sources, self._names])

    @classmethod
    def unpack(cls, data: bytes) -> "ZipMembers":
        """What `pack` has made. Raises ValueError for anything else."""
        members = cls(())
        if len(data) < _PACKED.size:
            raise ValueError("too short")
        mark, count, name_bytes = _PACKED.unpack_from(data)
        columns = [members.sizes, members.times, members._stops, members.crcs]
        stops = list(accumulate([count * each.itemsize for each in columns], initial=_PACKED.size))
        names_at = stops[-1] + count * SOURCE_BYTES
        if mark != _PACK_MARK or len(data) != names_at + name_bytes:
            raise ValueError("not made by pack")
        for column, start, stop in zip(columns, stops, stops[1:], strict=False):
            column.frombytes(data[start:stop])
            if sys.byteorder == "big":
                column.byteswap()
        members._sources, members._names = data[stops[-1] : names_at], data[names_at:]
        return members


def _little_endian(column: "array[int]") -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()


class DataSpan(NamedTuple):
    """Bytes of a member: of the one with that number, those from `start` up to but not including `stop`."""

    member: int
    start: int
    stop: int


class ZipLayout:
    """Where everything of an archive is, or of a section of one, whose members begin at `start`."""

    def __init__(self, members: ZipMembers, *, start: int = 0) -> None:
        self.members = members
        names, sizes = members.name_sizes(), members.sizes.tolist()
        timed = [9 if 0 <= each <= _MOST_TIME else 0 for each in members.times]
        heads = [
            _LOCAL.size + name + times + (20 if size >= _MOST_32 else 0)
            for name, times, size in zip(names, timed, sizes, strict=True)
        ]
        self._heads = array("L", heads)
        wholes = map(int.__add__, heads, sizes)
        self._starts = array("Q", accumulate(wholes, initial=start))
        self.directory_start = self._starts[-1]
        entries = [
            _CENTRAL.size + name + times + _zip64_size(size, start)
            for name, times, size, start in zip(names, timed, sizes, self._starts, strict=False)
        ]
        self._entry_starts = array("Q", accumulate(entries, initial=self.directory_start))
        self.directory_size = self._entry_starts[-1] - self.directory_start
        self._end = end_of_archive(len(members), self.directory_start, self.directory_size)
        self.size = self._entry_starts[-1] + len(self._end)

    def etag(self) -> str:
        """A name for these bytes that no others have, in hexadecimal."""
        return hashlib.sha256(ETAG_LABEL + self.members.pack()).hexdigest()

    def segments(self, span: Span) -> Iterator[bytes | DataSpan]:
        """What a span consists of, in its order: bytes as they are, and bytes of members."""
        start, stop = span.start, min(span.stop, self.size)
        if start < min(stop, self.directory_start):
            yield from self.members_within(start, min(stop, self.directory_start))
            start = self.directory_start
        end = self._entry_starts[-1]
        if start < min(stop, end):
            yield from self.directory_within(start, min(stop, end))
            start = end
        if start < stop:
            yield self._end[start - end : stop - end]

    def source_of(self, segment: DataSpan) -> tuple[bytes, int]:
        """Who gives the bytes of the member of a segment, and how many it has."""
        return self.members.source(segment.member), self.members.sizes[segment.member]

    def members_within(self, start: int, stop: int) -> Iterator[bytes | DataSpan]:
        """The part of `segments` before the directory."""
        index = bisect_right(self._starts, start) - 1
        while start < stop:
            at, data_at = self._starts[index], self._starts[index] + self._heads[index]
            if start < data_at:
                yield self._local_header(index)[start - at : stop - at]
                start = data_at
            data_stop = min(stop, self._starts[index + 1])
            if start < data_stop:
                yield DataSpan(index, start - data_at, data_stop - data_at)
            index, start = index + 1, self._starts[index + 1]

    def directory_within(self, start: int, stop: int) -> Iterator[bytes]:
        """The part of `segments` that is the directory, which begins at `directory_start` here."""
        index = bisect_right(self._entry_starts, start) - 1
        while start < stop:
            at = self._entry_starts[index]
            after = bisect_left(self._entry_starts, min(at + _DIRECTORY_BYTES, stop))
            made = b"".join(map(self._entry, range(index, after)))
            yield made[start - at : stop - at]
            index, start = after, self._entry_starts[after]

    def _local_header(self, index: int) -> bytes:
        """Section 4.3.7. In the ZIP64 field of a local header both sizes must be there (4.5.3)."""
        members = self.members
        size, name = members.sizes[index], members.name(index)
        is_large = size >= _MOST_32
        told = _MOST_32 if is_large else size
        extra = (struct.pack("<2H2Q", _ZIP64_ID, 16, size, size) if is_large else b"") + self._times(index)
        version = _version(name, is_zip64=is_large)
        dos_time, dos_date = _dos_times(members.times[index])
        head = _LOCAL.pack(
            b"PK\x03\x04", version, _UTF8, 0, dos_time, dos_date, members.crcs[index], told, told, len(name), len(extra)
        )
        return head + name + extra

    def _entry(self, index: int) -> bytes:
        """Section 4.3.12. In its ZIP64 field is what does not fit into its own, in that order (4.5.3)."""
        members = self.members
        size, start, name = members.sizes[index], self._starts[index], members.name(index)
        large = [size, size] if size >= _MOST_32 else []
        large += [start] if start >= _MOST_32 else []
        extra = struct.pack(f"<2H{len(large)}Q", _ZIP64_ID, 8 * len(large), *large) if large else b""
        extra += self._times(index)
        told = min(size, _MOST_32)
        version = _version(name, is_zip64=bool(large))
        dos_time, dos_date = _dos_times(members.times[index])
        attributes = _FOLDER_ATTRIBUTES if name.endswith(b"/") else _FILE_ATTRIBUTES
        head = _CENTRAL.pack(
            b"PK\x01\x02", _MADE_BY_UNIX, version, _UTF8, 0, dos_time, dos_date, members.crcs[index], told, told,
            len(name), len(extra), 0, 0, 0, attributes, min(start, _MOST_32),
        )  # fmt: skip
        return head + name + extra

    def _times(self, index: int) -> bytes:
        at = self.members.times[index]
        return _TIMES.pack(_TIMES_ID, 5, _HAS_MODIFIED, at) if 0 <= at <= _MOST_TIME else b""


def end_of_archive(count: int, start: int, size: int) -> bytes:
    """What stands behind a directory of `count` entries and `size` bytes that begins at `start`.

    Sections 4.3.14 to 4.3.16: what does not fit into the end record is in the ZIP64 one before it.
    """
    few, short, near = min(count, _MOST_16), min(size, _MOST_32), min(start, _MOST_32)
    end = _END.pack(b"PK\x05\x06", 0, 0, few, few, short, near, 0)
    if count < _MOST_16 and size < _MOST_32 and start < _MOST_32:
        return end
    end64 = _END64.pack(b"PK\x06\x06", _END64.size - 12, _MADE_BY_UNIX, _ZIP64_VERSION, 0, 0, count, count, size, start)
    return end64 + _LOCATOR64.pack(b"PK\x06\x07", 0, start + size, 1) + end


def _zip64_size(size: int, start: int) -> int:
    """The bytes of the ZIP64 field of an entry of the central directory."""
    numbers = (2 if size >= _MOST_32 else 0) + (1 if start >= _MOST_32 else 0)
    return 4 + 8 * numbers if numbers else 0


def _version(name: bytes, *, is_zip64: bool) -> int:
    if is_zip64:
        return _ZIP64_VERSION
    return _FOLDER_VERSION if name.endswith(b"/") else _STORED_VERSION


@lru_cache(1024)
def _dos_times(at: int) -> tuple[int, int]:
    """Time and date as MS-DOS has them (section 4.4.6), in UTC, in steps of two seconds, of the years it knows."""
    moment = time.gmtime(min(max(at, 0), 1 << 33))[:6]
    year, month, day, hour, minute, second = min(max(moment, _FIRST_DOS), _LAST_DOS)
    return hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day
