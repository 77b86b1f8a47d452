"""Making the name of an attachment safe, and telling its type."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transfer_service.wire.attachments import (
    MAX_SAFE_NAME_BYTES,
    MessageType,
    attachment_media_type,
    is_inert,
    message_type,
    safe_filename,
)
from transfer_service.wire.filenames import parse_name

REMOVED = [
    *map(chr, [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]),
    *"\u200e\u200f\u061c\ud800\udfff",
]
HOSTILE = st.text(
    st.characters() | st.characters(categories=["Cs"]) | st.sampled_from("./\\ \u202e\u0301"), max_size=60
)
LONG = st.text("a.é文🙂 e\u0301\u1100\u1161", max_size=400)


@given(name=HOSTILE | LONG)
@example(name=" " * 201)
@example(name="thumbnail")
@example(name="🙂" * 60)
@example(name="a" + "." + "b" * 300)
@example(name="文." + "b" * 198)
@example(name="\ufb2c" * 85)
def test_a_safe_name_keeps_every_rule(name: str) -> None:
    safe = safe_filename(name)
    assert parse_name(safe) == safe == unicodedata.normalize("NFC", safe)
    assert not set(safe) & set(REMOVED)
    assert safe.strip()
    assert not safe.startswith(".")
    assert len(safe.encode()) <= MAX_SAFE_NAME_BYTES
    assert safe_filename(safe) == safe


@given(stem=st.text("abc é文🙂", min_size=1, max_size=300), extension=st.text("abc文", min_size=1, max_size=40))
def test_a_cut_name_keeps_its_extension(stem: str, extension: str) -> None:
    safe = safe_filename(f"{stem}.{extension}")
    assert safe.endswith(f".{extension}")
    assert stem.startswith(safe.removesuffix(f".{extension}"))


@pytest.mark.parametrize("character", REMOVED, ids=lambda character: f"U+{ord(character):04X}")
def test_what_misleads_is_removed(character: str) -> None:
    assert safe_filename(f"{character}a{character}b.{character}jpg{character}") == "ab.jpg"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        pytest.param(None, "file", id="none"),
        pytest.param("", "file", id="empty"),
        pytest.param(" ", "file", id="a-blank"),
        pytest.param("..", "file", id="dots"),
        pytest.param("/", "file", id="a-separator"),
        pytest.param("\u202e\0", "file", id="nothing-left"),
        pytest.param("../../etc/passwd", "passwd", id="traversal"),
        pytest.param("a/b\\c.png", "c.png", id="both-separators"),
        pytest.param("C:\\photos\\cat.jpg", "cat.jpg", id="windows-path"),
        pytest.param("folder/", "folder", id="separator-at-the-end"),
        pytest.param("a/..", "file", id="dots-at-the-end"),
        pytest.param(".htaccess", "htaccess", id="hidden"),
        pytest.param("...a.jpg", "a.jpg", id="many-dots"),
        pytest.param("\u200f.a", "a", id="dot-behind-a-mark"),
        pytest.param("cat\u202egpj.exe", "catgpj.exe", id="reversed-extension"),
        pytest.param("e\u0301.jpg", "é.jpg", id="composed"),
        pytest.param("<img onerror=x>.png", "<img onerror=x>.png", id="markup"),
        pytest.param("thumbnail", "_thumbnail", id="the-address-of-a-preview"),
        pytest.param("a/.thumbnail", "_thumbnail", id="the-address-of-a-preview-once-it-is-safe"),
        pytest.param("Thumbnail", "Thumbnail", id="another-address"),
        pytest.param("CON", "CON", id="a-device-elsewhere"),
        pytest.param("Отчёт 文件 🙂.pdf", "Отчёт 文件 🙂.pdf", id="harmless"),
        pytest.param("a" * 201, "a" * 200, id="long"),
        pytest.param("a" * 300 + ".jpg", "a" * 196 + ".jpg", id="long-with-extension"),
        pytest.param("a." + "b" * 198, "a." + "b" * 198, id="exactly-full"),
        pytest.param("文." + "b" * 198, "文." + "b" * 196, id="extension-without-room"),
        pytest.param(" " * 201 + "a", "file", id="blanks-that-are-cut"),
        pytest.param("\u1f82" * 100_000 + ".png", "\u1f82" * 65 + ".png", id="enormous"),
        pytest.param(unicodedata.normalize("NFD", "é" * 300) + ".png", "é" * 98 + ".png", id="composed-and-long"),
        pytest.param("a/" * 100_000 + "b.png", "b.png", id="an-enormous-path"),
        pytest.param("." * 100_000 + "b.png", "b.png", id="enormously-hidden"),
        pytest.param("a" + "\u0315\u0300" * 500_000, "\u00e0" + "\u0300" * 99, id="marks-in-disorder"),
    ],
)
def test_hostile_names_are_made_safe(name: str | None, safe: str) -> None:
    assert safe_filename(name) == safe


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        *((f"a.{each}", MessageType.IMAGE) for each in ("jpg", "jpeg", "png", "gif", "webp", "bmp", "JPG", "wEbP")),
        *((f"a.{each}", MessageType.VIDEO) for each in ("mp4", "webm", "mov", "avi", "mkv", "flv", "MP4")),
        *((f"a.{each}", MessageType.FILE) for each in ("svg", "html", "pdf", "jpg.exe", "jpg ", "")),
        ("jpg", MessageType.FILE),
        ("file", MessageType.FILE),
        ("a.exe.png", MessageType.IMAGE),
    ],
)
def test_the_extension_decides_the_type(filename: str, expected: MessageType) -> None:
    assert {message_type(filename, declared) for declared in ("text/html", "application/pdf")} == {expected}


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("image/png", MessageType.IMAGE),
        ("Image/JPEG; q=1", MessageType.IMAGE),
        ("video/mp4", MessageType.VIDEO),
        ("image/svg+xml", MessageType.FILE),
        ("audio/mpeg", MessageType.FILE),
        ("text/html", MessageType.FILE),
        ("", MessageType.FILE),
    ],
)
def test_without_an_extension_the_declared_type_decides(declared: str, expected: MessageType) -> None:
    assert message_type("photo", declared) is expected


@pytest.mark.parametrize(
    ("filename", "declared", "inert"),
    [
        pytest.param("a.png", "text/html", True, id="the-extension-decides"),
        pytest.param("a.MP3", None, True, id="a-sound"),
        pytest.param("a.svg", "image/png", False, id="a-picture-with-scripts"),
        pytest.param("a.html", "image/png", False, id="a-page-declared-a-picture"),
        pytest.param("photo", "image/png", True, id="no-extension"),
        pytest.param("photo", "image/svg+xml", False, id="no-extension-and-scripts"),
        pytest.param("photo", "image/svg+xml; charset=x", False, id="with-a-parameter"),
        pytest.param("photo", "text/html", False, id="no-extension-and-a-page"),
        pytest.param("list.m3u", None, False, id="a-list-of-films-elsewhere"),
        pytest.param("photo", None, False, id="nothing-known"),
    ],
)
def test_what_a_browser_may_show(filename: str, declared: str | None, inert: bool) -> None:
    assert is_inert(filename, attachment_media_type(declared, filename)) is inert


@pytest.mark.parametrize("stored", ["text/html", "image/svg+xml"])
def test_a_page_that_was_stored_under_a_sound_s_name_is_not_shown(stored: str) -> None:
    assert not is_inert("a.mp3", stored)
