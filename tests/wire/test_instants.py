"""Reading and printing instants."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.wire.instants import format_instant, format_second, parse_end, parse_instant

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(min_value=datetime(1970, 1, 3), max_value=datetime(9999, 12, 29), timezones=ZONES)  # noqa: DTZ001


@given(at=INSTANTS)
def test_what_is_printed_is_read_again_to_the_microsecond(at: datetime) -> None:
    read = parse_instant(at.isoformat())
    assert (read, read.tzinfo) == (at, UTC)


@given(at=INSTANTS)
def test_printing_cuts_off_what_is_less_than_a_millisecond(at: datetime) -> None:
    printed = format_instant(at)
    assert printed.endswith("Z")
    assert timedelta(0) <= at - parse_instant(printed) < timedelta(milliseconds=1)


@given(text=st.text(alphabet="0123456789-:.,TtZzW+ x\u0660", max_size=40))
def test_nothing_but_a_value_error_comes_out(text: str) -> None:
    try:
        assert parse_instant(text).tzinfo is UTC
    except ValueError as error:
        assert str(error)


@given(at=INSTANTS)
def test_a_second_is_printed_without_its_parts(at: datetime) -> None:
    printed = format_second(at)
    assert (len(printed), printed[-1]) == (len("2024-05-01T12:00:00Z"), "Z")
    assert timedelta(0) <= at - parse_instant(printed) < timedelta(seconds=1)


def test_every_instant_has_milliseconds() -> None:
    assert format_instant(NOON) == "2024-05-01T12:00:00.000Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2024-05-01T12:00:00Z", NOON, id="zulu"),
        pytest.param("2024-05-01t12:00:00z", NOON, id="lower-case"),
        pytest.param("2024-05-01T12:00:00", NOON, id="no-zone"),
        pytest.param("2024-05-01 12:00", NOON, id="space-and-no-seconds"),
        pytest.param("2024-05-01T14:00:00+02:00", NOON, id="offset"),
        pytest.param("2024-05-01T07:00:00-0500", NOON, id="offset-without-colon"),
        pytest.param("20240501T120000Z", NOON, id="basic-format"),
        pytest.param("2024-05-01", NOON - timedelta(hours=12), id="date"),
        pytest.param("2024-W18-3", NOON - timedelta(hours=12), id="week-date"),
        pytest.param("2024-05-01T12:00:00.5Z", NOON + timedelta(milliseconds=500), id="tenths"),
        pytest.param("2024-05-01T12:00:00,25Z", NOON + timedelta(milliseconds=250), id="comma"),
        pytest.param("2024-05-01T12:00:00.123456789Z", NOON + timedelta(microseconds=123456), id="nanoseconds"),
    ],
)
def test_the_forms_of_an_instant(text: str, expected: datetime) -> None:
    assert parse_instant(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("now", id="word"),
        pytest.param("1714564800000", id="milliseconds"),
        pytest.param("2024-05-01x12:00:00", id="odd-separator"),
        pytest.param("2024-13-01", id="month-13"),
        pytest.param("2024-02-30", id="30-february"),
        pytest.param("2024-05-01T25:00:00", id="hour-25"),
        pytest.param("2024-05-01T12:00:00+24:00", id="offset-of-a-day"),
        pytest.param("0001-01-01T00:00:00+05:00", id="before-the-calendar"),
        pytest.param("9999-12-31T23:00:00-05:00", id="after-the-calendar"),
        pytest.param("2024-05-01T12:00:00Z\n", id="line-end"),
        pytest.param("\u0662\u0660\u0662\u0664-05-01", id="other-digits"),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_instant(text)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        pytest.param("2024-05-01", "2024-05-01T23:59:59.999999", id="date"),
        pytest.param("20240501", "2024-05-01T23:59:59.999999", id="basic-date"),
        pytest.param("2024-05-01T12", "2024-05-01T12:59:59.999999", id="hour"),
        pytest.param("2024-05-01T12:30", "2024-05-01T12:30:59.999999", id="minute"),
        pytest.param("2024-05-01T12:30:15Z", "2024-05-01T12:30:15.999999", id="second"),
        pytest.param("20240501T123015Z", "2024-05-01T12:30:15.999999", id="basic-second"),
        pytest.param("2024-05-01T12:30:15.1Z", "2024-05-01T12:30:15.199999", id="tenth"),
        pytest.param("2024-05-01T12:30:15.123Z", "2024-05-01T12:30:15.123999", id="millisecond"),
        pytest.param("2024-05-01T12:30:15,123456+02:00", "2024-05-01T10:30:15.123456", id="microsecond-in-a-zone"),
        pytest.param("2024-05-01T12:30-0230", "2024-05-01T15:00:59.999999", id="minute-in-a-zone"),
        pytest.param("9999-12-31", "9999-12-31T23:59:59.999999", id="last-day"),
    ],
)
def test_what_is_to_be_included_ends_with_the_last_moment_that_it_may_mean(text: str, end: str) -> None:
    assert parse_end(text) == datetime.fromisoformat(end).replace(tzinfo=UTC)


@given(text=st.text(alphabet="0123456789-:.,TtZzW+ x\u0660", max_size=40))
def test_an_end_is_refused_where_an_instant_is(text: str) -> None:
    try:
        at = parse_instant(text)
    except ValueError as error:
        with pytest.raises(ValueError, match=re.escape(str(error))):
            parse_end(text)
    else:
        assert at <= parse_end(text)
