"""What belongs to sign-in by OpenID Connect, put together."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class OpenId:
    """The services of it, where it is switched on."""

    client: OpenIdClient
    attempts: Attempts
    guesses: Guesses

    def attempt(self, address: str) -> AbstractContextManager[None]:
        """One return from the provider: a BadCredentials that leaves the block counts. Raises TooManyAttempts."""
        limits: list[Limit] = [(PER_ADDRESS, (network_of(address),))]
        return self.guesses.attempt(limits, wrong=BadCredentials, refusal=TooManyAttempts)


def build_openid(core: Core) -> OpenId | None:
    """The services of it, None where the settings name no provider."""
    settings = core.settings
    issuer, client_id, secret = settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret
    if issuer is None or client_id is None or secret is None:
        return None
    from transfer_service.remote.openid import OpenIdClient, Registration  # optional packages

    registration = Registration(issuer, client_id, secret.get_secret_value(), wants_groups=bool(settings.oidc_groups))
    return OpenId(
        client=OpenIdClient(registration, now=lambda: core.now().timestamp()),
        attempts=Attempts(core),
        guesses=Guesses(settings.redis_url, used_for="sign-ins at the provider that fail"),
    )
