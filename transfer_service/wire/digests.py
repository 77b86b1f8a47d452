"""Digest fields of HTTP messages (RFC 9530), as far as sha-256 and sha-512 go."""

import base64
from collections.abc import Mapping
from typing import Final

from transfer_service.errors import InvalidRequest
from transfer_service.wire.structured_fields import parse_dictionary

_SHA256: Final[Mapping[str, tuple[str, int]]] = {"sha-256": ("sha256", 32)}
_ACTIVE: Final[Mapping[str, tuple[str, int]]] = {**_SHA256, "sha-512": ("sha512", 64)}  # RFC 9530 section 5


def parse_sha256(value: str, *, field: str) -> bytes | None:
    """The sha-256 of a `Content-Digest` or `Repr-Digest` value, None if it has none. Raises InvalidRequest."""
    return _parse(value, field=field, algorithms=_SHA256).get("sha256")


def parse_digests(value: str, *, field: str) -> dict[str, bytes]:
    """The digests of a `Content-Digest` or `Repr-Digest` value by their names in hashlib. Raises InvalidRequest.

    Only sha-256 and sha-512 are read; other algorithms are ignored (section 2), so there may be none. All must hold.
    """
    return _parse(value, field=field, algorithms=_ACTIVE)


def format_sha256(sha256: str) -> str:
    """The value of a `Content-Digest` or `Repr-Digest` for a SHA-256 in hexadecimal."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def _parse(value: str, *, field: str, algorithms: Mapping[str, tuple[str, int]]) -> dict[str, bytes]:
    members = parse_dictionary(value)
    digests: dict[str, bytes] = {}
    for key, digest in (members or {}).items():
        name, size_bytes = algorithms.get(key, ("", None))
        if not isinstance(digest, bytes) or size_bytes not in {None, len(digest)}:
            raise InvalidRequest(f"Invalid {field} header")
        if name:
            digests[name] = digest
    if not members:
        raise InvalidRequest(f"Invalid {field} header")
    return digests
