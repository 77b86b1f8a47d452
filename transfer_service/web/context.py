"""What every view starts from: the services, and who is asking and what they may do (docs/accounts.md)."""

import uuid
from functools import lru_cache
from ipaddress import ip_address
from math import inf
from typing import TYPE_CHECKING

from flask import Flask, current_app, g, request

from transfer_service.errors import AddressInvalid, BadCredentials, Forbidden, KeyLacksScope, MissingPermission
from transfer_service.models.keys import KEY_PREFIX, Scope
from transfer_service.services.accounts.keys import is_key
from transfer_service.services.accounts.sign_ins import Identity
from transfer_service.services.events.actors import NOBODY, Actor, set_actor
from transfer_service.web.accounts.tokens import (
    VERIFIED,
    Claims,
    VerifiedTokens,
    parse_bearer,
    shown_token,
    verify_shown,
    verify_text,
)
from transfer_service.web.request_log import note
from transfer_service.web.running import run_for
from transfer_service.web.scopes import check
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


def client_address() -> str | None:
    """The client's address, None where it is none (a Unix socket, or whatever a proxy that is not ours has sent)."""
    return _parsed_address(request.remote_addr)


@lru_cache(maxsize=1024)
def _parsed_address(shown: str | None) -> str | None:
    try:
        return str(ip_address(shown or ""))
    except ValueError:
        return None


def begin_actor() -> None:
    """Before it is known who asks, it is nobody, from that address."""
    set_actor(Actor(None, None, client_address()))


def end_actor(_error: BaseException | None = None) -> None:
    """Whatever this greenlet does next, nobody has asked for it."""
    set_actor(NOBODY)


def act_as(identity: Identity) -> None:
    """From here on what the request does is told of the account that asks."""
    set_actor(actor_of(identity))


def actor_of(identity: Identity) -> Actor:
    """Who acts in a request, or an event of a socket, of that account."""
    return Actor(identity.account_id, identity.name, client_address())


def require_account(*, refresh: bool = False, any_type: bool = False, token: str | None = None) -> Identity:
    """The identity behind `token` or else the request's own, if it may call the present route.

    A key counts only in an Authorization field. Raises NotAuthenticated, BadCredentials, NotForKeys, KeyLacksScope.
    """
    identity = recognize(refresh=refresh, any_type=any_type, token=token)
    _check_route(identity)
    return identity


def _check_route(identity: Identity) -> None:
    if identity.key is not None:
        check(identity.key, request.endpoint)


def recognize(*, refresh: bool = False, any_type: bool = False, token: str | None = None) -> Identity:
    """Like `require_account` for who only counts requests: what is asked for does not matter."""
    header = request.headers.get("Authorization", "") if token is None else ""
    key = _key_in(header)
    if key is not None:
        identity, claims = _key_identity(key), None
    else:
        types = ("access", "refresh") if any_type else ("refresh",) if refresh else ("access",)
        claims = _claims(header, types) if token is None else verify_text(token, types)
        identity = _identity_of(claims)
    g.identity, g.claims = identity, claims
    act_as(identity)
    run_for(services().running, identity.account_id)
    note(account=str(identity.account_id), **({"key": str(identity.key.id)} if identity.key else {}))
    return identity


def _key_in(header: str) -> str | None:
    """What an Authorization field shows, if it can only be a key."""
    if KEY_PREFIX not in header:
        return None
    shown = parse_bearer(header)
    return shown if shown is not None and is_key(shown) else None


def _key_identity(key: str) -> Identity:
    identity = services().keys.find_identity(key)
    if identity is None:
        raise BadCredentials
    return identity


def _identity_of(claims: Claims) -> Identity:
    identity = services().sign_ins.find_identity(claims.family, name=claims.name)
    if identity is None:
        raise BadCredentials
    return identity


def _claims(header: str, types: tuple[str, ...]) -> Claims:
    """The claims of the request's token, from memory where the same header came a moment ago."""
    if types != ("access",):
        return verify_shown(types)
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
    """Who an access token or a key speaks for, and when it expires in unix seconds; without, who the request's does.

    With `refresh` a refresh token is meant. Raises NotAuthenticated, BadCredentials.
    """
    shown = shown_token() if token is None else token
    if shown is not None and is_key(shown):
        identity = _key_identity(shown)
        return identity, _end_of(identity, None)
    types = ("refresh",) if refresh else ("access",)
    claims = verify_shown(types) if token is None else verify_text(token, types)
    return _identity_of(claims), claims.expires_at


def guard() -> None:
    """For `before_request`: refuse whoever is not signed in, before anything of the body is read.

    OPTIONS tells nothing but the methods, and a browser's preflight cannot carry a token.
    """
    if request.method == "OPTIONS":
        return
    if "identity" in g:  # whoever counts requests knows him already
        _check_route(current())
    elif signed.is_signed():
        _admit_signed()
    else:
        require_account()


def _admit_signed() -> None:
    """Let a request in as that of the account that has signed its address. Raises AddressInvalid."""
    signer = signed.verify()
    identity = services().sign_ins.find_signer(signer.account_id, key_id=signer.key_id, generation=signer.generation)
    if identity is None:
        raise AddressInvalid
    g.identity = identity
    act_as(identity)
    run_for(services().running, identity.account_id)
    note(account=str(identity.account_id), signed=True)


def current() -> Identity:
    """The identity that `guard` found."""
    identity: Identity = g.identity
    return identity


def token_expires_at() -> float:
    """When the token or key that `guard` found expires, in unix seconds; infinity for a key without end."""
    return _end_of(current(), g.claims)


def _end_of(identity: Identity, claims: Claims | None) -> float:
    if claims is not None:
        return claims.expires_at
    end = identity.key.expires_at if identity.key else None
    return inf if end is None else end.timestamp()


def current_claims() -> Claims:
    """What the token says that `guard` or `require_account` found. Raises BadCredentials for a key, which says none."""
    claims: Claims | None = g.claims
    if claims is None:
        raise BadCredentials
    return claims


def require_scope(scope: Scope) -> None:
    """Let a key pass only if it is for this too; tokens pass. Raises KeyLacksScope."""
    if not has_scope(scope):
        raise KeyLacksScope(scope.value)


def has_scope(scope: Scope) -> bool:
    """Whether `require_scope` would let the request pass."""
    key = current().key
    return key is None or scope in key.scopes


def origin_id() -> uuid.UUID | None:
    """What files that the request sends are counted for beside its account: a key that has a quota."""
    key = current().key
    return key.id if key is not None and key.has_quota else None


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
