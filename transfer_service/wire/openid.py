"""What a provider of OpenID Connect says of whoever has signed in there (OpenID Connect Core 1.0, section 5.1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transfer_service.errors import InvalidName
from transfer_service.wire.filenames import parse_label

MAX_SUBJECT_CHARACTERS = 255
ADDRESS_CLAIMS = ("email", "email_verified")
GROUPS_CLAIM = "groups"
_SUBJECT = re.compile(r"[\x20-\x7e]{1,255}", re.ASCII)  # section 2: at most 255 ASCII characters
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, slots=True)
class Asserted:
    """Who somebody is at an issuer. `address` is None where the issuer does not say that it is verified."""

    issuer: str
    subject: str
    address: str | None
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Return:
    """What a browser has come back with, and what belongs to it."""

    code: str
    verifier: str
    nonce: str
    redirect_uri: str


def read_asserted(issuer: str, claims: Mapping[str, Any]) -> Asserted | None:
    """What verified claims say, None where they name nobody."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or _SUBJECT.fullmatch(subject) is None:
        return None
    return Asserted(issuer, subject, _verified_address(claims), _groups(claims.get(GROUPS_CLAIM)))


def _verified_address(claims: Mapping[str, Any]) -> str | None:
    """An address that is one: or whoever may choose what the provider says here could be any account."""
    address = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(address, str):
        return None
    try:
        name = parse_label(address)
    except InvalidName:
        return None
    return name if _ADDRESS.fullmatch(name) else None


def _groups(value: object) -> frozenset[str]:
    names = value if isinstance(value, list) else [value]
    return frozenset(name for name in names if isinstance(name, str))
