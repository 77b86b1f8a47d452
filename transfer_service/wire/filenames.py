"""Names of files: untrusted labels that never become paths."""

import unicodedata

from transfer_service.errors import InvalidName

MAX_NAME_BYTES = 255
LONGEST_DECOMPOSITION = 3
"""Bytes of UTF-8 that NFC may make one of, at the most (Unicode Standard Annex 15)."""
_BIDIRECTIONAL_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def parse_name(value: str) -> str:
    """The name in NFC. Raises InvalidName where it breaks a rule of NAME (docs/device-chunks.md)."""
    if len(value) > MAX_NAME_BYTES * LONGEST_DECOMPOSITION:  # or composing it would take the square of its length
        raise InvalidName(f"File name must have 1 to {MAX_NAME_BYTES} bytes")
    name = unicodedata.normalize("NFC", value)
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:  # lone surrogates: bytes that were not UTF-8
        raise InvalidName("File name is not valid UTF-8") from error
    if not 1 <= size <= MAX_NAME_BYTES:
        raise InvalidName(f"File name must have 1 to {MAX_NAME_BYTES} bytes")
    if name in {".", ".."} or any(_is_forbidden(character) for character in name):
        raise InvalidName
    return name


def _is_forbidden(character: str) -> bool:
    return character in "/\\" or character in _BIDIRECTIONAL_CONTROLS or unicodedata.category(character) == "Cc"


def numbered_name(name: str, number: int) -> str:
    """`photo.jpg`, 2 -> `photo (2).jpg`; the stem is shortened where the result would be too long."""
    stem, dot, extension = name.rpartition(".")
    if not stem:
        stem, dot, extension = name, "", ""
    suffix = f" ({number}){dot}{extension}"
    room = MAX_NAME_BYTES - len(suffix.encode())
    if room < 1:  # the "extension" fills the name: number the whole of it
        suffix = f" ({number})"
        stem, room = name, MAX_NAME_BYTES - len(suffix)
    return stem.encode()[:room].decode(errors="ignore") + suffix
