"""Choosing the media type that a file is stored with."""

import mimetypes
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.wire.media_type_table import MEDIA_TYPES
from transfer_service.wire.media_types import OCTET_STREAM, guess_media_type, stored_media_type


@pytest.mark.parametrize(
    ("name", "guessed"),
    [
        pytest.param("a.png", "image/png", id="image"),
        pytest.param("a.PNG", "image/png", id="capitals"),
        pytest.param("a.json", "application/json", id="json"),
        pytest.param("a.js", "text/javascript", id="script"),
        pytest.param("a.mjs", "text/javascript", id="module"),
        pytest.param("a.tar.gz", "application/gzip", id="compressed"),
        pytest.param(".png", OCTET_STREAM, id="only-an-extension"),
        pytest.param("a.png/README", OCTET_STREAM, id="extension-of-a-folder"),
        pytest.param("a.unheard-of", OCTET_STREAM, id="unknown-extension"),
        pytest.param("README", OCTET_STREAM, id="no-extension"),
        pytest.param("data:text/html,x", OCTET_STREAM, id="a-data-url"),
        pytest.param("http://x/a.html?b", OCTET_STREAM, id="a-url"),
    ],
)
def test_an_extension_stands_for_a_type(name: str, guessed: str) -> None:
    assert guess_media_type(name) == guessed


@pytest.mark.parametrize(
    ("declared", "stored"),
    [
        pytest.param(None, "image/png", id="none"),
        pytest.param("", "image/png", id="empty"),
        pytest.param("application/octet-stream", "image/png", id="unchosen"),
        pytest.param("Application/Octet-Stream", "image/png", id="unchosen-in-capitals"),
        pytest.param("application/x-www-form-urlencoded", "image/png", id="what-curl-sends"),
        pytest.param("multipart/form-data; boundary=x", "image/png", id="the-envelope"),
        pytest.param("text/plain", "text/plain", id="chosen"),
        pytest.param(" text/plain; charset=utf-8 ", "text/plain; charset=utf-8", id="with-parameter"),
        pytest.param("text", "image/png", id="no-slash"),
        pytest.param("text/", "image/png", id="no-subtype"),
        pytest.param("text/plain\r\nX: 1", "image/png", id="line-break"),
        pytest.param("text/pläin", "image/png", id="not-ascii"),
        pytest.param("text/" + "x" * 1000, "image/png", id="huge"),
    ],
)
def test_a_chosen_type_wins_over_the_extension(declared: str | None, stored: str) -> None:
    assert stored_media_type(declared, "a.png") == stored


@given(declared=st.text(max_size=300), name=st.text(max_size=40))
def test_a_stored_type_is_always_fit_for_a_header_and_a_column(declared: str, name: str) -> None:
    assert re.fullmatch(r"[\x20-\x7e]{3,255}", stored_media_type(declared, name))


KNOWN = """
webp mkv m4a flac ogg opus docx xlsx pptx odt ods odp apk aab ipa epub md 7z rar zst woff2 heic heif avif mov m4v webm
csv json wasm glb gltf usdz dng mp4 mp3 wav aac amr caf gz xz bz2 tar zip pdf txt html svg ico ttf ics vcf gpx kml swf
unity3d jar iso dmg deb exe nes gba nds cbz mobi ts m3u8 vtt srt jxl psd tiff bmp doc xls ppt rtf pages numbers key
"""


@pytest.mark.parametrize("extension", KNOWN.split())
def test_what_phones_browsers_offices_and_games_use_is_known(extension: str) -> None:
    assert guess_media_type(f"a.{extension}") != OCTET_STREAM


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("clip.3gp", "video/3gpp"),
        ("a.webp", "image/webp"),
        ("a.mkv", "video/x-matroska"),
        ("a.m4a", "audio/mp4"),
        ("a.flac", "audio/flac"),
        ("a.heic", "image/heic"),
        ("a.DOCX", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("a.apk", "application/vnd.android.package-archive"),
        ("a.epub", "application/epub+zip"),
        ("a.md", "text/markdown"),
        ("a.7z", "application/x-7z-compressed"),
        ("a.woff2", "font/woff2"),
    ],
)
def test_some_types_by_their_names(name: str, media_type: str) -> None:
    assert guess_media_type(name) == media_type


def test_every_type_of_the_table_may_be_stored() -> None:
    wrong = {each for each in MEDIA_TYPES.values() if stored_media_type(each, "a.unheard-of") != each}
    assert (wrong, [each for each in MEDIA_TYPES if each != each.lower()]) == (set(), [])


def test_the_machines_own_table_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    mimetypes.add_type("text/x-of-this-machine", ".png")
    monkeypatch.setattr(mimetypes, "inited", False)
    assert guess_media_type("a.png") == "image/png"
