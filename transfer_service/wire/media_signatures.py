"""What a file is by its first bytes, as far as a preview can be made of it: whatever its name and its type say."""

import re
from enum import StrEnum

HEAD_BYTES = 64
"""So many first bytes are enough to tell."""


class Medium(StrEnum):
    """A format that previews are made of."""

    JPEG = "jpeg"
    PNG = "png"
    GIF = "gif"
    WEBP = "webp"
    BMP = "bmp"
    HEIC = "heic"
    AVIF = "avif"
    TIFF = "tiff"
    QUICKTIME = "quicktime"
    MATROSKA = "matroska"
    AVI = "avi"
    FLV = "flv"

    @property
    def is_film(self) -> bool:
        """Whether it is a film, of which one frame is shown. `quicktime` is MP4 too, and `matroska` WebM."""
        return self in {Medium.QUICKTIME, Medium.MATROSKA, Medium.AVI, Medium.FLV}


_STARTS = (
    (b"\xff\xd8\xff", Medium.JPEG),
    (b"\x89PNG\r\n\x1a\n", Medium.PNG),
    (b"GIF87a", Medium.GIF),
    (b"GIF89a", Medium.GIF),
    (b"II*\0", Medium.TIFF),
    (b"MM\0*", Medium.TIFF),
    (b"\x1a\x45\xdf\xa3", Medium.MATROSKA),
    (b"FLV\x01", Medium.FLV),
)
_RIFFS = {b"WEBP": Medium.WEBP, b"AVI ": Medium.AVI}
_BITMAP = re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL)
"""A BMP names the size of its second header, of which there are few."""
_QUICKTIME_ATOMS = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})


def medium_of(head: bytes) -> Medium | None:
    """What begins with these bytes, of which at least HEAD_BYTES are looked at where there are so many; else None."""
    for start, medium in _STARTS:
        if head.startswith(start):
            return medium
    if head[:4] == b"RIFF":
        return _RIFFS.get(head[8:12])
    if _BITMAP.match(head):
        return Medium.BMP
    if head[4:8] == b"ftyp":
        return _of_brands(head)
    return Medium.QUICKTIME if head[4:8] in _QUICKTIME_ATOMS else None


def _of_brands(head: bytes) -> Medium | None:
    """What a file type box says (ISO/IEC 14496-12 section 4.3): its own brand, and those that it is compatible with."""
    size = min(int.from_bytes(head[:4]), len(head), HEAD_BYTES)
    major, others = head[8:12], {head[start : start + 4] for start in range(16, size - 3, 4)}
    if major in _AVIF_BRANDS or (major in {b"mif1", b"msf1"} and others & _AVIF_BRANDS):
        return Medium.AVIF
    if major in _HEIC_BRANDS:
        return Medium.HEIC
    return Medium.QUICKTIME if len(major) == len(b"isom") else None
