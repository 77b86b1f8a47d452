"""Pictures and films that tests look at, made here: left half red, right half blue, so that it shows how they lie."""

import io
from collections.abc import Iterable
from typing import Any

import av
from PIL import Image, ImageCms
from pillow_heif import register_heif_opener

register_heif_opener()

RED, BLUE, BLACK = (220, 20, 20), (20, 20, 220), (0, 0, 0)
FILMS = {
    "mp4": ("mp4", "mpeg4"),
    "mov": ("mov", "libx264"),
    "webm": ("webm", "libvpx"),
    "mkv": ("matroska", "libx264"),
    "avi": ("avi", "mpeg4"),
    "flv": ("flv", "flv1"),
}
PICTURES = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "HEIF", "AVIF", "TIFF")


def drawn(width: int = 400, height: int = 300, mode: str = "RGB") -> Image.Image:
    """Two halves."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image.convert(mode)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def picture(kind: str = "JPEG", width: int = 400, height: int = 300, **options: Any) -> bytes:
    """The two halves in that format of Pillow's."""
    return encoded(drawn(width, height), kind, **options)


def with_gps(orientation: int = 1) -> bytes:
    """EXIF that says where somebody lives, and how the camera was held."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Secret Camera"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return exif.tobytes()


def swapped_profile() -> bytes:
    """An ICC profile of a screen whose red and blue are exchanged: without it a picture has other colours."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.find(b"rXYZ"), profile.find(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile)


def film(
    kind: str = "mp4", colours: Iterable[tuple[int, int, int]] = (BLACK,) * 12 + (RED,) * 12, *, width: int = 320,
    height: int = 200, rate: int = 10,
) -> bytes:  # fmt: skip
    """A film of one frame for each colour."""
    container, codec = FILMS[kind]
    target = io.BytesIO()
    with av.open(target, "w", format=container) as writer:
        stream: Any = writer.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for colour in colours:
            frame = av.VideoFrame.from_image(Image.new("RGB", (width, height), colour))  # type: ignore[no-untyped-call]
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode())
    return target.getvalue()
