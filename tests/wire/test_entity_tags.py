"""Reading and comparing entity tags, reading and printing HTTP dates."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.wire.conditions import (
    EntityTag,
    format_http_date,
    parse_http_date,
    parse_tag,
    parse_tag_list,
)

ETAG_CHARACTERS = "".join(map(chr, [0x21, *range(0x23, 0x7F), *range(0x80, 0x100)]))
TAGS = st.builds(EntityTag, st.text(ETAG_CHARACTERS, max_size=12), weak=st.booleans())
SEPARATORS = st.sampled_from([",", ", ", " ,", "\t,\t", ",,", ", , "])
INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001


@given(tag=TAGS)
def test_a_printed_tag_is_read_back(tag: EntityTag) -> None:
    assert parse_tag(str(tag)) == tag
    assert parse_tag_list(str(tag)) == [tag]


@given(tags=st.lists(TAGS, max_size=6), separator=SEPARATORS, around=st.sampled_from(["", " ", ",", " , "]))
def test_a_list_gives_its_tags_in_order(tags: list[EntityTag], separator: str, around: str) -> None:
    assert parse_tag_list(around + separator.join(map(str, tags)) + around) == tags


@given(value=st.text(max_size=40) | st.text('W/",ab \t*', max_size=40))
def test_any_text_is_a_tag_or_none_and_a_list_of_whole_tags(value: str) -> None:
    tag = parse_tag(value)
    assert tag is None or str(tag) == value.strip(" \t")
    assert all(str(each) in value for each in parse_tag_list(value))


@given(one=TAGS, other=TAGS)
def test_comparison_follows_the_table_of_the_rfc(one: EntityTag, other: EntityTag) -> None:
    same = one.opaque == other.opaque
    assert one.matches_weakly(other) == same
    assert one.matches_strongly(other) == (same and not (one.weak or other.weak))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("a", id="no-quotes"),
        pytest.param('"a', id="one-quote"),
        pytest.param('w/"a"', id="small-w"),
        pytest.param('W/ "a"', id="blank-behind-w"),
        pytest.param('"a"b"', id="quote-inside"),
        pytest.param('"a b"', id="blank-inside"),
        pytest.param('"a","b"', id="two"),
        pytest.param('"a"\n', id="newline"),
        pytest.param('"\u20ac"', id="beyond-latin-1"),
        pytest.param("*", id="star"),
    ],
)
def test_a_malformed_tag_is_none(value: str) -> None:
    assert parse_tag(value) is None


@pytest.mark.parametrize(
    ("value", "opaque"),
    [
        pytest.param('"a" "b"', [], id="no-comma"),
        pytest.param('"a", b, "c"', ["a"], id="bare-word"),
        pytest.param('"a", "b', ["a"], id="unfinished"),
        pytest.param('"a", w/"b", "c"', ["a"], id="small-w"),
        pytest.param('"a,b", "c"', ["a,b", "c"], id="comma-inside"),
    ],
)
def test_nothing_counts_from_the_first_malformed_member_on(value: str, opaque: list[str]) -> None:
    assert [tag.opaque for tag in parse_tag_list(value)] == opaque


@given(at=INSTANTS)
def test_a_printed_date_is_read_back_to_the_second(at: datetime) -> None:
    assert parse_http_date(format_http_date(at)) == at.replace(microsecond=0)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("Sun, 06 Nov 1994 08:49:37 GMT", id="imf-fixdate"),
        pytest.param("Sunday, 06-Nov-94 08:49:37 GMT", id="rfc-850"),
        pytest.param("Sun Nov  6 08:49:37 1994", id="asctime"),
    ],
)
def test_all_three_forms_of_a_date_are_read(value: str) -> None:
    assert parse_http_date(value) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@given(value=st.text(max_size=40) | st.text("0123456789:+- GMTJanSun,", max_size=60))
def test_no_text_makes_the_date_parser_fail(value: str) -> None:
    parsed = parse_http_date(value)
    assert parsed is None or parsed.tzinfo is not None


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", id="year"),
        pytest.param("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", id="zone"),
        pytest.param("Mon, " + "9" * 5000 + " Jan 2024 00:00:00 GMT", id="day"),
    ],
)
def test_a_date_with_a_huge_number_is_none(value: str) -> None:
    assert parse_http_date(value) is None


def test_dates_are_printed_in_gmt() -> None:
    at = datetime(1994, 11, 6, 10, 49, 37, tzinfo=timezone(timedelta(hours=2)))
    assert format_http_date(at) == "Sun, 06 Nov 1994 08:49:37 GMT"
