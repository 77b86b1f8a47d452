"""Instants as text (ISO 8601)."""

import re
from datetime import UTC, datetime

# What `fromisoformat` takes, without its freedom of writing anything between date and time.
_INSTANT = re.compile(r"[0-9W-]{8,10}([T ][0-9:]{2,8}([.,][0-9]{1,40})?(Z|[+-][0-9:]{2,5})?)?", re.ASCII)

_SECOND = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)


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


def parse_second(value: str) -> datetime:
    """What `format_second` writes, and nothing else. Raises ValueError."""
    if _SECOND.fullmatch(value) is None:
        raise ValueError("not like 2026-01-31T12:00:00Z")
    return datetime.fromisoformat(value)
