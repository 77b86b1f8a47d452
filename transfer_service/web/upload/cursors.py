"""Paged listings: what their query asks for, and opaque cursors."""

import base64
import binascii
import struct
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from transfer_service.errors import InvalidRequest
from transfer_service.services.files import Position
from transfer_service.web.requests import parse_count

DEFAULT_PAGE, MAX_PAGE = 100, 1000
_LAYOUT = struct.Struct(">q16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_page(query: Mapping[str, str]) -> tuple[int, Position | None]:
    """The `limit` of a query, and where its `cursor` says that the page begins. Raises InvalidRequest."""
    limit = parse_count(query.get("limit"), "limit")
    limit = DEFAULT_PAGE if limit is None else limit
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidRequest(f"limit must be 1 to {MAX_PAGE}")
    cursor = query.get("cursor")
    return limit, parse_cursor(cursor) if cursor else None


def format_cursor(position: Position | None) -> str | None:
    """A position as text that fits into a URL; there is none after the last page."""
    if position is None:
        return None
    microseconds = (position.created_at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(_LAYOUT.pack(microseconds, position.file_id.bytes)).decode().rstrip("=")


def parse_cursor(value: str) -> Position:
    """The position in a cursor. Raises InvalidRequest."""
    try:
        data = base64.b64decode(value.encode("ascii") + b"==", altchars=b"-_", validate=True)
        microseconds, file_id = _LAYOUT.unpack(data)
        created_at = _EPOCH + timedelta(microseconds=microseconds)
    except (ValueError, binascii.Error, struct.error, OverflowError) as error:
        raise InvalidRequest("Invalid cursor") from error
    return Position(created_at=created_at, file_id=uuid.UUID(bytes=file_id))
