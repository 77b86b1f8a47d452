"""Accepting a file's name, and numbering one that is taken."""

import time
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from transfer_service.errors import InvalidName, NameTaken
from transfer_service.wire.filenames import (
    MAX_LABEL_BYTES,
    MAX_NAME_BYTES,
    numbered_name,
    parse_label,
    parse_name,
    parse_name_in_folder,
    split_name,
)

FORBIDDEN = [*map(chr, [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]), "\\"]
TEXT = st.text(max_size=120) | st.text("ab./é文🙂e\u0301\u1100\u1161", max_size=300)
PATHS = st.lists(st.text("a.é文", min_size=1, max_size=90), max_size=17).map("/".join)


def is_allowed(value: str) -> bool:
    """The rules of NAME, one by one."""
    name = unicodedata.normalize("NFC", value)
    if any(0xD800 <= ord(character) <= 0xDFFF for character in name):
        return False
    labels = name.split("/")
    is_each_allowed = all(1 <= len(label.encode()) <= 255 and label not in (".", "..") for label in labels)
    return is_each_allowed and len(labels) <= 16 and len(name.encode()) <= 1024 and not set(name) & set(FORBIDDEN)


def accepted(value: str) -> str:
    """`value` as a name; examples that are none are skipped."""
    assume(is_allowed(value))
    return parse_name(value)


@given(value=TEXT | PATHS | st.text(st.characters(), max_size=20))
def test_a_name_is_accepted_in_nfc_exactly_when_the_rules_allow_it(value: str) -> None:
    try:
        name = parse_name(value)
    except InvalidName:
        assert not is_allowed(value)
        return
    assert is_allowed(value)
    assert name == unicodedata.normalize("NFC", value)
    assert parse_name(name) == name


@pytest.mark.parametrize("character", FORBIDDEN, ids=lambda character: f"U+{ord(character):04X}")
def test_a_forbidden_character_is_refused_anywhere(character: str) -> None:
    for value in (character, f"a{character}b", f"a{character}", f"a{character}/b", f"a/{character}"):
        with pytest.raises(InvalidName):
            parse_name(value)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param(".", id="dot"),
        pytest.param("..", id="two-dots"),
        pytest.param("a" * 256, id="256-letters"),
        pytest.param("é" * 128, id="256-bytes-in-128-letters"),
        pytest.param("\ufb2c" * 85, id="longer-in-nfc"),
        pytest.param("\udcff", id="not-utf-8"),
        pytest.param("a" * 10_000_000, id="ten-megabytes"),
        pytest.param("/", id="slash"),
        pytest.param("/a", id="slash-in-front"),
        pytest.param("a/", id="slash-behind"),
        pytest.param("a//b", id="two-slashes"),
        pytest.param("a/./b", id="dot-between"),
        pytest.param("a/..", id="two-dots-behind"),
        pytest.param("../a", id="two-dots-in-front"),
        pytest.param("/".join("a" * 17), id="17-labels"),
        pytest.param("/".join(["a" * 255] * 4) + "/b", id="1025-bytes"),
        pytest.param("a/" + "b" * 256, id="256-letters-in-a-folder"),
        pytest.param("/" * 10_000_000, id="ten-million-slashes"),
    ],
)
def test_an_impossible_name_is_refused(value: str) -> None:
    with pytest.raises(InvalidName):
        parse_name(value)


@pytest.mark.parametrize("value", ["/", "/a", "a/", "a//b", "a/b/"])
def test_a_slash_too_many_is_told_as_that(value: str) -> None:
    with pytest.raises(InvalidName, match="slash"):
        parse_name(value)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        pytest.param("a" * 255, "a" * 255, id="255-letters"),
        pytest.param("e\u0301" * 127, "é" * 127, id="381-bytes-that-are-254-in-nfc"),
        pytest.param("...", "...", id="three-dots"),
        pytest.param(" ", " ", id="a-blank"),
        pytest.param("CON", "CON", id="a-device-elsewhere"),
        pytest.param("文件.bin", "文件.bin", id="chinese"),
        pytest.param("\u200f", "\u200f", id="right-to-left-mark"),
        pytest.param("\ufffd", "\ufffd", id="replacement-character"),
        pytest.param("/".join("a" * 16), "/".join("a" * 16), id="16-labels"),
        pytest.param("/".join(["a" * 255] * 4), "/".join(["a" * 255] * 4), id="1023-bytes"),
        pytest.param("e\u0301/\u0301", "é/\u0301", id="a-mark-behind-a-slash"),
        pytest.param("a\uff0fb", "a\uff0fb", id="a-wide-slash-is-a-letter"),
    ],
)
def test_an_unusual_name_is_kept(value: str, name: str) -> None:
    assert parse_name(value) == name


@given(value=TEXT | PATHS, number=st.integers(2, 10**9))
def test_a_numbered_name_is_always_a_valid_name(value: str, number: int) -> None:
    name = accepted(value)
    try:
        numbered = numbered_name(name, number)
    except NameTaken:
        assert len(split_name(name)[0].encode()) + len(f"/ ({number})") > MAX_NAME_BYTES
        return
    assert parse_name(numbered) == numbered
    assert split_name(numbered)[0] == split_name(name)[0]
    assert f" ({number})" in split_name(numbered)[1]
    assert len(split_name(numbered)[1].encode()) <= MAX_LABEL_BYTES


