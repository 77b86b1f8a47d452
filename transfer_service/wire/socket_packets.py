"""Packets of Socket.IO 5 as clients send them, judged by size and structure before anything is parsed.

A JSON parser makes an object of every two bytes `[]`, so what a packet may cost is settled first: how much of it is
outside of strings, and how many escapes are inside. A long string, which only a file in base64 is, is not parsed at
all: it is cut out and read piece by piece by whoever wants it.

Texts here are *wire texts*: a character for each byte of the UTF-8 that came (Latin-1), so that megabytes that a client
chose need not be decoded.
"""

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from transfer_service.wire.json_text import MAX_BACKSLASHES, find_long_strings

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)
LONG_CHARACTERS = 1024 * 1024
"""Longer strings are cut out: ten times the longest text of a message, a fifth more than it takes with every escape."""
MAX_JSON_CHARACTERS = 2 * 1024 * 1024
MAX_STRUCTURE_CHARACTERS = 4096
MAX_ATTACHMENTS = 10

_HEAD = re.compile(r"4([0-356])(?:([0-9]{1,2})-)?(?:(/[^,]{0,255})(?:,|\Z))?([0-9]{1,18})?", re.ASCII)
_LONGEST_ESCAPE = 6


class LongText:
    """A string that was cut out of its packet."""

    def __init__(self, text: str, start: int, stop: int) -> None:
        self._text = text
        self._start = start
        self._stop = stop

    def pieces(self, characters: int) -> Iterator[str]:
        """What the string says, in pieces of about so many characters. Raises ValueError."""
        start = self._start
        while start < self._stop:
            stop = min(start + characters, self._stop)
            if (
                stop < self._stop
            ):  # an escape must not be torn; nor is a pair of backslashes, which base64 does not have
                escape = self._text.rfind("\\", stop - _LONGEST_ESCAPE + 1, stop)
                stop = escape if escape > start else stop
            piece = self._text[start:stop]
            yield json.loads(f'"{piece}"') if "\\" in piece else piece
            start = stop


@dataclass(frozen=True, slots=True)
class SocketPacket:
    """One packet. `data` of an event is a list that begins with its name; long strings in the object behind it are
    LongText.

    `attachments` is how many binary messages follow.
    """

    kind: int
    namespace: str | None
    number: int | None
    attachments: int
    data: Any


def parse_packet(text: str) -> SocketPacket:
    """The packet in the wire text of an Engine.IO message, whose `4` is not cut off: it would be a copy of megabytes.

    Raises ValueError for what no client of Socket.IO sends, RecursionError alike.
    """
    head = _HEAD.match(text)
    if head is None:
        raise ValueError("no packet")
    kind, count = int(head[1]), head[2]
    if (count is not None) != (kind in {BINARY_EVENT, BINARY_ACK}) or not 0 <= int(count or 1) - 1 < MAX_ATTACHMENTS:
        raise ValueError("attachments")
    return SocketPacket(
        kind,
        namespace=head[3].partition("?")[0] if head[3] else None,
        number=int(head[4]) if head[4] else None,
        attachments=int(count or 0),
        data=_data_of(kind, text, head.end()),
    )


def _data_of(kind: int, text: str, start: int) -> Any:
    if kind in {ACK, BINARY_ACK}:  # nothing is ever asked of a client, so it has nothing to say
        return []
    data = None if kind == DISCONNECT or start == len(text) else _parse_json(text, start)
    is_event = isinstance(data, list) and bool(data) and isinstance(data[0], str)
    if kind == CONNECT and (data is None or isinstance(data, dict)):
        return data
    if kind == DISCONNECT or (kind in {EVENT, BINARY_EVENT} and is_event):
        return data
    raise ValueError("invalid payload")


def _parse_json(text: str, start: int) -> Any:
    cuts = find_long_strings(text, start, most_outside=MAX_STRUCTURE_CHARACTERS, long=LONG_CHARACTERS)
    mark = secrets.token_hex(16)
    rest, at = "", start
    for number, (opening, closing) in enumerate(cuts):
        rest += f"{text[at:opening]}{mark}{number}"
        at = closing
    rest += text[at:]
    if len(rest) > MAX_JSON_CHARACTERS or rest.count("\\") > MAX_BACKSLASHES:
        raise ValueError("too much")
    data = json.loads(rest.encode("latin-1"))
    if cuts and isinstance(data, list) and len(data) > 1 and isinstance(data[1], dict):
        found = {f"{mark}{number}": LongText(text, *cut) for number, cut in enumerate(cuts)}
        data[1] = {
            name: found.get(value, value) if isinstance(value, str) else value for name, value in data[1].items()
        }
    return data
