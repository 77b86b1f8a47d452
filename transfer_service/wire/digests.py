"""Digest fields of HTTP messages (RFC 9530), as far as sha-256 goes."""

import base64
import binascii
import re

from transfer_service.errors import InvalidRequest

_MEMBER = re.compile(r"[ \t]*([a-z*][a-z0-9_.*-]*)[ \t]*=[ \t]*:([A-Za-z0-9+/=]*):[ \t]*", re.ASCII)
_SHA256_BYTES = 32


def parse_sha256(value: str, *, field: str) -> bytes | None:
    """The sha-256 of a `Content-Digest` or `Repr-Digest` value, None if it has none. Raises InvalidRequest."""
    digest: bytes | None = None
    for member in value.split(","):
        match = _MEMBER.fullmatch(member)
        if match is None:
            raise InvalidRequest(f"Invalid {field} header")
        if match[1] != "sha-256":
            continue
        try:
            digest = base64.b64decode(match[2], validate=True)
        except binascii.Error as error:
            raise InvalidRequest(f"Invalid {field} header") from error
        if len(digest) != _SHA256_BYTES:
            raise InvalidRequest(f"Invalid {field} header")
    return digest
