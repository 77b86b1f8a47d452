"""Pictures: opened by the one loader of their format, looked at before they are decoded, upright and in sRGB."""

import io
import warnings
from contextlib import suppress
from typing import BinaryIO

# All that Pillow would load when it comes to it, since nothing can be opened any more then.
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from pillow_heif import register_heif_opener

from transfer_service.previewer.protocol import MOST_PIXELS, SIZES, NotShown
from transfer_service.wire.media_signatures import Medium

_LOADERS = {
    Medium.JPEG: ("JPEG", "MPO"),
    Medium.PNG: ("PNG",),
    Medium.GIF: ("GIF",),
    Medium.WEBP: ("WEBP",),
    Medium.BMP: ("BMP",),
    Medium.HEIC: ("HEIF",),
    Medium.AVIF: ("AVIF",),
    Medium.TIFF: ("TIFF",),
}
LOADED = (
    AvifImagePlugin, BmpImagePlugin, GifImagePlugin, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin,
    WebPImagePlugin,
)  # fmt: skip
_LARGEST = SIZES[-1]
_PLAIN_MODES = {"RGB", "RGBA"}
_SIDEWAYS = {5, 6, 7, 8}
_ORIENTATION = 0x0112


def load() -> None:
    """Get the loaders ready."""
    register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.simplefilter("ignore")
    Image.preinit()
    Image._initialized = 2  # or Pillow would look for loaders of other formats
    ImageCms.createProfile("sRGB")


def open_picture(file: BinaryIO, medium: Medium) -> tuple[Image.Image, tuple[int, int]]:
    """A picture of at most 1280 pixels, upright and in sRGB, and the size of the whole one. Raises NotShown."""
    image = Image.open(file, formats=_LOADERS[medium])
    check_size(*image.size)
    width, height = image.size
    image.draft("RGB", (_LARGEST, _LARGEST))  # a JPEG is decoded at a half, a quarter or an eighth of its size
    image.load()
    orientation = image.getexif().get(_ORIENTATION, 1) if medium is not Medium.TIFF else 1
    if medium is Medium.TIFF:  # it turns itself when it is loaded
        width, height = image.size
    profile = image.info.get("icc_profile")
    picture = _upright(_in_srgb(_shrunk(image), profile), orientation)
    picture.info = {}
    return picture, (height, width) if orientation in _SIDEWAYS else (width, height)


def check_size(width: int, height: int) -> None:
    """Raises NotShown for what has too many pixels, or none."""
    if width <= 0 or height <= 0 or width * height > MOST_PIXELS:
        raise NotShown


def _shrunk(image: Image.Image) -> Image.Image:
    """The picture in a mode that can be resized, and resized."""
    if image.mode in {"P", "PA", "LA", "La", "RGBa"} or "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode.startswith("I") or image.mode == "F":
        image = _in_eight_bits(image)
    elif image.mode == "1":
        image = image.convert("L")
    image.thumbnail((_LARGEST, _LARGEST), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return image


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """What has more bits for each pixel, or floating numbers, spread over 256 shades."""
    image.thumbnail((_LARGEST, _LARGEST), Image.Resampling.NEAREST)
    plain = image.convert("F")
    low, high = plain.getextrema()
    if image.mode.startswith("I;16"):
        low, high = 0, 65535
    scale = 255 / (high - low) if isinstance(high, float | int) and high > low else 0  # type: ignore[operator]
    return plain.point(lambda value: value * scale - low * scale).convert("L")  # type: ignore[operator]


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    if profile and image.mode in {"L", "RGB", "RGBA", "CMYK"}:
        with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode=mode)
            if converted is not None:
                return converted
    return image if image.mode in _PLAIN_MODES else image.convert(mode)


def _upright(image: Image.Image, orientation: object) -> Image.Image:
    methods = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    method = methods.get(orientation) if isinstance(orientation, int) else None
    return image.transpose(method) if method is not None else image
