"""From a file to what is shown of it: three pictures in WebP and the facts."""

import io
from typing import BinaryIO

import blurhash
from PIL import Image

from transfer_service.previewer import films, pictures
from transfer_service.previewer.protocol import SIZES, Facts, Made, NotShown
from transfer_service.wire.media_signatures import HEAD_BYTES, medium_of

_QUALITY, _EFFORT = 80, 2
_HASHED_SIDE = 32
_MORE, _LESS = 4, 3
"""How many waves a blurhash has along the longer and the shorter side."""


def load() -> None:
    """Load all that will be needed: later nothing can be."""
    pictures.load()
    films.load()


def render(file: BinaryIO) -> Made:
    """What is shown of a file. Raises NotShown, and whatever its decoder raises."""
    medium = medium_of(file.read(HEAD_BYTES))
    file.seek(0)
    if medium is None:
        raise NotShown
    duration = None
    if medium.is_film:
        picture, size, duration = films.open_film(file, medium)
    else:
        picture, size = pictures.open_picture(file, medium)
    made: list[bytes] = []
    for side, smaller in zip(reversed(SIZES), [*reversed(SIZES[:-1]), 0], strict=True):
        picture.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
        made.insert(0, _encode(picture) if max(picture.size) > smaller else b"")
    return Made(Facts(*size, duration=duration, blurhash=_hash(picture)), tuple(made))


def _encode(picture: Image.Image) -> bytes:
    """WebP, with nothing but the picture in it."""
    target = io.BytesIO()
    picture.save(target, "WEBP", quality=_QUALITY, method=_EFFORT, exif=b"", xmp=b"", icc_profile=b"")
    return target.getvalue()


def _hash(picture: Image.Image) -> str:
    """Of what is transparent, as it looks on white."""
    small = picture.copy()
    small.thumbnail((_HASHED_SIDE, _HASHED_SIDE))
    if small.mode == "RGBA":
        ground = Image.new("RGBA", small.size, "white")
        small = Image.alpha_composite(ground, small)
    data, width = small.convert("RGB").tobytes(), small.width
    rows = [[list(data[3 * (row * width + column) :][:3]) for column in range(width)] for row in range(small.height)]
    is_wide = small.width >= small.height
    return str(blurhash.encode(rows, _MORE if is_wide else _LESS, _LESS if is_wide else _MORE))
