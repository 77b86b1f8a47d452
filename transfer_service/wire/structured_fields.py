"""Structured field values of HTTP (RFC 9651), as plain values: parameters are allowed everywhere and mean nothing here.

http-sf reads them: of a key that comes twice the last one counts, and so on.
"""

from collections.abc import Mapping
from typing import cast

import http_sf


def parse_boolean(value: str) -> bool | None:
    """The Item of a field if it is a Boolean, None for anything else."""
    item = _parse_item(value)
    return item if isinstance(item, bool) else None


def parse_integer(value: str) -> int | None:
    """The Item of a field if it is an Integer, None for anything else."""
    item = _parse_item(value)
    return item if isinstance(item, int) and not isinstance(item, bool) else None


def parse_dictionary(value: str) -> Mapping[str, object] | None:
    """The members of a Dictionary by their keys, None for anything else; a Byte Sequence is `bytes`."""
    try:
        members = cast("dict[str, tuple[object, object]]", http_sf.parse(_octets(value), tltype="dictionary"))
    except http_sf.StructuredFieldError:
        return None
    return {key: member for key, (member, _parameters) in members.items()}


def _parse_item(value: str) -> object:
    try:
        item, _parameters = cast("tuple[object, object]", http_sf.parse(_octets(value), tltype="item"))
    except http_sf.StructuredFieldError:
        return None
    return item


def _octets(value: str) -> bytes:
    return value.encode("ascii", "backslashreplace")  # what is not ASCII is never allowed, and stays so
