"""JSON that a client sent, as RFC 8259 has it: UTF-8, without Python's additions."""

import json
from typing import Any, NoReturn

from transfer_service.errors import InvalidRequest


def parse_object(data: bytes) -> dict[str, Any]:
    """The object in a body. Raises InvalidRequest for anything else, and for what is nested too deeply to be read."""
    try:
        value = json.loads(data.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("Expected a JSON object") from error
    if not isinstance(value, dict):
        raise InvalidRequest("Expected a JSON object")
    return value


def _refuse(constant: str) -> NoReturn:
    """`NaN` and `Infinity` are no JSON, and no number that anything here could count with."""
    raise ValueError(constant)
