"""Printing Content-Disposition, and reading the one of a form's part."""

import re
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from transfer_service.errors import InvalidName
from transfer_service.wire.filenames import MAX_LABEL_BYTES, format_disposition, parse_filename, parse_form_filename

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
GRAMMAR = re.compile(
    r"""attachment;\ filename="(?P<plain>[\x20-\x21\x23-\x5b\x5d-\x7e]+)"
        (;\ filename\*=UTF-8''(?P<exact>(?:[A-Za-z0-9!\#$&+.^_`|~-]|%[0-9A-F]{2})+))?""",
    re.VERBOSE,
)
HASH = re.compile(r"-[0-9a-f]{8}(?=$|\.[A-Za-z0-9]{1,16}$)")


def parts(name: str) -> tuple[str, str]:
    """The fallback and the exact name, read by the grammar of RFC 6266 and RFC 8187."""
    match = GRAMMAR.fullmatch(format_disposition(name))
    assert match is not None
    exact = match["exact"]
    return match["plain"], match["plain"] if exact is None else unquote_to_bytes(exact).decode()


@given(name=NAMES)
def test_every_name_is_read_back_exactly(name: str) -> None:
    assert parts(name)[1] == name


@given(name=NAMES)
def test_the_fallback_is_a_visible_name_and_no_path(name: str) -> None:
    plain = parts(name)[0]
    assert plain.strip(" ") and not plain.startswith(".")
    assert not set(plain) & set('"\\/%')
    assert len(plain) <= MAX_LABEL_BYTES


@given(names=st.lists(NAMES, min_size=2, max_size=6, unique=True))
def test_two_names_have_two_fallbacks(names: list[str]) -> None:
    assert len({parts(name)[0] for name in names}) == len(names)


@pytest.mark.parametrize("name", ["a.txt", "a", "a b (2).tar.gz", "it's; a=b.txt", "trailing."])
def test_a_name_that_ascii_can_say_is_said_once(name: str) -> None:
    assert format_disposition(name) == f'attachment; filename="{name}"'


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        pytest.param("résumé.pdf", "resume-#.pdf", id="accents"),
        pytest.param("文件.bin", "__-#.bin", id="another-script"),
        pytest.param("图片.bin", "__-#.bin", id="another-name-of-that-script"),
        pytest.param("文件", "__-#", id="without-extension"),
        pytest.param("a.文件", "a.__-#", id="extension-of-another-script"),
        pytest.param(".bashrc", "bashrc-#", id="hidden"),
        pytest.param("   ", "file-#", id="blanks"),
        pytest.param("..文", "_-#", id="dots-in-front"),
        pytest.param('a"b', "a_b-#", id="quote"),
        pytest.param("a\r\nX: 1", "a__X: 1-#", id="line-break"),
        pytest.param("100%41", "100_41-#", id="percent"),
        pytest.param("\uff02", "_-#", id="full-width-quote"),
        pytest.param("..\uff0fx", "_x-#", id="full-width-slash"),
        pytest.param("\u2025", "file-#", id="two-dot-leader"),
        pytest.param("e\u0301.txt", "e-#.txt", id="combining"),
    ],
)
def test_the_fallback_is_what_ascii_can_say(name: str, plain: str) -> None:
    assert (HASH.sub("-#", parts(name)[0]), parts(name)[1]) == (plain, name)


@given(name=NAMES)
def test_werkzeug_reads_the_exact_name_too(name: str) -> None:
    kind, options = parse_options_header(format_disposition(name))
    assert (kind, options["filename"]) == ("attachment", name)


def test_the_longest_name_fits_in_a_header_line() -> None:
    assert len(format_disposition("\u6587" * (MAX_LABEL_BYTES // 3))) < 1000
    assert format_disposition("a", kind="inline").startswith("inline; ")


@given(name=NAMES)
def test_a_printed_name_is_read_back_by_ourselves(name: str) -> None:
    assert parse_filename(format_disposition(name, kind="form-data")) == name


@given(name=NAMES)
def test_a_quoted_name_is_read_back(name: str) -> None:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    assert parse_filename(f'form-data; name="file"; filename="{escaped}"') == name


@pytest.mark.parametrize(
    ("value", "filename"),
    [
        pytest.param("", None, id="empty"),
        pytest.param("form-data", None, id="only-the-kind"),
        pytest.param('form-data; name="file"', None, id="a-field"),
        pytest.param("form-data; filename=a.txt", "a.txt", id="bare"),
        pytest.param('form-data; filename=""', "", id="empty-name"),
        pytest.param('form-data; FileName="a.txt"', "a.txt", id="capitals"),
        pytest.param("form-data; filename=\"a\"; filename*=UTF-8''%E2%82%AC", "\u20ac", id="extended-wins"),
        pytest.param("form-data; filename*=utf-8'en'a%20b", "a b", id="with-language"),
        pytest.param('form-data; filename="../a"', "../a", id="a-path-stays-one"),
        pytest.param(
            "form-data; filename=\"a; filename*=UTF-8''b\"", "a; filename*=UTF-8''b", id="extended-inside-quotes"
        ),
        pytest.param('form-data; name="x; filename=y"', None, id="filename-inside-another-value"),
    ],
)
def test_the_filename_of_a_part(value: str, filename: str | None) -> None:
    assert parse_filename(value) == filename


def test_an_extended_name_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(InvalidName):
        parse_filename("form-data; filename*=UTF-8''%FF")


@given(name=NAMES)
def test_a_name_that_a_browser_encoded_is_read_back(name: str) -> None:
    assume(not re.search("%22|%0D|%0A", name) and "\\" not in name)
    encoded = name.replace("\n", "%0A").replace("\r", "%0D").replace('"', "%22")
    assert parse_form_filename(f'form-data; name="file"; filename="{encoded}"') == name


@pytest.mark.parametrize(
    ("value", "filename"),
    [
        pytest.param('form-data; filename="100%25.txt"', "100%25.txt", id="percent-is-not-encoded"),
        pytest.param("form-data; filename*=UTF-8''a%2522", "a%22", id="extended-is-decoded-once"),
        pytest.param("form-data", None, id="none"),
    ],
)
def test_browsers_encode_nothing_else(value: str, filename: str | None) -> None:
    assert parse_form_filename(value) == filename


@pytest.mark.parametrize("value", ['a; filename="a.txt', 'a; filename="', 'a; filename="a.txt\\"', 'a; filename="a"b"'])
def test_a_quote_that_does_not_end_is_no_name(value: str) -> None:
    with pytest.raises(InvalidName):
        parse_filename(value)
