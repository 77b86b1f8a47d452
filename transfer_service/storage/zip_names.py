"""The names of members: how their bytes are to be read, and where they would lie below their folder."""

import re
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

UTF8_FLAG = 0x800

_UNICODE_PATH = 0x7075
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:")


def read_extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """The kind and the data of each field (APPNOTE.TXT section 4.5.1), up to the first that is cut off."""
    place = 0
    while place + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, place)
        yield kind, extra[place + 4 : place + 4 + size]
        place += 4 + size


class MemberPath(NamedTuple):
    """Where a member lies below its folder. `is_respelt`: its name is written otherwise, and only comes to that."""

    path: str
    is_respelt: bool


def path_of(name: bytes, *, flags: int, extra: bytes) -> MemberPath | None:
    """The path of a regular file that stays below its folder, None for every other name.

    Backslashes separate folders, because old packers for Windows wrote them so; needless dots and slashes are left out,
    as every unzipper does.
    """
    text = _decoded(name, flags=flags, extra=extra)
    path = "" if text is None else text.replace("\\", "/")
    if path.rpartition("/")[2] in {"", ".", ".."} or path.startswith("/") or _CONTROLS.search(path):
        return None
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in parts or _DRIVE.match(parts[0]):
        return None
    tidy = "/".join(parts)
    return MemberPath(tidy, is_respelt=tidy != text)


def _decoded(name: bytes, *, flags: int, extra: bytes) -> str | None:
    """The name in characters, None for bytes that are not what they say they are.

    Without the flag for UTF-8 (section 4.4.4) the Unicode path counts (section 4.6.9) that was written for this very
    name. Else it should be code page 437; but packers of Unix and macOS write UTF-8 and do not tell, and nobody's
    names in code page 437 happen to be UTF-8.
    """
    if flags & UTF8_FLAG:
        return _from_utf8(name)
    for kind, data in read_extra_fields(extra):
        if kind == _UNICODE_PATH and data[:5] == b"\x01" + struct.pack("<L", zlib.crc32(name)):
            return _from_utf8(data[5:])
    text = _from_utf8(name)
    return name.decode("cp437") if text is None else text


def _from_utf8(name: bytes) -> str | None:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return None
