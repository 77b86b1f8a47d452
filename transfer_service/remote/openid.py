"""Signing in at a provider: where browsers are sent, and what the code is worth that they come back with.

OpenID Connect Core 1.0, section 3.1, with PKCE (RFC 7636) and the issuer in the answer (RFC 9207).
"""

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jws, jwt
from joserfc.errors import BadSignatureError, InvalidKeyTypeError, JoseError

from transfer_service.errors import ProviderAway, SignInRefused
from transfer_service.remote.provider import Exchange, Provider, Published
from transfer_service.wire.openid import ADDRESS_CLAIMS, GROUPS_CLAIM, Asserted, Return, read_asserted

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""By key pairs alone: a token without a signature, or by a secret, proves nothing."""
LEEWAY_SECONDS = 30
MAX_TOKEN_CHARACTERS, MAX_SHOWN_CHARACTERS = 64 * 1024, 60
_BAD_TOKEN = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)


@dataclass(frozen=True, slots=True)
class Registration:
    """What the service is to the provider. `wants_groups` where what they mean is set."""

    issuer: str
    client_id: str
    client_secret: str
    wants_groups: bool = False


class OpenIdClient:
    """Sends browsers to the provider, and finds out who has signed in there. `now` in unix seconds."""

    def __init__(
        self,
        registration: Registration,
        *,
        now: Callable[[], float] = time.time,
        exchange: Exchange | None = None,
    ) -> None:
        self._registration = registration
        self._now = now
        self._exchange = exchange or Exchange()
        self.provider = Provider(registration.issuer, self._exchange)

    def authorization_url(self, *, state: str, nonce: str, verifier: str, redirect_uri: str) -> str:
        """Where a browser signs in. Raises ProviderAway."""
        metadata = self.provider.published().metadata
        url: str = prepare_grant_uri(
            metadata["authorization_endpoint"],
            self._registration.client_id,
            "code",
            redirect_uri=redirect_uri,
            scope=self._scope(metadata),
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),  # type: ignore[no-untyped-call]
            code_challenge_method="S256",
        )
        return url

    def _scope(self, metadata: Mapping[str, Any]) -> str:
        """What is asked for. Providers refuse scopes that they do not know, so some of them only where they say so."""
        offered = metadata.get("scopes_supported")
        more = [name for name in ("profile", GROUPS_CLAIM) if isinstance(offered, list) and name in offered]
        return " ".join(["openid", "email", *(more if self._registration.wants_groups else [])])

    def check_issuer(self, shown: str | None) -> None:
        """Raises SignInRefused where the answer is another issuer's (RFC 9207 section 2.4), and ProviderAway."""
        says_so = self.provider.published().metadata.get("authorization_response_iss_parameter_supported") is True
        if shown != self._registration.issuer and (shown is not None or says_so):
            raise SignInRefused("another issuer's answer")

    def identify(self, back: Return) -> Asserted:
        """Who has signed in. Raises SignInRefused, ProviderAway."""
        published = self.provider.published()
        tokens = self._redeem(published, back)
        id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(id_token, str) or len(id_token) > MAX_TOKEN_CHARACTERS:
            raise SignInRefused("no ID token")
        claims = self._verify(published, id_token, access_token, back.nonce)
        if isinstance(access_token, str):
            claims = {**self._look_up(published, access_token, claims), **claims}
        asserted = read_asserted(self._registration.issuer, claims)
        if asserted is None:
            raise SignInRefused("no subject")
        return asserted

    def _redeem(self, published: Published, back: Return) -> dict[str, Any]:
        """The tokens for a code (section 3.1.3)."""
        form = {
            "grant_type": "authorization_code",
            "code": back.code,
            "redirect_uri": back.redirect_uri,
            "code_verifier": back.verifier,
        }
        client_id, secret = self._registration.client_id, self._registration.client_secret
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        methods = published.metadata.get("token_endpoint_auth_methods_supported")
        if not isinstance(methods, list) or "client_secret_basic" in methods:
            pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"  # RFC 6749 section 2.3.1
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"
        else:
            form |= {"client_id": client_id, "client_secret": secret}
        status, tokens = self._exchange.ask(
            published.metadata["token_endpoint"], headers=headers, form=urlencode(form).encode()
        )
        if status >= 500 or status == 429:
            raise ProviderAway
        if status != 200:
            raise SignInRefused(f"the code was refused: {str(tokens.get('error'))[:MAX_SHOWN_CHARACTERS]}")
        return tokens

    def _verify(self, published: Published, token: str, access_token: object, nonce: str) -> dict[str, Any]:
        """The claims of an ID token (section 3.1.3.7)."""
        try:
            try:
                decoded = _decode(published, token)
            except BadSignatureError:  # by a key that has come since, or has taken the place of another one
                decoded = _decode(self.provider.republished(published), token)
            issuer, client_id = self._registration.issuer, self._registration.client_id
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                options={
                    "iss": {"essential": True, "value": issuer},
                    "aud": {"essential": True, "value": client_id},
                    "nonce": {"essential": True, "value": nonce},
                },
                params={"nonce": nonce, "client_id": client_id, "access_token": access_token},
            )
            claims.validate(now=int(self._now()), leeway=LEEWAY_SECONDS)
        except _BAD_TOKEN as error:
            raise SignInRefused(f"the ID token does not count: {type(error).__name__}") from error
        if "azp" in claims and claims["azp"] != client_id:  # an empty one, too
            raise SignInRefused("the ID token is another client's")
        return dict(claims)

    def _look_up(self, published: Published, access_token: str, claims: Mapping[str, Any]) -> dict[str, Any]:
        """What the provider says elsewhere (section 5.3), where the ID token does not say what is needed."""
        needed = {*ADDRESS_CLAIMS, *([GROUPS_CLAIM] if self._registration.wants_groups else [])}
        address = published.metadata.get("userinfo_endpoint")
        if address is None or needed <= claims.keys():
            return {}
        status, found = self._exchange.ask(address, headers={"Authorization": f"Bearer {access_token}"})
        if status >= 500 or status == 429:
            raise ProviderAway
        if status != 200 or found.get("sub") != claims["sub"]:  # section 5.3.2
            raise SignInRefused("the provider says nothing more, or of somebody else")
        return {name: value for name, value in found.items() if name in needed}


def _decode(published: Published, token: str) -> jwt.Token:
    """A token by one of the keys. Raises BadSignatureError where it is by none of them, JoseError, ValueError."""
    header = jws.extract_compact(token.encode("ascii")).headers()
    if header.get("alg") not in ALGORITHMS:
        raise ValueError("no algorithm of key pairs")
    for key in published.find_keys(header.get("kid")):
        if key.get("alg", header.get("alg")) != header.get("alg"):
            continue
        try:
            return jwt.decode(token, key, algorithms=ALGORITHMS)
        except (BadSignatureError, InvalidKeyTypeError):
            continue
    raise BadSignatureError