@given(value=TEXT, one=st.integers(2, 5000), other=st.integers(2, 5000))
def test_different_numbers_make_different_names(value: str, one: int, other: int) -> None:
    name = accepted(value)
    assert (numbered_name(name, one) == numbered_name(name, other)) == (one == other)


@pytest.mark.parametrize(
    ("name", "numbered"),
    [
        pytest.param("photo.jpg", "photo (2).jpg", id="extension"),
        pytest.param("a.tar.gz", "a.tar (2).gz", id="last-extension"),
        pytest.param("README", "README (2)", id="no-extension"),
        pytest.param(".bashrc", ".bashrc (2)", id="hidden"),
        pytest.param("photo (2).jpg", "photo (2) (2).jpg", id="numbered-already"),
        pytest.param("a.", "a (2).", id="dot-at-the-end"),
        pytest.param("a" * 255, "a" * 251 + " (2)", id="full"),
        pytest.param("a" * 251 + ".jpg", "a" * 247 + " (2).jpg", id="full-with-extension"),
        pytest.param("é" * 127, "é" * 125 + " (2)", id="cut-between-characters"),
        pytest.param("文" * 85, "文" * 83 + " (2)", id="three-bytes-each"),
        pytest.param("a.b/photo.jpg", "a.b/photo (2).jpg", id="in-a-folder"),
        pytest.param("a.b/README", "a.b/README (2)", id="dot-in-the-folder"),
        pytest.param("a/" * 15 + ".a", "a/" * 15 + ".a (2)", id="hidden-in-a-folder"),
        pytest.param("a" * 255 + "/b.jpg", "a" * 255 + "/b (2).jpg", id="long-folder"),
        pytest.param(
            "/".join(["a" * 252] * 4) + "/" + "b" * 12, "/".join(["a" * 252] * 4) + "/" + "b" * 8 + " (2)", id="1024"
        ),
        pytest.param("a." + "b" * 253, "a." + "b" * 249 + " (2)", id="extension-without-room"),
    ],
)
def test_the_number_stands_before_the_extension(name: str, numbered: str) -> None:
    assert numbered_name(name, 2) == numbered


@pytest.mark.alone
def test_a_name_without_measure_is_refused_at_once() -> None:
    """The order of combining marks is found by insertion: composing 16 KiB of them takes a tenth of a second."""
    start = time.process_time()
    for _ in range(100):
        with pytest.raises(InvalidName, match="must have 1 to 255 bytes"):
            parse_name("a" + "\u0315\u0300" * 4000)
    assert time.process_time() - start < 1


def test_the_longest_name_is_accepted_also_decomposed() -> None:
    name = "\u1f82" * (MAX_LABEL_BYTES // 3)
    assert parse_name(unicodedata.normalize("NFD", name)) == name


def test_a_folder_may_leave_no_room_for_a_number() -> None:
    name = "/".join([*("a" * size for size in (255, 255, 254, 253)), "bbb"])
    assert len(parse_name(name)) == 1024
    with pytest.raises(NameTaken):
        numbered_name(name, 2)


def test_a_label_lies_in_no_folder() -> None:
    assert parse_label("e\u0301") == "é"
    with pytest.raises(InvalidName):
        parse_label("a/b")


@pytest.mark.parametrize(
    ("filename", "relative_path", "name"),
    [
        pytest.param("a.jpg", None, "a.jpg", id="none"),
        pytest.param("a.jpg", "", "a.jpg", id="empty"),
        pytest.param("a.jpg", "null", "a.jpg", id="null"),
        pytest.param("null", "null", "null", id="a-file-called-null"),
        pytest.param("a.jpg", "day/a.jpg", "day/a.jpg", id="folder"),
        pytest.param("a.jpg", "/day/a.jpg", "day/a.jpg", id="dropped-folder"),
        pytest.param("a.jpg", "day/b.jpg", "a.jpg", id="of-another-file"),
        pytest.param("b/a.jpg", "day/a.jpg", "b/a.jpg", id="beside-a-path"),
        pytest.param("a.jpg", "a.jpg", "a.jpg", id="the-name-itself"),
        pytest.param("e\u0301", "e\u0301/e\u0301", "é/é", id="decomposed"),
        pytest.param("e\u0301", "day/é", "day/é", id="decomposed-name-only"),
        pytest.param("é", "day/e\u0301", "day/é", id="decomposed-path-only"),
        pytest.param("é", "day/" + "e\u0301" * 1000, "é", id="too-long-for-a-label"),
    ],
)
def test_a_relative_path_is_the_name_where_it_ends_in_it(filename: str, relative_path: str | None, name: str) -> None:
    assert parse_name_in_folder(filename, relative_path) == name


@pytest.mark.parametrize(
    "relative_path", ["../a.jpg", "//a.jpg", "day//a.jpg", "day\\x/a.jpg", "/".join("b" * 16) + "/a.jpg"]
)
def test_a_relative_path_is_held_to_the_rules(relative_path: str) -> None:
    with pytest.raises(InvalidName):
        parse_name_in_folder("a.jpg", relative_path)
