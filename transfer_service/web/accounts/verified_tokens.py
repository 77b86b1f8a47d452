"""Access tokens that were verified a moment ago: a device sends the same one with every chunk."""

import time
import uuid
from typing import NamedTuple

from cachetools import FIFOCache

CAPACITY = 10_000


class Claims(NamedTuple):
    """What a verified token says, and whether it came in a cookie. `expires_at` in unix seconds."""

    family: uuid.UUID
    name: str
    expires_at: float
    jti: str
    is_cookie: bool


class VerifiedTokens:
    """Claims by the Authorization header that carried them, the latest CAPACITY of them.

    A signature does not become wrong; what can change is asked each time: the clock here, the sign-in in the database.
    """

    def __init__(self) -> None:
        self._claims: FIFOCache[str, Claims] = FIFOCache(CAPACITY)

    def find(self, header: str) -> Claims | None:
        """The claims of a header seen before, None once they have expired."""
        claims = self._claims.get(header)
        if claims is not None and claims.expires_at <= time.time():
            del self._claims[header]
            return None
        return claims

    def remember(self, header: str, claims: Claims) -> None:
        """Keep what has just been verified."""
        self._claims[header] = claims
