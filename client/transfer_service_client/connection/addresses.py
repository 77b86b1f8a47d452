"""Names as the service has them, and names and ids as parts of the paths of requests."""

import unicodedata
from urllib.parse import quote

from transfer_service_client.errors import TransferError

THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts on the way to which nobody can read along."""


def normal_path(name: str) -> str:
    """A name as the service has it: without slashes around it, and in NFC."""
    return unicodedata.normalize("NFC", name.strip("/"))


def encode_name(name: str) -> str:
    """A name of a file or folder as part of a path: labels stay apart, all else is encoded.

    Raises TransferError for the labels `.` and `..`: no file has them, and a path with them is that of something else
    (RFC 3986 section 5.2.4).
    """
    return "/".join(encode_label(label) for label in name.split("/"))


def encode_label(text: str) -> str:
    """An id, or one label of a name, as part of a path. Raises TransferError as `encode_name`."""
    if text in {".", ".."}:
        raise TransferError("Names have no labels `.` and `..`")
    return quote(text, safe="")
