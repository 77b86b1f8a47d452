"""Weighing the preconditions of a GET or HEAD."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.wire.conditions import EntityTag, Validators, Verdict, evaluate, format_http_date, range_applies

MODIFIED = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
CURRENT = Validators(etag=EntityTag("now"), modified_at=MODIFIED)
SECOND = timedelta(seconds=1)
BEFORE, SAME, AFTER = (format_http_date(at) for at in (MODIFIED - SECOND, MODIFIED, MODIFIED + SECOND))


@dataclass(frozen=True)
class Condition:
    """A header's value and whether it holds: for If-Match and its like "the tag is among them", for dates "unchanged
    since". None stands for a value that does not count."""

    value: str | None
    holds: bool | None


STRONG_TAGS = st.sampled_from(
    [
        Condition(None, None),
        Condition("*", True),
        Condition('"now"', True),
        Condition('"old", "now"', True),
        Condition('"old"', False),
        Condition('W/"now"', False),
        Condition('"NOW"', False),
        Condition("now", False),
        Condition("", False),
    ]
)
WEAK_TAGS = st.sampled_from(
    [
        Condition(None, None),
        Condition("*", True),
        Condition('"now"', True),
        Condition('W/"now"', True),
        Condition('"a",W/"now" , "b"', True),
        Condition('"old", W/"older"', False),
        Condition("now", False),
    ]
)
DATES = st.sampled_from(
    [
        Condition(None, None),
        Condition(BEFORE, False),
        Condition(SAME, True),
        Condition(AFTER, True),
        Condition("Fri, 31 Dec 9999 23:59:59 GMT", True),
        Condition("yesterday", None),
        Condition("", None),
        Condition("Sun, 31 Feb 2026 12:00:00 GMT", None),
    ]
)


def by_the_book(match: Condition, unmodified: Condition, none_match: Condition, modified: Condition) -> Verdict:
    """The numbered steps of RFC 9110 section 13.2.2, for GET and HEAD."""
    step_1 = match.value is not None and not match.holds
    step_2 = match.value is None and unmodified.holds is False
    if step_1 or step_2:
        return Verdict.PRECONDITION_FAILED
    step_3 = none_match.value is not None and none_match.holds
    step_4 = none_match.value is None and modified.holds is True
    return Verdict.NOT_MODIFIED if step_3 or step_4 else Verdict.PROCEED


@given(match=STRONG_TAGS, unmodified=DATES, none_match=WEAK_TAGS, modified=DATES)
def test_every_combination_follows_the_order_of_the_rfc(
    match: Condition, unmodified: Condition, none_match: Condition, modified: Condition
) -> None:
    names = ("If-Match", "If-Unmodified-Since", "If-None-Match", "If-Modified-Since")
    values = (match.value, unmodified.value, none_match.value, modified.value)
    headers = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    assert evaluate(headers, CURRENT) is by_the_book(match, unmodified, none_match, modified)


@pytest.mark.parametrize(
    ("headers", "verdict"),
    [
        pytest.param({}, Verdict.PROCEED, id="no-condition"),
        pytest.param({"If-Match": '"old"'}, Verdict.PRECONDITION_FAILED, id="match-missed"),
        pytest.param({"If-Match": 'W/"now"'}, Verdict.PRECONDITION_FAILED, id="match-is-strong"),
        pytest.param({"If-Match": "*"}, Verdict.PROCEED, id="match-any"),
        pytest.param({"If-Match": '"now"', "If-Unmodified-Since": BEFORE}, Verdict.PROCEED, id="match-beats-date"),
        pytest.param({"If-Unmodified-Since": BEFORE}, Verdict.PRECONDITION_FAILED, id="changed-since"),
        pytest.param({"If-Unmodified-Since": "never"}, Verdict.PROCEED, id="date-malformed"),
        pytest.param({"If-None-Match": 'W/"now"'}, Verdict.NOT_MODIFIED, id="none-match-is-weak"),
        pytest.param({"If-None-Match": '"old"', "If-Modified-Since": AFTER}, Verdict.PROCEED, id="tag-beats-date"),
        pytest.param({"If-Modified-Since": AFTER}, Verdict.NOT_MODIFIED, id="date-in-the-future"),
        pytest.param(
            {"If-Match": '"old"', "If-None-Match": '"now"'}, Verdict.PRECONDITION_FAILED, id="match-comes-first"
        ),
        pytest.param({"If-None-Match": '"old", oops, "now"'}, Verdict.PROCEED, id="nothing-behind-a-malformed-tag"),
    ],
)
def test_known_cases(headers: dict[str, str], verdict: Verdict) -> None:
    assert evaluate(headers, CURRENT) is verdict


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", id="huge-year"),
        pytest.param("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", id="huge-zone"),
        pytest.param("Mon, 01 Jan 2024 00:00:" + "9" * 5000 + " GMT", id="thousands-of-digits"),
    ],
)
@pytest.mark.parametrize("name", ["If-Unmodified-Since", "If-Modified-Since"])
def test_an_impossible_date_does_not_count(name: str, value: str) -> None:
    assert evaluate({name: value}, CURRENT) is Verdict.PROCEED


@pytest.mark.parametrize(
    ("value", "applies"),
    [
        pytest.param(None, True, id="absent"),
        pytest.param('"now"', True, id="same-tag"),
        pytest.param(' "now" ', True, id="blanks-around"),
        pytest.param('W/"now"', False, id="weak-tag"),
        pytest.param('"old"', False, id="other-tag"),
        pytest.param('"now", "now"', False, id="a-list"),
        pytest.param("*", False, id="star"),
        pytest.param(SAME, True, id="exact-date"),
        pytest.param(BEFORE, False, id="earlier-date"),
        pytest.param(AFTER, False, id="later-date"),
        pytest.param("", False, id="empty"),
        pytest.param("now", False, id="bare-word"),
        pytest.param("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", False, id="huge-year"),
    ],
)
def test_if_range_needs_a_strong_tag_or_the_exact_date(value: str | None, applies: bool) -> None:
    assert range_applies(value, CURRENT) is applies


def test_no_date_lets_a_range_apply_where_another_server_gives_dates_of_its_own() -> None:
    both = Validators(CURRENT.etag, MODIFIED, Validators(EntityTag("theirs"), MODIFIED + SECOND))
    assert not any(range_applies(date, both) for date in (SAME, AFTER))
    assert all(range_applies(tag, both) for tag in ('"now"', '"theirs"', None))


def test_a_weak_validator_never_lets_a_range_apply() -> None:
    weak = Validators(etag=EntityTag("now", weak=True), modified_at=MODIFIED)
    assert not range_applies('"now"', weak)
    assert evaluate({"If-Match": '"now"'}, weak) is Verdict.PRECONDITION_FAILED
