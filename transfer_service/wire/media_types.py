"""Media types of stored files."""

import re

from transfer_service.wire.media_type_table import MEDIA_TYPES

OCTET_STREAM = "application/octet-stream"
# What clients send when nobody chose a type (curl, fetch): it says nothing about the file.
_UNCHOSEN = frozenset({OCTET_STREAM, "application/x-www-form-urlencoded", "multipart/form-data", "binary/octet-stream"})
_NAME = r"[A-Za-z0-9!#$&^_.+-]{1,80}"
_MEDIA_TYPE = re.compile(rf"({_NAME}/{_NAME})(;[\x20-\x7e]{{0,90}})?", re.ASCII)


def guess_media_type(name: str) -> str:
    """The type that the extension stands for, `application/octet-stream` if none."""
    stem, _dot, extension = name.rpartition("/")[2].rpartition(".")
    return MEDIA_TYPES.get(extension.lower(), OCTET_STREAM) if stem else OCTET_STREAM


def stored_media_type(declared: str | None, name: str) -> str:
    """The type a client chose for a file; where it chose none or the value is malformed, by the extension."""
    match = _MEDIA_TYPE.fullmatch((declared or "").strip())
    if match is None or match[1].lower() in _UNCHOSEN:
        return guess_media_type(name)
    return match[0]
