"""Opaque cursors of paged listings."""

import base64
import binascii
import struct
import uuid
from datetime import UTC, datetime, timedelta

from transfer_service.errors import InvalidRequest
from transfer_service.services.files import Position

_LAYOUT = struct.Struct(">q16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def format_cursor(position: Position) -> str:
    """A position as text that fits into a URL."""
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
