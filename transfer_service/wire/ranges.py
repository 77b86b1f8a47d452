"""The Range header and multipart/byteranges bodies (RFC 9110 sections 14.1 to 14.6)."""

import re
from dataclasses import dataclass

from transfer_service.errors import InvalidRequest


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The bytes from `start` up to but not including `stop`."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """Bytes in the span."""
        return self.stop - self.start

    def overlap(self, other: "Span") -> "Span | None":
        """The bytes in both, or None."""
        start, stop = max(self.start, other.start), min(self.stop, other.stop)
        return Span(start, stop) if start < stop else None


MAX_RANGES = 16
_ENOUGH_DIGITS = 100
_SPEC = re.compile(r"([0-9]*)-([0-9]*)", re.ASCII)


class Unsatisfiable(Exception):
    """No range of the header lies in the file: 416."""


def select_ranges(value: str, length: int) -> list[Span] | None:
    """The spans of a file of `length` bytes that `value` asks for, in its order; None where Range is to be ignored.

    Ignored are other units, malformed headers, more than MAX_RANGES ranges, and any range of an empty file, of which no
    Content-Range could tell. Ranges that overlap or touch become one
    (section 15.3.7.2), so that a short header cannot buy more than the file. Raises Unsatisfiable.
    """
    unit, equals, specs = value.partition("=")
    if not equals or unit.lower() != "bytes" or length == 0:
        return None
    items = [item.strip(" \t") for item in specs.split(",")]
    items = [item for item in items if item]
    if not items or len(items) > MAX_RANGES:
        return None
    spans = []
    for item in items:
        match = _SPEC.fullmatch(item)
        if match is None or item == "-" or _is_reversed(match):
            return None
        span = _resolve(match, length)
        if span is not None:
            spans.append(span)
    if not spans:
        raise Unsatisfiable
    return _coalesce(spans)


def _coalesce(spans: list[Span]) -> list[Span]:
    """Spans that neither overlap nor touch, each where the first of those in it was asked for."""
    merged: list[Span] = []
    for span in spans:
        apart = [other for other in merged if other.stop < span.start or span.stop < other.start]
        joined = [other for other in merged if other not in apart]
        place = merged.index(joined[0]) if joined else len(merged)
        union = Span(min(each.start for each in (span, *joined)), max(each.stop for each in (span, *joined)))
        merged = [*apart[:place], union, *apart[place:]]
    return merged


def _is_reversed(match: re.Match[str]) -> bool:
    return bool(match[1] and match[2]) and _number(match[2]) < _number(match[1])


def _number(digits: str) -> int:
    return int(digits) if len(digits) <= _ENOUGH_DIGITS else 10**_ENOUGH_DIGITS  # int() refuses thousands of digits


def _resolve(match: re.Match[str], length: int) -> Span | None:
    first, last = match[1], match[2]
    if not first:
        span = Span(max(0, length - _number(last)), length)
    else:
        span = Span(_number(first), min(_number(last) + 1, length) if last else length)
    return span if span.size > 0 else None


def format_content_range(span: Span, length: int) -> str:
    """`bytes first-last/length`."""
    return f"bytes {span.start}-{span.stop - 1}/{length}"


def format_unsatisfied(length: int) -> str:
    """`bytes */length`, for 416."""
    return f"bytes */{length}"


def part_header(span: Span, *, length: int, media_type: str, boundary: str) -> bytes:
    """What stands before a part's bytes in multipart/byteranges."""
    return (
        f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {format_content_range(span, length)}\r\n\r\n"
    ).encode("latin-1")


def closing_boundary(boundary: str) -> bytes:
    """What stands behind the last part."""
    return f"\r\n--{boundary}--\r\n".encode("latin-1")


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
