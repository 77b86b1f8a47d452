"""JSON that a client sent, as RFC 8259 has it: UTF-8, without Python's additions."""

import json
from typing import Any, NoReturn

from transfer_service.errors import InvalidRequest
from transfer_service.wire.json_bounds import MAX_BACKSLASHES, find_long_strings

MAX_STRUCTURE_BYTES = 64 * 1024
"""A group's thousand names, each on a line of its own, take a quarter of it."""


def parse_object(data: bytes) -> dict[str, Any]:
    """The object in a body. Raises InvalidRequest for anything else, and for what would cost too much to be read.

    That is what is nested too deeply, or has too much outside of strings (`wire.json_bounds`).
    """
    try:
        find_long_strings(data.decode("latin-1"), 0, most_outside=MAX_STRUCTURE_BYTES, long=len(data))
        if data.count(b"\\") > MAX_BACKSLASHES:
            raise ValueError("too many escapes")
        value = json.loads(data.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("Expected a JSON object") from error
    if not isinstance(value, dict):
        raise InvalidRequest("Expected a JSON object")
    return value


def _refuse(constant: str) -> NoReturn:
    """`NaN` and `Infinity` are no JSON, and no number that anything here could count with."""
    raise ValueError(constant)
