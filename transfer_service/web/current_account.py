"""Who is asking: bearer tokens and cookies (docs/accounts.md)."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from flask import Flask, current_app, g, request
from flask_jwt_extended import (
    create_access_token,
    create_refresh_token,
    decode_token,
    get_jwt,
    get_jwt_request_location,
    verify_jwt_in_request,
)
from flask_jwt_extended.exceptions import CSRFError, JWTExtendedException, NoAuthorizationError
from jwt import InvalidTokenError, PyJWTError

from transfer_service.errors import BadCredentials, Forbidden, InvalidName, MissingPermission, NotAuthenticated
from transfer_service.extensions import jwt
from transfer_service.services.sign_ins import FamilyGrant, Identity
from transfer_service.web.request_log import note
from transfer_service.web.services import services
from transfer_service.web.verified_tokens import Claims, VerifiedTokens
from transfer_service.wire.filenames import parse_name

FAMILY_CLAIM = "family"
VERIFIED = "transfer_service.verified_tokens"
MAX_TOKEN_CHARACTERS = 8190
REQUIRED_CLAIMS = {"sub", "exp", "iat", "jti", "type"}


def require_account(*, refresh: bool = False, any_type: bool = False) -> Identity:
    """The identity behind the request's token. Raises NotAuthenticated, BadCredentials."""
    types = ("access", "refresh") if any_type else ("refresh",) if refresh else ("access",)
    header = request.headers.get("Authorization", "")
    verified: VerifiedTokens = current_app.extensions[VERIFIED]
    claims = verified.find(header) if types == ("access",) else None
    if claims is None:
        claims = _verify(types)
        if types == ("access",) and get_jwt_request_location() == "headers":
            verified.remember(header, claims)
    identity = services().sign_ins.find_identity(claims.family, name=claims.name)
    if identity is None:
        raise BadCredentials
    g.identity, g.token_expires_at = identity, claims.expires_at
    note(account=str(identity.account_id))
    return identity


def adopt(token: str) -> Identity:
    """Make an access token speak for the request that did not bring it in a usual place. Raises BadCredentials."""
    g.identity, g.token_expires_at = identify(token)
    note(account=str(current().account_id))
    return current()


def identify(token: str | None) -> tuple[Identity, float]:
    """Who an access token speaks for, and when it expires in unix seconds; without one, who the request's speaks for.

    Raises NotAuthenticated, BadCredentials.
    """
    claims = _verify(("access",)) if token is None else _verify_text(token)
    identity = services().sign_ins.find_identity(claims.family, name=claims.name)
    if identity is None:
        raise BadCredentials
    return identity, claims.expires_at


def _verify_text(token: str) -> Claims:
    """The claims of an access token that came somewhere else than in a header. Raises BadCredentials."""
    if (
        len(token) > MAX_TOKEN_CHARACTERS
    ):  # a header cannot be longer either, and the claims are parsed before the signature
        raise BadCredentials
    with _failures_are_bad_credentials():
        return _checked(decode_token(token), ("access",))


def _verify(types: tuple[str, ...]) -> Claims:
    """The claims of the request's token, wherever it is. Raises NotAuthenticated, BadCredentials."""
    _accept_any_case()
    with _failures_are_bad_credentials():
        verify_jwt_in_request(refresh=types == ("refresh",), verify_type=len(types) == 1)
        return _checked(get_jwt(), types)


def _checked(claims: dict[str, Any], types: tuple[str, ...]) -> Claims:
    if claims["type"] not in types:
        raise BadCredentials
    return Claims(uuid.UUID(claims[FAMILY_CLAIM]), parse_name(claims["sub"]), claims["exp"])


@contextmanager
def _failures_are_bad_credentials() -> Iterator[None]:
    try:
        yield
    except CSRFError as error:
        raise BadCredentials("CSRF token missing or incorrect") from error
    except NoAuthorizationError as error:
        raise NotAuthenticated from error
    except (JWTExtendedException, PyJWTError, InvalidName, KeyError, ValueError, AttributeError, TypeError) as error:
        raise BadCredentials from error


def _accept_any_case() -> None:
    """Authentication schemes are case-insensitive (RFC 9110 section 11.1), and `token_type` says `bearer`."""
    scheme, space, token = request.headers.get("Authorization", "").partition(" ")
    if space and scheme.lower() == "bearer":
        request.environ["HTTP_AUTHORIZATION"] = f"Bearer {token.strip()}"


def guard() -> None:
    """For `before_request`: refuse who is not signed in, before anything of the body is read.

    OPTIONS tells nothing but the methods, and a browser's preflight cannot carry a token.
    """
    if request.method != "OPTIONS":
        require_account()


def current() -> Identity:
    """The identity that `guard` found."""
    identity: Identity = g.identity
    return identity


def token_expires_at() -> float:
    """When the token that `guard` found expires, in unix seconds."""
    expires_at: float = g.token_expires_at
    return expires_at


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


def make_tokens(grant: FamilyGrant) -> tuple[str, str]:
    """The access and the refresh token of a grant."""
    family = {FAMILY_CLAIM: str(grant.sign_in_id)}
    return (
        create_access_token(grant.name, additional_claims=family),
        create_refresh_token(grant.name, additional_claims={**family, "jti": grant.refresh_jti}),
    )


@jwt.decode_key_loader
def _key_of_complete_tokens(_header: dict[str, Any], claims: dict[str, Any]) -> bytes:
    """The key, for tokens with every claim that ours have: flask-jwt-extended would fill in some that are missing."""
    if not claims.keys() >= REQUIRED_CLAIMS:
        raise InvalidTokenError("claims are missing")
    key: bytes = current_app.config["JWT_SECRET_KEY"]
    return key


def init_tokens(app: Flask, *, secret_key: bytes, access_minutes: int, refresh_days: int) -> None:
    """Configure flask-jwt-extended; a token in the URL is never accepted, a header wins over a cookie."""
    app.config.update(
        JWT_SECRET_KEY=secret_key,
        JWT_ALGORITHM="HS256",
        JWT_TOKEN_LOCATION=["headers", "cookies"],
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(minutes=access_minutes),
        JWT_REFRESH_TOKEN_EXPIRES=timedelta(days=refresh_days),
        JWT_ENCODE_NBF=False,
        JWT_REFRESH_COOKIE_PATH="/auth",
    )
    jwt.init_app(app)
    app.extensions[VERIFIED] = VerifiedTokens()
