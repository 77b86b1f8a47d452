"""Who asks: a key, or tokens that are renewed before they end, once for all threads and processes that need it."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from transfer_service_client.connection.answers import json_of
from transfer_service_client.connection.credentials import CredentialFile, Credentials, Key, Tokens
from transfer_service_client.connection.kept_tokens import KeptTokens
from transfer_service_client.connection.patience import PASSING
from transfer_service_client.errors import as_expected

_RENEWED_BEFORE_SECONDS = 30.0


class RenewalAway(httpx.TransportError):
    """New tokens could not be had for now: as passing as a broken line, and no reason to sign in again."""


class Authorization:
    """What requests of one account show. Used by many threads at once."""

    def __init__(
        self,
        url: str,
        credentials: Credentials | None,
        *,
        keep: CredentialFile | None,
        refresh: Callable[[str], httpx.Response],
    ) -> None:
        """`keep`: where new tokens go; `refresh` asks the service for a pair in place of a refresh token."""
        self.credentials = credentials
        self._kept = KeptTokens(keep, url, credentials) if keep is not None else None
        self._refresh = refresh
        self._renewing = threading.Lock()

    def field(self) -> dict[str, str]:
        """The field that shows who asks; tokens are renewed before they end. Raises RenewalAway."""
        credentials = self.credentials
        if credentials is None:
            return {}
        if isinstance(credentials, Key):
            return bearer(credentials.text)
        if credentials.expires_at - time.time() < _RENEWED_BEFORE_SECONDS:
            self.renew(bearer(credentials.access)["Authorization"])
            credentials = self.credentials
        return bearer(credentials.access) if isinstance(credentials, Tokens) else {}

    def renew(self, shown: str | None) -> bool:
        """Get new tokens in place of those that were shown. False where the service gives none.

        Raises RenewalAway where it cannot be asked: a lost answer may be asked for once more (the service gives another
        pair within 30 s).
        """
        with self._renewing:
            current = self.credentials
            if not isinstance(current, Tokens):
                return False
            if shown is not None and shown != bearer(current.access)["Authorization"]:
                return True  # another thread has
            if self._kept is None:
                return self._renew_by(current)
            with self._kept.locked():
                newest = self._kept.newest(current)
                if newest is None:
                    return False
                if newest.access != current.access:
                    self.credentials = newest
                    return True
                return self._renew_by(newest)

    def _renew_by(self, old: Tokens) -> bool:
        try:
            answer = self._refresh(old.refresh)
        except httpx.RequestError as error:
            raise RenewalAway(str(error)) from error
        if answer.status_code in PASSING:
            raise RenewalAway(f"HTTP {answer.status_code} for new tokens")
        if answer.status_code != httpx.codes.OK:
            return False
        self.credentials = new = tokens_of(json_of(answer), account=old.account)
        if self._kept is not None:
            self._kept.replace(old, new)
        return True


def bearer(token: str) -> dict[str, str]:
    """The field for a token or a key (RFC 6750, 2.1)."""
    return {"Authorization": f"Bearer {token}"}


def tokens_of(fields: Mapping[str, Any], *, account: str) -> Tokens:
    """The tokens of an answer. Raises TransferError where they are not what was promised."""
    with as_expected():
        ends_at = time.time() + float(fields["expires_in"])
        return Tokens(fields["access_token"], fields["refresh_token"], ends_at, account)
