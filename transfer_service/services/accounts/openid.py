"""What belongs to sign-in by OpenID Connect, put together."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from limits import RateLimitItemPerMinute

from transfer_service.errors import BadCredentials, TooManyAttempts
from transfer_service.services.accounts.attempts import Attempts
from transfer_service.services.guesses import Guesses
from transfer_service.services.shared_windows import Limit, network_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from transfer_service.remote.openid import OpenIdClient
    from transfer_service.services.core import Core

PER_ADDRESS = RateLimitItemPerMinute(50, 15, namespace="openid-address")


class OpenId:
    """The services of it, where it is switched on."""

    def __init__(self, core: Core) -> None:
        self.attempts = Attempts(core)
        self._settings = core.settings
        self._now = core.now
        self._guesses = Guesses(core.settings.redis_url, used_for="sign-ins at the provider that fail")

    @cached_property
    def client(self) -> OpenIdClient:
        """Made, and its packages loaded, by the process that serves: commands and the worker sign nobody in."""
        from transfer_service.remote.openid import OpenIdClient, Registration

        settings = self._settings
        secret = settings.oidc_client_secret
        registration = Registration(
            issuer=settings.oidc_issuer or "",
            client_id=settings.oidc_client_id or "",
            client_secret=secret.get_secret_value() if secret is not None else "",
            wants_groups=bool(settings.oidc_groups),
        )
        return OpenIdClient(registration, now=lambda: self._now().timestamp())

    def attempt(self, address: str) -> AbstractContextManager[None]:
        """One return from the provider: a BadCredentials that leaves the block counts. Raises TooManyAttempts."""
        limits: list[Limit] = [(PER_ADDRESS, (network_of(address),))]
        return self._guesses.attempt(limits, wrong=BadCredentials, refusal=TooManyAttempts)


def build_openid(core: Core) -> OpenId | None:
    """The services of it, None where the settings name no provider: they name all of it, or nothing."""
    return None if core.settings.oidc_issuer is None else OpenId(core)
