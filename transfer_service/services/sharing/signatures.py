"""Signatures of addresses: proof that an account has given out exactly this address, without anything kept of it.

What is signed is the decoded path as the service routes it, so without a prefix that a proxy takes away, and all of the
query: until when it counts, whose it is and whatever else stands in it.
"""

import hmac
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from transfer_service.errors import AddressInvalid

ACCOUNT, KEY, GENERATION, EXPIRES, SIGNATURE = "account", "key", "generation", "expires", "signature"
RESERVED = frozenset({ACCOUNT, KEY, GENERATION, EXPIRES, SIGNATURE})
_PURPOSE = b"transfer-service signed addresses"


@dataclass(frozen=True, slots=True)
class Signer:
    """Who has given out an address. With a `key_id` it was by a key; if that ends at `ends_at`, so does the address.

    `generation` is the one of the account's addresses that it belongs to. Of the first, 0, nothing is signed.
    """

    account_id: uuid.UUID
    key_id: uuid.UUID | None = None
    ends_at: datetime | None = None
    generation: int = 0


class Signatures:
    """Signs by the first of the secrets, and verifies by all: the others are those before it."""

    def __init__(self, secrets: Sequence[bytes], *, now: Callable[[], datetime]) -> None:
        self._now = now
        # Keys for this use alone: nothing else that the secrets sign can be taken for an address.
        self._keys = [hmac.digest(secret, _PURPOSE, "sha256") for secret in secrets]

    def sign(
        self, path: str, signer: Signer, *, expires_in: int, query: Mapping[str, str]
    ) -> tuple[dict[str, str], datetime]:
        """The query of an address that counts for `expires_in` seconds, and when it ends: at the nearest full second.

        `query` is the rest of it, without names of RESERVED.
        """
        if RESERVED & query.keys():
            raise ValueError(f"{sorted(RESERVED & query.keys())} have a meaning of their own")
        ends_at = self._now() + timedelta(seconds=expires_in, milliseconds=500)
        ends_at = min(ends_at, signer.ends_at or ends_at).replace(microsecond=0)
        whole = {**query, ACCOUNT: str(signer.account_id), EXPIRES: str(int(ends_at.timestamp()))}
        if signer.key_id is not None:
            whole[KEY] = str(signer.key_id)
        if signer.generation:
            whole[GENERATION] = str(signer.generation)
        return {**whole, SIGNATURE: _signature(self._keys[0], path, whole)}, ends_at

    def verify(self, path: str, query: Mapping[str, str]) -> Signer:
        """Who has signed it. `query` holds each parameter once. Raises AddressInvalid if altered or expired."""
        rest = {name: value for name, value in query.items() if name != SIGNATURE}
        given = query.get(SIGNATURE, "").encode()
        # All are compared, so that the time tells nothing of which.
        matches = [hmac.compare_digest(_signature(key, path, rest).encode(), given) for key in self._keys]
        if not any(matches):
            raise AddressInvalid
        if self._now() >= datetime.fromtimestamp(int(rest[EXPIRES]), UTC):  # as it was written by `sign`
            raise AddressInvalid
        key_id = uuid.UUID(rest[KEY]) if KEY in rest else None
        return Signer(uuid.UUID(rest[ACCOUNT]), key_id, generation=int(rest.get(GENERATION, 0)))


def _signature(key: bytes, path: str, query: Mapping[str, str]) -> str:
    """In hexadecimal. JSON keeps the parts apart: no two addresses give the same text."""
    text = json.dumps([path, sorted(query.items())], separators=(",", ":"))
    return hmac.digest(key, text.encode("ascii"), "sha256").hex()
