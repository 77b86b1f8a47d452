"""Sign-ins that are under way at a provider: each belongs to one browser, counts once, and for ten minutes.

Nothing is kept of one that has begun: the browser has a cookie, and what the provider is shown and has to show again
is derived from that by the key of the service. So any instance can go on with it, and no cookie can be made from what
passes through addresses. The row of one that has come back keeps it from coming back again.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from transfer_service.errors import ProviderAway, SignInRefused
from transfer_service.models.identities import SpentAttempt
from transfer_service.services.core import Core
from transfer_service.services.secret_keys import secrets_of

LIFE = timedelta(minutes=10)
REMOVED_AT_ONCE = 100
_PURPOSE = b"transfer-service sign-ins at a provider"
_COOKIE = re.compile(r"([0-9a-f]{64})\.([0-9]{1,12})\.([0-9a-f]{64})", re.ASCII)

_spent = SpentAttempt.__table__


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sign-in: the browser's cookie, and what only the service can derive from it."""

    cookie: str
    state: str
    nonce: str
    verifier: str
    expires_at: datetime


class Attempts:
    """Begins sign-ins by the first of the secrets, and goes on with those of all of them."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._now = core.now
        self._keys = [hmac.digest(secret, _PURPOSE, "sha256") for secret in secrets_of(core.settings)]

    def begin(self) -> Attempt:
        """A new sign-in."""
        return _attempt(self._keys[0], secrets.token_hex(32), int(self._now().timestamp()))

    @contextmanager
    def resume(self, cookie: str, state: str) -> Iterator[Attempt]:
        """The sign-in that a browser has begun, for once. Raises SignInRefused.

        While its provider is away (ProviderAway leaves the block) it has not been used.
        """
        attempt = self._read(cookie)
        if attempt is None or not hmac.compare_digest(attempt.state.encode(), state.encode("utf-8", "replace")):
            raise SignInRefused("not begun in this browser in the last ten minutes")
        state_hash = hashlib.sha256(attempt.state.encode()).hexdigest()
        self._spend(state_hash, attempt.expires_at)
        try:
            yield attempt
        except ProviderAway:
            with self._database.write_rows() as rows:
                rows.execute(delete(_spent).where(_spent.c.state_hash == state_hash))
            raise

    def _read(self, cookie: str) -> Attempt | None:
        match = _COOKIE.fullmatch(cookie)
        if match is None:
            return None
        found = [_attempt(key, match[1], int(match[2])) for key in self._keys]
        # All are compared, so that the time tells nothing of which.
        fits = [hmac.compare_digest(each.cookie, cookie) for each in found]
        attempt = next((each for each, is_it in zip(found, fits, strict=True) if is_it), None)
        return attempt if attempt is not None and self._now() < attempt.expires_at else None

    def _spend(self, state_hash: str, expires_at: datetime) -> None:
        old = select(_spent.c.state_hash).where(_spent.c.expires_at < self._now() - LIFE).limit(REMOVED_AT_ONCE)
        try:
            with self._database.write_rows(durable=True) as rows:
                rows.execute(insert(_spent).values(state_hash=state_hash, expires_at=expires_at))
                rows.execute(delete(_spent).where(_spent.c.state_hash.in_(old.with_for_update(skip_locked=True))))
        except IntegrityError as error:
            raise SignInRefused("the state came before") from error


def _attempt(key: bytes, handle: str, begun_at: int) -> Attempt:
    def derived(use: str) -> bytes:
        return hmac.digest(key, f"{use}\n{handle}\n{begun_at}".encode(), "sha256")

    return Attempt(
        cookie=f"{handle}.{begun_at}.{derived('cookie').hex()}",
        state=_text(derived("state")),
        nonce=_text(derived("nonce")),
        verifier=_text(derived("verifier")),
        expires_at=datetime.fromtimestamp(begun_at, UTC) + LIFE,
    )


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode("ascii").rstrip("=")
