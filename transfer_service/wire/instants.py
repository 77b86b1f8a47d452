"""Instants as text (ISO 8601)."""

import re
from datetime import UTC, datetime, timedelta

# What `fromisoformat` takes, without its freedom of writing anything between date and time.
_INSTANT = re.compile(r"[0-9W-]{8,10}([T ][0-9:]{2,8}([.,][0-9]{1,40})?(Z|[+-][0-9:]{2,5})?)?", re.ASCII)

_SECOND = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)

_A_SECOND = timedelta(seconds=1)


def format_instant(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"


def format_second(at: datetime) -> str:
    """ISO 8601 in UTC to the second, what is less cut off, and `Z`."""
    return at.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat(timespec="seconds") + "Z"


def parse_instant(value: str) -> datetime:
    """The instant in UTC, to the microsecond; a date is its midnight, no zone means UTC. Raises ValueError."""
    text = value.upper()
    if _INSTANT.fullmatch(text) is None:
        raise ValueError("not in ISO 8601")
    at = datetime.fromisoformat(text)
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("beyond the calendar") from error


def parse_end(value: str) -> datetime:
    """The last moment that `value` may mean, for what is to be included: of a date its last microsecond, of minutes and
    seconds likewise, of a fraction as its digits say. Raises ValueError.
    """
    at, text = parse_instant(value), value.upper()
    time = text.partition("T")[2] or text.partition(" ")[2]
    clock = re.split("[Z+-]", time)[0]
    fraction = re.split("[.,]", clock)[1:]
    if fraction:
        length = timedelta(microseconds=10 ** max(0, 6 - len(fraction[0])))
    else:
        digits = len(clock.replace(":", ""))
        length = {0: timedelta(days=1), 2: timedelta(hours=1), 4: timedelta(minutes=1)}.get(digits, _A_SECOND)
    try:
        return at + length - timedelta(microseconds=1)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def parse_second(value: str) -> datetime:
    """What `format_second` writes, and nothing else. Raises ValueError."""
    if _SECOND.fullmatch(value) is None:
        raise ValueError("not like 2026-01-31T12:00:00Z")
    return datetime.fromisoformat(value)
