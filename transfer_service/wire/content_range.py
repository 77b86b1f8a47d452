"""The Content-Range header of a request (RFC 9110 section 14.4)."""

import re
from dataclasses import dataclass

from transfer_service.errors import InvalidRequest
from transfer_service.wire.spans import Span

INVALID = "Invalid Content-Range header"
_UNIT = re.compile(r"bytes[ \t]", re.ASCII | re.IGNORECASE)
_PATTERN = re.compile(r"bytes ([0-9]{1,40})-([0-9]{1,40})/([0-9]{1,40}|\*)", re.ASCII | re.IGNORECASE)
_UNSATISFIED = re.compile(r"bytes \*/[0-9]+", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ContentRange:
    """The range a body covers and the total length, None where the client wrote `*`."""

    span: Span
    total: int | None


def parse_content_range(value: str) -> ContentRange:
    """Read `bytes s-e/T` or `bytes s-e/*`. Raises InvalidRequest, which says what of it is wrong."""
    value = value.strip(" \t")
    match = _PATTERN.fullmatch(value)
    if match is None:
        raise InvalidRequest(f"{INVALID}: {_flaw(value)}")
    span = Span(int(match[1]), int(match[2]) + 1)
    total = None if match[3] == "*" else int(match[3])
    if span.size <= 0:
        raise InvalidRequest(f"{INVALID}: the range ends before it starts")
    if total is not None and span.stop > total:
        raise InvalidRequest(f"{INVALID}: the range ends past the total")
    return ContentRange(span=span, total=total)


def _flaw(value: str) -> str:
    """Why this is no range of bytes."""
    if _UNIT.match(value) is None:
        return "the unit must be bytes"
    if _UNSATISFIED.fullmatch(value):
        return "it names no range"
    return "expected bytes START-END/TOTAL or bytes START-END/*"
