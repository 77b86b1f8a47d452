"""The validator that a later request may resume by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3 import HTTPHeaderDict

from transfer_service.errors import SourceFailed
from transfer_service.remote.responses import Head

DATE = ("Date", "Sun, 01 Nov 2026 12:00:00 GMT")
MODIFIED = ("Last-Modified", "Sun, 01 Nov 2026 11:59:00 GMT")
TEXT = st.text(st.characters(max_codepoint=255), max_size=40)


def head(*fields: tuple[str, str]) -> Head:
    return Head(status=200, headers=HTTPHeaderDict(fields))


@pytest.mark.parametrize(
    ("fields", "validator"),
    [
        pytest.param([("ETag", '"a"')], '"a"', id="strong-tag"),
        pytest.param([("ETag", '"a"'), MODIFIED, DATE], '"a"', id="tag-before-date"),
        pytest.param([("ETag", ' "a" ')], '"a"', id="tag-with-spaces"),
        pytest.param([("ETag", 'W/"a"'), MODIFIED, DATE], None, id="weak-tag-forbids-the-date"),
        pytest.param([("ETag", "a"), MODIFIED, DATE], None, id="malformed-tag"),
        pytest.param([("ETag", '"a"'), ("ETag", '"b"')], None, id="two-tags"),
        pytest.param([("ETag", f'"{"a" * 600}"')], None, id="huge-tag"),
        pytest.param([MODIFIED, DATE], MODIFIED[1], id="date-a-minute-old"),
        pytest.param([("Last-Modified", "Sun, 01 Nov 2026 11:59:01 GMT"), DATE], None, id="date-too-fresh"),
        pytest.param([("Last-Modified", "Sun, 01 Nov 2026 12:59:00 GMT"), DATE], None, id="date-in-the-future"),
        pytest.param([MODIFIED], None, id="no-clock"),
        pytest.param([("Last-Modified", "Sunday, 01-Nov-26 11:00:00 GMT"), DATE], None, id="obsolete-form"),
        pytest.param([("Last-Modified", "yesterday"), DATE], None, id="no-date"),
        pytest.param([], None, id="nothing"),
    ],
)
def test_only_a_strong_validator_is_remembered(fields: list[tuple[str, str]], validator: str | None) -> None:
    assert head(*fields).find_validator() == validator


@given(fields=st.lists(st.tuples(st.sampled_from(["ETag", "Last-Modified", "Date"]), TEXT)))
def test_no_head_makes_the_validator_fail(fields: list[tuple[str, str]]) -> None:
    validator = head(*fields).find_validator()
    assert validator is None or "\n" not in validator


@given(value=TEXT | st.from_regex(r"\Abytes [0-9]+-[0-9]+/([0-9]+|\*)\Z"), start=st.integers(1, 99))
def test_a_part_never_begins_elsewhere_or_ends_past_the_file(value: str, start: int) -> None:
    try:
        stop = head(("Content-Range", value)).find_stop(start=start, size=100, validator='"a"')
    except SourceFailed:
        return
    assert stop is None or start < stop <= 100
