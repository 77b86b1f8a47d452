"""Ids of conversations and messages: 24 lower-case hexadecimal digits that sort by the second they were made in."""

import re
import secrets
from datetime import datetime

from transfer_service.errors import InvalidRequest

_CHAT_ID = re.compile(r"[0-9a-f]{24}", re.ASCII)
_SECONDS_MASK = 0xFFFF_FFFF


def new_chat_id(now: datetime) -> str:
    """An id made at `now`: four bytes of unix seconds, then eight that nobody can guess."""
    return f"{int(now.timestamp()) & _SECONDS_MASK:08x}{secrets.token_hex(8)}"


def parse_chat_id(value: object, *, detail: str = "Invalid id") -> str:
    """The id. Raises InvalidRequest with `detail` for anything that is none."""
    if not isinstance(value, str) or _CHAT_ID.fullmatch(value) is None:
        raise InvalidRequest(detail)
    return value
