"""The Content-Range header of a request (RFC 9110 section 14.4)."""

import re
from dataclasses import dataclass

from transfer_service.errors import InvalidRequest
from transfer_service.wire.spans import Span

INVALID = "Invalid Content-Range header"
_PATTERN = re.compile(r"bytes ([0-9]{1,40})-([0-9]{1,40})/([0-9]{1,40}|\*)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ContentRange:
    """The range a body covers and the total length, None where the client wrote `*`."""

    span: Span
    total: int | None


def parse_content_range(value: str) -> ContentRange:
    """Read `bytes s-e/T` or `bytes s-e/*`. Raises InvalidRequest, also where the range is reversed or ends past T."""
    match = _PATTERN.fullmatch(value.strip(" \t"))
    if match is None:
        raise InvalidRequest(INVALID)
    span = Span(int(match[1]), int(match[2]) + 1)
    total = None if match[3] == "*" else int(match[3])
    if span.size <= 0 or (total is not None and span.stop > total):
        raise InvalidRequest(INVALID)
    return ContentRange(span=span, total=total)
