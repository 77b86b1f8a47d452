"""Digest fields of HTTP messages (RFC 9530), as far as sha-256 and sha-512 go."""

import base64
from collections.abc import Mapping
from typing import Final

from transfer_service.errors import InvalidRequest
from transfer_service.wire.structured_fields import parse_dictionary

# RFC 9530 section 5.
_ACTIVE: Final[Mapping[str, tuple[str, int]]] = {"sha-256": ("sha256", 32), "sha-512": ("sha512", 64)}


def parse_digests(value: str, *, field: str) -> dict[str, bytes]:
    """The digests of a `Content-Digest` or `Repr-Digest` value by their names in hashlib. Raises InvalidRequest.

    Only sha-256 and sha-512 are read; other algorithms are ignored (section 2), so there may be none. All must hold.
    """
    members = parse_dictionary(value)
    digests: dict[str, bytes] = {}
    for key, digest in (members or {}).items():
        name, size_bytes = _ACTIVE.get(key, ("", None))
        if not isinstance(digest, bytes) or size_bytes not in {None, len(digest)}:
            raise InvalidRequest(f"Invalid {field} header")
        if name:
            digests[name] = digest
    if not members:
        raise InvalidRequest(f"Invalid {field} header")
    return digests


def format_sha256(sha256: str) -> str:
    """The value of a `Content-Digest` or `Repr-Digest` for a SHA-256 in hexadecimal."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"
