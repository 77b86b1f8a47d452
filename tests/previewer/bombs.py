"""Files that want something else than to be shown, made by hand."""

import struct
import zlib

from tests.previewer.samples import film, picture

PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))


def png(
    width: int, height: int, *, bits: int = 1, colours: int = 0, extra: bytes = b"", rows: int | None = None
) -> bytes:
    """A PNG of zeros in every byte, whatever its size says: as many rows as there are, or fewer."""
    channels = {0: 1, 2: 3, 6: 4}[colours]
    row = bytes(1 + (width * bits * channels + 7) // 8)
    packer = zlib.compressobj(9)
    packed = [packer.compress(row) for _ in range(height if rows is None else rows)] + [packer.flush()]
    header = chunk(b"IHDR", struct.pack("!IIBBBBB", width, height, bits, colours, 0, 0, 0))
    return PNG + header + extra + chunk(b"IDAT", b"".join(packed)) + chunk(b"IEND", b"")


def gif(width: int, height: int, frames: int = 1) -> bytes:
    """A GIF of one pixel in each of many frames, on a ground of any size."""
    header = b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0\0\0\0\xff\xff\xff"
    frame = b",\0\0\0\0" + struct.pack("<HH", 1, 1) + b"\0\2\2L\1\0"
    return header + frame * frames + b";"


def tiff(*entries: tuple[int, int, int, int], next_directory: int = 0) -> bytes:
    """A TIFF of one directory."""
    listed = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + listed + struct.pack("<I", next_directory) + bytes(64)


def plain_tiff(width: int, height: int, **more: int) -> bytes:
    """A TIFF that says it is of that size, and has one strip of 64 bytes."""
    fields = ((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1))
    return tiff(*fields, (273, 4, 1, 200), (278, 4, 1, height), (279, 4, 1, 64), **more)


def patched(data: bytes, place: bytes, offset: int, value: bytes) -> bytes:
    """The data with other bytes behind the first place of that name."""
    start = data.index(place) + len(place) + offset
    return data[:start] + value + data[start + len(value) :]


def resized_heic(width: int, height: int) -> bytes:
    """An HEIC whose box of sizes says another one."""
    return patched(picture("HEIF", 96, 72), b"ispe", 4, struct.pack("!II", width, height))


def box(kind: bytes, data: bytes) -> bytes:
    return struct.pack("!I", 8 + len(data)) + kind + data


def with_reference(path: str) -> bytes:
    """A QuickTime film whose frames are said to lie in another file, as an old Mac would say it (an alias)."""
    name = path.encode()
    record = bytes(10) + b"\x04Disk" + bytes(23) + bytes(12) + b"\x05video" + bytes(58) + bytes(16)
    record += struct.pack("!hh", 1, 1) + bytes(16) + struct.pack("!hh", 2, len(name)) + name + b"\0" * (len(name) % 2)
    record += struct.pack("!hh", -1, 0)
    entry = box(b"alis", struct.pack("!I", 0) + record)
    reference = box(b"dref", struct.pack("!II", 0, 1) + entry)
    return _replaced(film("mov"), [b"moov", b"trak", b"mdia", b"minf", b"dinf"], reference)


def _replaced(data: bytes, way: list[bytes], inner: bytes) -> bytes:
    """Boxes with what is in the one at the end of the way replaced, and all sizes right. Nothing lies behind them."""
    result, start = b"", 0
    while start < len(data):
        size = int.from_bytes(data[start : start + 4])
        kind, content = data[start + 4 : start + 8], data[start + 8 : start + size]
        if kind == way[0]:
            content = _replaced(content, way[1:], inner) if len(way) > 1 else inner
        result += box(kind, content)
        start += size
    return result
