"""Files that were made to do harm: none is shown, none takes long, and the maker lives on."""

import os
import signal
import struct
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import av
import pytest

from tests.previewer.bombs import PNG, chunk, gif, patched, plain_tiff, png, resized_heic, tiff, with_reference
from tests.previewer.samples import film, picture
from transfer_service.previewer import rendering
from transfer_service.previewer.protocol import SECONDS, Job, Made
from transfer_service.services.previews.maker import Maker

ZEROS = zlib.compress(bytes(200 * 1024**2), 9)
NOT_SHOWN: dict[str, Callable[[], bytes]] = {
    "png-of-4-gigapixels": lambda: png(65_000, 65_000, rows=1),
    "png-of-a-pixel-too-many": lambda: png(10_000, 9_001),
    "png-of-no-pixel": lambda: png(0, 100),
    "png-of-2^31": lambda: png(2**31 - 1, 1, rows=0),
    "gif-of-4-gigapixels": lambda: gif(65_535, 65_535),
    "jpeg-of-4-gigapixels": lambda: patched(picture(), b"\xff\xc0", 3, struct.pack("!HH", 65_500, 65_500)),
    "webp-of-268-megapixels": lambda: patched(picture("WEBP"), b"\x9d\x01\x2a", 0, b"\xff\x3f\xff\x3f"),
    "bmp-of-4-gigapixels": lambda: patched(picture("BMP", 10, 10), b"BM", 16, struct.pack("<ii", 65_535, 65_535)),
    "bmp-of-negative-size": lambda: patched(picture("BMP", 10, 10), b"BM", 16, struct.pack("<ii", -5, -5)),
    "tiff-of-4-gigapixels": lambda: plain_tiff(65_535, 65_535),
    "tiff-whose-strip-is-elsewhere": lambda: plain_tiff(1_000, 1_000),
    "tiff-that-is-its-own-next": lambda: tiff((256, 4, 1, 9), next_directory=8),
    "tiff-of-a-billion-entries": lambda: tiff((256, 4, 2**31, 8), (257, 4, 2**31, 8)),
    "heic-of-4-gigapixels": lambda: resized_heic(65_535, 65_535),
    "heic-of-900-megapixels": lambda: resized_heic(30_000, 30_000),
    "avif-of-4-gigapixels": lambda: patched(picture("AVIF", 96, 72), b"ispe", 4, struct.pack("!II", 65_535, 65_535)),
    "svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "svg-behind-the-head-of-a-jpeg": lambda: b'\xff\xd8\xff\xe0<svg xmlns="http://www.w3.org/2000/svg"></svg>',
    "pdf": lambda: b"%PDF-1.7\n1 0 obj<</OpenAction<</S/URI/URI(http://127.0.0.1/)>>>>endobj",
    "postscript": lambda: b"%!PS\n(/etc/passwd) (r) file",
    "mvg": lambda: b"push graphic-context\nimage over 0,0 0,0 'label:@/etc/passwd'\npop graphic-context",
    "xbm": lambda: b"#define w 9\n#define h 9\nstatic char b[] = {0};",
    "hls": lambda: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "concat": lambda: b"ffconcat version 1.0\nfile /etc/passwd\n",
    "dash": lambda: b'<?xml version="1.0"?><MPD><Period><BaseURL>file:///etc/passwd</BaseURL></Period></MPD>',
    "hls-behind-the-head-of-a-film": lambda: film("mp4")[:40] + b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "film-without-frames": lambda: film("mp4")[:48],
    "sound": lambda: patched(film("mp4"), b"vide", 0, b"") .replace(b"vide", b"soun"),
    "nothing": lambda: b"",
    "a-head-only": lambda: PNG,
}  # fmt: skip
SHOWN: dict[str, Callable[[], bytes]] = {
    "of-90-megapixels": lambda: png(10_000, 9_000, bits=8, colours=2),
    "with-a-text-of-200-megabytes": lambda: png(64, 64, extra=chunk(b"tEXt", b"a\0b") + chunk(b"zzZz", ZEROS)),
    "of-ten-thousand-frames": lambda: gif(2_000, 2_000, frames=10_000),
    "that-has-less-than-it-says": lambda: png(9_000, 9_000, bits=8, colours=6, rows=1),
    "whose-head-lies": lambda: patched(film("avi"), b"strf", 8, struct.pack("<II", 65_535, 65_535)),
    "with-a-page-behind-it": lambda: picture() + b"%PDF-1.7\n<script>alert(1)</script>",
    "that-is-a-zip-too": lambda: picture("PNG") + b"PK\x05\x06" + bytes(18),
    "that-is-a-film-too": lambda: picture("GIF") + film("mp4"),
}


def made(maker: Maker, data: bytes) -> Made | None:
    descriptor = os.memfd_create("bomb")
    try:
        os.write(descriptor, data)
        return maker.make(descriptor, Job(len(data), is_urgent=True))
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("name", NOT_SHOWN)
def test_a_bomb_is_not_shown(maker: Maker, name: str) -> None:
    assert made(maker, picture()) is not None
    process, began = maker.process_id, time.monotonic()
    assert made(maker, NOT_SHOWN[name]()) is None
    assert (maker.process_id, time.monotonic() - began < SECONDS) == (process, True)


@pytest.mark.parametrize("name", SHOWN)
def test_what_only_looks_like_one_is_shown(maker: Maker, name: str) -> None:
    shown = made(maker, SHOWN[name]())
    assert shown is not None
    assert 0 < sum(map(len, shown.pictures)) < 200_000


def test_text_that_swells_is_not_read(maker: Maker) -> None:
    assert made(maker, png(64, 64, extra=chunk(b"zTXt", b"a\0\0" + ZEROS))) is None
    assert made(maker, png(64, 64, extra=chunk(b"iCCP", b"a\0\0" + ZEROS))) is None


@pytest.mark.parametrize("cut", range(0, 100, 7))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "HEIF", "AVIF", "TIFF"])
def test_what_is_cut_off_does_not_fell_it(maker: Maker, kind: str, cut: int) -> None:
    whole = picture(kind, 96, 72)
    made(maker, whole[: len(whole) * cut // 100])
    assert made(maker, picture("GIF", 8, 8)) is not None


def opens(path: Path, look: Callable[[Path], object]) -> bool:
    """Whether looking at a film makes somebody wait for what another path has: a pipe that nobody writes to."""
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(4)
            with suppress(Exception):
                look(path)
        finally:
            os._exit(0)
    status = os.waitpid(child, 0)[1]
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM


def follow(path: Path) -> None:
    """What a player does that believes a film."""
    with av.open(path, "r", options={"enable_drefs": "1", "use_absolute_path": "1"}) as believed:
        next(believed.decode(video=0))


def show(path: Path) -> None:
    rendering.load()
    with path.open("rb") as file:
        rendering.render(file)


def test_a_film_opens_no_other_file_not_even_without_confinement(tmp_path: Path, maker: Maker) -> None:
    pipe, data = tmp_path / "frames", with_reference(str(tmp_path / "frames"))
    os.mkfifo(pipe)
    (tmp_path / "film.mov").write_bytes(data)
    assert made(maker, data) is None
    assert opens(tmp_path / "film.mov", follow)
    assert not opens(tmp_path / "film.mov", show)
