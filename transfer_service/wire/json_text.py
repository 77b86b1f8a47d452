"""JSON that a client sent, as RFC 8259 has it: UTF-8, without Python's additions."""

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from transfer_service.errors import InvalidRequest

MAX_STRUCTURE_BYTES = 64 * 1024
"""A group's thousand names, each on a line of its own, take a quarter of it."""
MAX_LIST_BYTES = 256 * 1024
"""Where ten thousand ids may be told, each on a line of its own."""
MAX_QUOTES = 70_000  # the longest text of a message may be of nothing else
MAX_BACKSLASHES = 140_000  # likewise, with two escapes for each character beyond the first plane


def parse_object(data: bytes, *, most_outside: int = MAX_STRUCTURE_BYTES) -> dict[str, Any]:
    """The object in a body. Raises InvalidRequest for anything else, and for what would cost too much to be read.

    That is what is nested too deeply, or has more than `most_outside` bytes outside of strings (`find_long_strings`).
    """
    try:
        find_long_strings(data.decode("latin-1"), 0, most_outside=most_outside, long=len(data))
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


def find_long_strings(text: str, start: int, *, most_outside: int, long: int) -> list[tuple[int, int]]:
    """Where the strings of more than `long` characters are, without their quotes: a bound on JSON before it is parsed.

    A parser makes an object of every two bytes `[]`, a hundred times as large, and holds up everybody meanwhile. What
    is in strings costs little. So this looks for the strings, at the speed of memory, and counts the rest.

    `text` is JSON from `start` on, a character for each byte. Raises ValueError where more than `most_outside`
    characters are outside of strings, where too much in them is escaped, and where a string has no end.
    """
    found = []
    quotes, outside, at = _unescaped_quotes(text, start), 0, start
    for opening in quotes:
        closing = next(quotes, -1)
        outside += opening - at + 1  # a string costs something too
        if closing < 0 or outside > most_outside:
            raise ValueError("too much outside of strings")
        if closing - opening > long:
            found.append((opening + 1, closing))
        at = closing + 1
    if outside + len(text) - at > most_outside:
        raise ValueError("too much outside of strings")
    return found


def _unescaped_quotes(text: str, start: int) -> Iterator[int]:
    since = start
    for _ in range(MAX_QUOTES):
        at = text.find('"', since)
        if at < 0:
            return
        if at == since or text[at - 1] != "\\":
            yield at
        else:
            before = text[max(since, at - MAX_BACKSLASHES) : at]
            backslashes = len(before) - len(before.rstrip("\\"))
            if backslashes == MAX_BACKSLASHES:
                raise ValueError("too many backslashes")
            if backslashes % 2 == 0:
                yield at
        since = at + 1
    raise ValueError("too many quotes")
