"""Digest fields of HTTP messages (RFC 9530), as far as sha-256 and sha-512 go."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final

from transfer_service.errors import InvalidRequest

_MEMBER = re.compile(r"[ \t]*([a-z*][a-z0-9_.*-]*)[ \t]*=[ \t]*:([A-Za-z0-9+/=]*):[ \t]*", re.ASCII)
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


def _parse(value: str, *, field: str, algorithms: Mapping[str, tuple[str, int]]) -> dict[str, bytes]:
    digests: dict[str, bytes] = {}
    for member in value.split(","):
        match = _MEMBER.fullmatch(member)
        if match is None:
            raise InvalidRequest(f"Invalid {field} header")
        if match[1] not in algorithms:
            continue
        name, size_bytes = algorithms[match[1]]
        try:
            digests[name] = base64.b64decode(match[2], validate=True)
        except binascii.Error as error:
            raise InvalidRequest(f"Invalid {field} header") from error
        if len(digests[name]) != size_bytes:
            raise InvalidRequest(f"Invalid {field} header")
    return digests
