"""Packets of Engine.IO 4 as clients send them, told apart without parsing what is in them."""

import re

from engineio.packet import MESSAGE, Packet

SEPARATOR = "\x1e"
NONSENSE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
"""What comes out of parsers, ours and the libraries', for packets that no client of theirs would send."""

# Behind its own digit a message begins with the digit of a Socket.IO packet. Engine.IO takes anything else for JSON.
_TEXT = re.compile(r"4[0-9]|[23](?:probe)?\Z|[156]\Z", re.ASCII)


def is_engine_text(text: str) -> bool:
    """Whether a client of Engine.IO may send this text."""
    return _TEXT.match(text) is not None


def parse_engine_packet(text: str) -> Packet:
    """A packet; the data of a message are all of its text, and nothing where it is binary. Raises ValueError."""
    if text.startswith("b"):
        return Packet(MESSAGE, data=b"")  # nobody wants its bytes
    if not is_engine_text(text):
        raise ValueError("no packet of Engine.IO")
    if text.startswith("4"):
        return Packet(MESSAGE, data=text)
    return Packet(int(text[0]), data=text[1:])
