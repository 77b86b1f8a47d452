"""What every view starts from: the services, and who is asking and what they may do (docs/accounts.md)."""

from typing import TYPE_CHECKING

from flask import Flask, current_app, g, request

from transfer_service.errors import AddressInvalid, BadCredentials, Forbidden, MissingPermission
from transfer_service.services.accounts.sign_ins import Identity
from transfer_service.web.accounts.tokens import VERIFIED, Claims, VerifiedTokens, verify_shown, verify_text
from transfer_service.web.request_log import note
from transfer_service.web.sharing import signed

if TYPE_CHECKING:
    from transfer_service.bootstrap import Services

EXTENSION = "transfer_service"
"""Where `create_app` keeps the services on the app."""


def services_of(app: Flask) -> "Services":
    """The services of an app."""
    bound: Services = app.extensions[EXTENSION]
    return bound


def services() -> "Services":
    """The services of the current app."""
    return services_of(current_app)


def require_account(*, refresh: bool = False, any_type: bool = False, token: str | None = None) -> Identity:
    """The identity behind `token` or else the request's own. Raises NotAuthenticated, BadCredentials."""
    types = ("access", "refresh") if any_type else ("refresh",) if refresh else ("access",)
    claims = _claims(types) if token is None else verify_text(token, types)
    identity = services().sign_ins.find_identity(claims.family, name=claims.name)
    if identity is None:
        raise BadCredentials
    g.identity, g.claims = identity, claims
    note(account=str(identity.account_id))
    return identity


def _claims(types: tuple[str, ...]) -> Claims:
    """The claims of the request's token, from memory where the same header came a moment ago."""
    if types != ("access",):
        return verify_shown(types)
    header = request.headers.get("Authorization", "")
    verified: VerifiedTokens = current_app.extensions[VERIFIED]
    claims = verified.find(header)
    if claims is None:
        claims = verify_shown(types)
        if not claims.is_cookie:
            verified.remember(header, claims)
    return claims


def adopt(token: str) -> Identity:
    """Make an access token speak for the request that did not bring it in a usual place. Raises BadCredentials."""
    return require_account(token=token)


def identify(token: str | None, *, refresh: bool = False) -> tuple[Identity, float]:
    """Who an access token speaks for, and when it expires in unix seconds; without one, who the request's speaks for.

    With `refresh` a refresh token is meant. Raises NotAuthenticated, BadCredentials.
    """
    types = ("refresh",) if refresh else ("access",)
    claims = verify_shown(types) if token is None else verify_text(token, types)
    identity = services().sign_ins.find_identity(claims.family, name=claims.name)
    if identity is None:
        raise BadCredentials
    return identity, claims.expires_at


def guard() -> None:
    """For `before_request`: refuse whoever is not signed in, before anything of the body is read.

    OPTIONS tells nothing but the methods, and a browser's preflight cannot carry a token.
    """
    if request.method == "OPTIONS" or "identity" in g:
        return
    if signed.is_signed():
        _admit_signed()
    else:
        require_account()


def _admit_signed() -> None:
    """Let a request in as that of the account that has signed its address. Raises AddressInvalid."""
    signer = signed.verify()
    identity = services().sign_ins.find_signer(signer.account_id)
    if identity is None:
        raise AddressInvalid
    g.identity = identity
    note(account=str(identity.account_id), signed=True)


def current() -> Identity:
    """The identity that `guard` found."""
    identity: Identity = g.identity
    return identity


def token_expires_at() -> float:
    """When the token that `guard` found expires, in unix seconds."""
    return current_claims().expires_at


def current_claims() -> Claims:
    """What the token says that `guard` or `require_account` found."""
    claims: Claims = g.claims
    return claims


def require_admin() -> Identity:
    """The identity, if it is an administrator's. Raises Forbidden."""
    identity = current()
    if not identity.is_admin:
        raise Forbidden("Admin privileges required")
    return identity


def require_permission(permission: str) -> Identity:
    """The identity, if it holds the permission. Raises MissingPermission."""
    identity = current()
    if not services().accounts.has_permission(identity.account_id, permission):
        raise MissingPermission
    return identity
