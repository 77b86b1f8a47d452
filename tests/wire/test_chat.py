"""Checking what people write in a chat."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.errors import InvalidRequest
from transfer_service.wire.chat import (
    MAX_CONTENT_CHARACTERS,
    MAX_GROUP_NAME_CHARACTERS,
    parse_account_names,
    parse_caption,
    parse_group_name,
    parse_text,
)

PARSERS = [
    pytest.param(parse_text, MAX_CONTENT_CHARACTERS, id="text"),
    pytest.param(parse_caption, MAX_CONTENT_CHARACTERS, id="caption"),
    pytest.param(parse_group_name, MAX_GROUP_NAME_CHARACTERS, id="group-name"),
]
Parser = Callable[[object], str | None]


@given(text=st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=200))
def test_what_can_be_seen_is_kept_as_it_is(text: str) -> None:
    visible = bool(text.strip())
    assert parse_caption(text) == (text if visible else None)
    if visible:
        assert parse_text(text) == parse_group_name(text) == text


@pytest.mark.parametrize(("parse", "limit"), PARSERS)
def test_the_longest_is_kept_and_one_more_refused(parse: Parser, limit: int) -> None:
    assert parse("🙂" * limit) == "🙂" * limit
    with pytest.raises(InvalidRequest, match=f"at most {limit} characters"):
        parse("a" * (limit + 1))


@pytest.mark.parametrize("value", [7, True, b"text", ["text"], {}, "a\0b", "a\ud800"], ids=ascii)
@pytest.mark.parametrize(("parse", "_limit"), PARSERS)
def test_what_cannot_be_stored_is_refused(parse: Parser, _limit: int, value: object) -> None:
    with pytest.raises(InvalidRequest):
        parse(value)


@pytest.mark.parametrize("value", [None, "", " \t\n", "\u3000"], ids=ascii)
def test_nothing_is_no_caption_and_neither_a_text_nor_a_name(value: object) -> None:
    assert parse_caption(value) is None
    for parse in (parse_text, parse_group_name):
        with pytest.raises(InvalidRequest):
            parse(value)


def test_names_are_kept_in_order_and_once() -> None:
    assert parse_account_names(["b", "a", "b"]) == ["b", "a"]
    assert parse_account_names([]) == []


@pytest.mark.parametrize("value", ["bob", None, {"bob": 1}, ["bob", 7], [None], [["bob"]]], ids=ascii)
def test_anything_but_a_list_of_strings_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequest):
        parse_account_names(value)
