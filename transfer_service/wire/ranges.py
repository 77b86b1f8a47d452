"""The Range header and multipart/byteranges bodies (RFC 9110 sections 14.1 to 14.6)."""

import re

from transfer_service.wire.spans import Span

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
