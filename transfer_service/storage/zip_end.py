"""Where the directory of a zip archive is: the records behind it (APPNOTE.TXT sections 4.3.14 to 4.3.16)."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from transfer_service.storage.bodies import BlobReader

MAX_DIRECTORY_BYTES = 256 * 1024 * 1024
ENTRY_SIGNATURE = b"PK\x01\x02"

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_END_SIGNATURE = b"PK\x05\x06"
_MAX_COMMENT_BYTES = 65535


class NoZip(Exception):
    """The file is no zip archive, or its directory cannot be read."""


class DirectoryPlace(NamedTuple):
    """Where the directory begins, its size, and what every offset in it lacks: the bytes before the archive."""

    start: int
    size: int
    shift: int


def find_directory(archive: BlobReader) -> DirectoryPlace:
    """The directory that the last end record names. Raises NoZip, ReadFailed.

    The archive's comment, or what stands behind the archive, may hold the signature too. So the first record from
    behind counts that names a directory; one of an empty archive only where the file ends with it.
    """
    total = archive.size
    tail_start = max(total - _MAX_COMMENT_BYTES - _END.size, 0)
    tail = archive.read(tail_start, total - tail_start)
    for place in _end_records(tail):
        *_, size, offset, comment_size = _END.unpack_from(tail, place)
        found = _named(archive, tail_start + place, size=size, offset=offset)
        is_empty = found is not None and found.size == 0 and place + _END.size + comment_size == len(tail)
        if found is not None and (is_empty or _begins_there(archive, found)):
            return found
    raise NoZip


def _end_records(tail: bytes) -> Iterator[int]:
    """Where there may be one, from behind."""
    place = tail.rfind(_END_SIGNATURE)
    while place >= 0:
        if len(tail) - place >= _END.size:
            yield place
        place = tail.rfind(_END_SIGNATURE, 0, place)


def _named(archive: BlobReader, stop: int, *, size: int, offset: int) -> DirectoryPlace | None:
    """The directory that ends at `stop`, or before the records of zip64 there; None where it cannot."""
    locator = archive.read(max(stop - _LOCATOR64.size, 0), _LOCATOR64.size)
    if locator.startswith(b"PK\x06\x07"):
        # Right before its locator; else where that says, since the record may have an extensible part (4.3.14.2).
        for place in (stop - _LOCATOR64.size - _END64.size, _LOCATOR64.unpack(locator)[2]):
            end64 = archive.read(place, _END64.size) if 0 <= place < stop else b""
            if end64.startswith(b"PK\x06\x06") and len(end64) == _END64.size:
                *_, size, offset = _END64.unpack(end64)
                stop = place
                break
    if size > min(stop, MAX_DIRECTORY_BYTES):
        return None
    return DirectoryPlace(start=stop - size, size=size, shift=stop - size - offset)


def _begins_there(archive: BlobReader, place: DirectoryPlace) -> bool:
    return place.size > 0 and archive.read(place.start, len(ENTRY_SIGNATURE)) == ENTRY_SIGNATURE
