"""What the maker of previews does with a file, in this process: nothing is confined, and none of it is hostile."""

import io
import warnings
from collections.abc import Iterator

import pytest
from PIL import Image

from tests.previewer.samples import BLACK, BLUE, FILMS, PICTURES, RED, drawn, encoded, film, picture, swapped_profile
from tests.previewer.samples import with_gps as exif_of
from transfer_service.previewer.protocol import Made, NotShown, pack_answer, unpack_answer
from transfer_service.previewer.rendering import render


@pytest.fixture(autouse=True)
def damaged_files_are_no_warnings() -> Iterator[None]:
    with warnings.catch_warnings(action="ignore"):
        yield


def rendered(data: bytes) -> Made:
    return render(io.BytesIO(data))


def pixel(made: Made, x: int, y: int) -> tuple[int, ...]:
    """Of the largest picture, in parts of its width and height of eight."""
    image = Image.open(io.BytesIO(next(each for each in reversed(made.pictures) if each))).convert("RGB")
    found = image.getpixel((image.width * x // 8, image.height * y // 8))
    assert isinstance(found, tuple)
    return tuple(int(each) for each in found)


def is_like(found: tuple[int, ...], colour: tuple[int, ...]) -> bool:
    return all(abs(one - other) < 60 for one, other in zip(found, colour, strict=True))


@pytest.mark.parametrize("kind", PICTURES)
def test_pictures_in_all_sizes(kind: str) -> None:
    made = rendered(picture(kind, 1600, 1200))
    assert (made.facts.width, made.facts.height, made.facts.duration) == (1600, 1200, None)
    assert [Image.open(io.BytesIO(each)).size for each in made.pictures] == [(160, 120), (480, 360), (1280, 960)]
    assert is_like(pixel(made, 1, 4), RED)
    assert is_like(pixel(made, 7, 4), BLUE)
    assert unpack_answer(pack_answer(made)) == made


@pytest.mark.parametrize("kind", FILMS)
def test_films_by_a_frame_that_is_not_black(kind: str) -> None:
    made = rendered(film(kind))
    assert (made.facts.width, made.facts.height) == (320, 200)
    assert made.facts.duration == pytest.approx(2.4, abs=0.2)
    assert is_like(pixel(made, 4, 4), RED)


def test_light_that_comes_late_and_never() -> None:
    assert is_like(pixel(rendered(film("mp4", (BLACK,) * 120 + (RED,) * 60)), 4, 4), RED)
    assert is_like(pixel(rendered(film("mp4", (BLACK,) * 20)), 4, 4), BLACK)


@pytest.mark.parametrize(("orientation", "left"), [(1, RED), (2, BLUE), (3, BLUE), (4, RED)])
def test_how_the_camera_was_held(orientation: int, left: tuple[int, int, int]) -> None:
    made = rendered(picture("JPEG", exif=exif_of(orientation)))
    assert (made.facts.width, made.facts.height) == (400, 300)
    assert is_like(pixel(made, 1, 4), left)


@pytest.mark.parametrize(("orientation", "top"), [(5, RED), (6, RED), (7, BLUE), (8, BLUE)])
def test_what_was_taken_upright(orientation: int, top: tuple[int, int, int]) -> None:
    made = rendered(picture("JPEG", exif=exif_of(orientation)))
    assert (made.facts.width, made.facts.height) == (300, 400)
    assert is_like(pixel(made, 4, 1), top)


@pytest.mark.parametrize(
    ("mode", "kind"), [("1", "PNG"), ("LA", "PNG"), ("P", "GIF"), ("CMYK", "JPEG"), ("I", "TIFF"), ("F", "TIFF")]
)
def test_pixels_of_other_kinds_keep_light_and_dark_apart(mode: str, kind: str) -> None:
    image = Image.new("L", (400, 300), 250)
    image.paste(10, (200, 0, 400, 300))
    made = rendered(encoded(image.convert("RGB").convert(mode) if mode != "F" else image.convert(mode), kind))
    assert min(pixel(made, 1, 4)) > 200
    assert max(pixel(made, 7, 4)) < 50


def test_colours_by_the_pictures_own_profile() -> None:
    assert is_like(pixel(rendered(picture("PNG", icc_profile=swapped_profile())), 1, 4), BLUE)


@pytest.mark.parametrize("data", [b"", b"text", picture("PNG")[:60], film()[:200], b"GIF89a" + bytes(40)])
def test_what_is_none_is_an_error_or_not_shown(data: bytes) -> None:
    with pytest.raises((NotShown, OSError, ValueError, SyntaxError)):
        rendered(data)
    assert unpack_answer(pack_answer(None)) is None


def test_no_picture_is_made_twice() -> None:
    made = rendered(encoded(drawn(100, 75), "PNG"))
    assert [bool(each) for each in made.pictures] == [True, False, False]
