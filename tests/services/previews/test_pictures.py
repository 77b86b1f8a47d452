"""What is shown of pictures and films, through the process that makes it."""

import io

import pytest
from PIL import Image

from tests.previewer.samples import (
    BLACK,
    BLUE,
    FILMS,
    PICTURES,
    RED,
    drawn,
    encoded,
    film,
    picture,
    swapped_profile,
    with_gps,
)
from tests.services.previews.conftest import Previews
from transfer_service.models.previews import PreviewState
from transfer_service.services.previews.rows import PreviewRecord

Colour = tuple[int, int, int]


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    assert image.format == "WEBP"
    return image


def is_like(found: object, colour: Colour) -> bool:
    assert isinstance(found, tuple)
    return all(abs(one - other) < 60 for one, other in zip(found, colour, strict=False))


def sizes(previews: Previews, made: PreviewRecord) -> list[tuple[int, int]]:
    return [opened(previews.shown(made, size)).size for size in (160, 480, 1280)]


def left_and_right(data: bytes) -> tuple[object, object]:
    image = opened(data).convert("RGB")
    middle = image.height // 2
    return image.getpixel((image.width // 8, middle)), image.getpixel((image.width - image.width // 8 - 1, middle))


@pytest.mark.parametrize("kind", PICTURES)
def test_every_format_is_shown(previews: Previews, kind: str) -> None:
    made = previews.made(picture(kind, 2000, 1500), "whatever.txt")
    assert (made.state, made.width, made.height, made.duration) == (PreviewState.READY, 2000, 1500, None)
    assert sizes(previews, made) == [
        (160, 120),
        (480, 360),
        (1280, 960),
    ]
    left, right = left_and_right(previews.shown(made, 480))
    assert is_like(left, RED) and is_like(right, BLUE)


@pytest.mark.parametrize("kind", FILMS)
def test_of_a_film_a_frame_is_shown_that_is_not_black(previews: Previews, kind: str) -> None:
    made = previews.made(film(kind), "film")
    assert (made.state, made.width, made.height) == (PreviewState.READY, 320, 200)
    assert made.duration == pytest.approx(2.4, abs=0.2)
    assert is_like(left_and_right(previews.shown(made, 160))[0], RED)


def test_a_film_whose_light_comes_late_is_looked_through(previews: Previews) -> None:
    made = previews.made(film("mp4", (BLACK,) * 300 + (RED,) * 60 + (BLACK,) * 40))
    assert is_like(left_and_right(previews.shown(made, 160))[0], RED)


def test_a_black_film_is_shown_as_it_is(previews: Previews) -> None:
    made = previews.made(film("mp4", (BLACK,) * 20))
    assert is_like(left_and_right(previews.shown(made, 160))[0], BLACK)


def test_no_picture_becomes_larger(previews: Previews) -> None:
    made = previews.made(picture("PNG", 100, 75))
    assert sizes(previews, made) == [(100, 75)] * 3
    made = previews.made(picture("PNG", 300, 200), "b.png")
    assert sizes(previews, made) == [
        (160, 107),
        (300, 200),
        (300, 200),
    ]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
@pytest.mark.parametrize(("orientation", "is_turned"), [(3, False), (6, True), (8, True)])
def test_pictures_stand_upright(previews: Previews, kind: str, orientation: int, is_turned: bool) -> None:
    made = previews.made(picture(kind, 400, 300, exif=with_gps(orientation)))
    size = (300, 400) if is_turned else (400, 300)
    shown = opened(previews.shown(made, 1280))
    assert ((made.width, made.height), shown.size) == (size, size)
    corners = {3: (BLUE, RED), 6: (RED, RED), 8: (BLUE, BLUE)}[orientation]
    top = [shown.convert("RGB").getpixel((x, 20)) for x in (20, shown.width - 20)]
    assert all(is_like(found, colour) for found, colour in zip(top, corners, strict=True))


def test_nothing_but_the_picture_is_in_it(previews: Previews) -> None:
    data = picture("JPEG", 2000, 1500, exif=with_gps(), comment=b"Secret", icc_profile=swapped_profile())
    made = previews.made(data)
    for size in (160, 480, 1280):
        shown = previews.shown(made, size)
        assert not {b"EXIF", b"XMP ", b"ICCP"} & {shown[start : start + 4] for start in range(len(shown))}
        assert b"Secret" not in shown
        assert not opened(shown).getexif()


def test_colours_are_those_of_the_pictures_own_profile(previews: Previews) -> None:
    plain = previews.made(picture("PNG"), "a.png")
    other = previews.made(picture("PNG", icc_profile=swapped_profile()), "b.png")
    assert is_like(left_and_right(previews.shown(plain, 480))[0], RED)
    assert is_like(left_and_right(previews.shown(other, 480))[0], BLUE)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("1", "PNG"), ("L", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("P", "GIF"), ("RGBA", "PNG"), ("CMYK", "JPEG"),
        ("CMYK", "TIFF"), ("YCbCr", "JPEG"), ("LAB", "TIFF"), ("I", "TIFF"), ("F", "TIFF"), ("I;16", "PNG"),
        ("I;16", "TIFF"), ("RGBA", "WEBP"), ("RGBA", "AVIF"), ("RGBA", "HEIF"), ("1", "TIFF"),
    ],
)  # fmt: skip
def test_pixels_of_every_kind_are_shown(previews: Previews, mode: str, kind: str) -> None:
    image = drawn().convert("L").convert("I").point(lambda value: value * 256) if mode == "I;16" else drawn()
    made = previews.made(encoded(image.convert(mode), kind))
    assert (made.state, made.width, made.height) == (PreviewState.READY, 400, 300)
    left, right = left_and_right(previews.shown(made, 480))
    assert left != right


def test_what_is_transparent_stays_so(previews: Previews) -> None:
    image = drawn(mode="RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 200, 300))
    shown = opened(previews.shown(previews.made(encoded(image, "PNG")), 480))
    assert shown.getpixel((20, 20))[3] == 0  # type: ignore[index]
    assert is_like(shown.getpixel((380, 20)), BLUE)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_of_an_animation_the_first_frame_is_shown(previews: Previews, kind: str) -> None:
    first, others = Image.new("RGB", (64, 64), RED), [Image.new("RGB", (64, 64), BLUE)] * 3
    made = previews.made(encoded(first, kind, save_all=True, append_images=others))
    assert is_like(left_and_right(previews.shown(made, 160))[1], RED)
    assert made.duration is None


def test_a_long_strip_keeps_its_form(previews: Previews) -> None:
    made = previews.made(picture("PNG", 5000, 2))
    assert opened(previews.shown(made, 160)).size == (160, 1)


def test_the_blurhash_is_of_what_is_seen(previews: Previews) -> None:
    import blurhash

    made = previews.made(picture("JPEG"))
    assert made.blurhash is not None
    shown = blurhash.decode(made.blurhash, 32, 24)
    assert is_like(tuple(shown[12][2]), RED) and is_like(tuple(shown[12][29]), BLUE)
