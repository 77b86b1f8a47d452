"""Making tokens, and verifying what a request shows (docs/accounts.md)."""

import math
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar

from cachetools import FIFOCache
from flask import Flask, current_app, g, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    decode_token,
    get_csrf_token,
    get_jwt,
    verify_jwt_in_request,
)
from flask_jwt_extended.exceptions import CSRFError, JWTExtendedException, NoAuthorizationError
from jwt import InvalidSignatureError, InvalidTokenError, PyJWTError

from transfer_service.errors import BadCredentials, InvalidName, NotAuthenticated
from transfer_service.services.accounts.sign_ins import FamilyGrant
from transfer_service.wire.filenames import parse_label

FAMILY_CLAIM = "family"
VERIFIED = "transfer_service.verified_tokens"
KEYS = "TRANSFER_KEYS"
"""Where the app's configuration has the keys of the service: the first one signs."""
MAX_TOKEN_CHARACTERS = 8190
"""What fits into a header; the claims are parsed before the signature is verified."""
CLOCK_DIFFERENCE_SECONDS = 30
"""How far ahead the clock of the instance may be that made a token."""
REMEMBERED_TOKENS = 10_000

_TEXTS = ("sub", "jti", "type", FAMILY_CLAIM)
_INSTANTS = ("exp", "iat")
_BAD_TOKEN = (
    JWTExtendedException, PyJWTError, InvalidName, KeyError, ValueError, AttributeError, TypeError,
    RecursionError,  # brackets, thousands deep
    OverflowError,  # an instant without end
)  # fmt: skip

jwt = JWTManager()

Verified = TypeVar("Verified")


class Claims(NamedTuple):
    """What a verified token says, and whether it came in a cookie. `expires_at` in unix seconds."""

    family: uuid.UUID
    name: str
    expires_at: float
    jti: str
    is_cookie: bool


class VerifiedTokens:
    """The latest REMEMBERED_TOKENS by the header that carried them: a device sends the same with every chunk.

    A signature does not become wrong; what can change is asked each time: the clock here, the sign-in in the database.
    """

    def __init__(self) -> None:
        self._claims: FIFOCache[str, Claims] = FIFOCache(REMEMBERED_TOKENS)

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


def shown_token() -> str | None:
    """The bearer token of the request, which goes before any cookie."""
    return parse_bearer(request.headers.get("Authorization"))


def verify_shown(types: tuple[str, ...]) -> Claims:
    """The claims of the request's token, wherever it is. Raises NotAuthenticated, BadCredentials."""
    token = shown_token()
    if token is not None:
        return verify_text(token, types)
    if len(types) == 1:
        return _verify_cookie(types, refresh=types == ("refresh",))
    try:
        return _verify_cookie(types, refresh=False)
    except (NotAuthenticated, BadCredentials) as error:  # after a long sleep only the longer one is left
        try:
            return _verify_cookie(types, refresh=True)
        except NotAuthenticated:
            raise error from None


def _verify_cookie(types: tuple[str, ...], *, refresh: bool) -> Claims:
    verify = partial(verify_jwt_in_request, locations="cookies", refresh=refresh, verify_type=len(types) == 1)
    with _failures_are_bad_credentials():
        if _with_each_key(verify) is None:
            raise NoAuthorizationError  # the library does not look at an OPTIONS
        return _checked(get_jwt(), types, is_cookie=True)


def verify_text(token: str, types: tuple[str, ...]) -> Claims:
    """The claims of a token, wherever it came from. Raises BadCredentials."""
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise BadCredentials
    with _failures_are_bad_credentials():
        return _checked(_with_each_key(partial(decode_token, token)), types, is_cookie=False)


def _checked(claims: dict[str, Any], types: tuple[str, ...], *, is_cookie: bool) -> Claims:
    if claims["type"] not in types or claims["exp"] <= time.time():  # the leeway is for `iat` alone
        raise BadCredentials
    return Claims(
        family=uuid.UUID(claims[FAMILY_CLAIM]),
        name=parse_label(claims["sub"]),
        expires_at=claims["exp"],
        jti=claims["jti"],
        is_cookie=is_cookie,
    )


def _with_each_key(verify: Callable[[], Verified]) -> Verified:
    """What `verify` gives with the first of the keys that a signature is by. Raises what it raises with the last."""
    *others, last = current_app.config[KEYS]
    try:
        for g.token_key in others:
            with suppress(InvalidSignatureError):
                return verify()
        g.token_key = last
        return verify()
    finally:
        del g.token_key


@contextmanager
def _failures_are_bad_credentials() -> Iterator[None]:
    try:
        yield
    except CSRFError as error:
        raise BadCredentials("CSRF token missing or incorrect") from error
    except NoAuthorizationError as error:
        raise NotAuthenticated from error
    except _BAD_TOKEN as error:
        raise BadCredentials from error


def make_tokens(grant: FamilyGrant) -> tuple[str, str]:
    """The access and the refresh token of a grant."""
    family = {FAMILY_CLAIM: str(grant.sign_in_id)}
    return (
        create_access_token(grant.name, additional_claims=family),
        create_refresh_token(grant.name, additional_claims={**family, "jti": grant.refresh_jti}),
    )


def csrf_value(token: str) -> str:
    """What has to come in X-CSRF-TOKEN with a token that comes as a cookie."""
    return str(get_csrf_token(token))


@jwt.decode_key_loader
def _key_of_complete_tokens(_header: dict[str, Any], claims: dict[str, Any]) -> bytes:
    """The key, for tokens whose claims are those of ours: the library fills in some that are missing, and reads text
    as a number, which would surprise whoever counts with it later.
    """
    texts, instants = [claims.get(name) for name in _TEXTS], [claims.get(name) for name in _INSTANTS]
    if not all(map(_is_text, texts)) or not all(map(_is_instant, instants)):
        raise InvalidTokenError("claims are missing or of a wrong type")
    key: bytes = g.get("token_key", current_app.config["JWT_SECRET_KEY"])  # of its own tokens the library asks too
    return key


def _is_text(value: object) -> bool:
    """Whether it is text that a database can be asked for: JSON knows halves of characters, UTF-8 does not."""
    try:
        return isinstance(value, str) and bool(value.encode())
    except UnicodeEncodeError:
        return False


def _is_instant(value: object) -> bool:
    """Whether it is a NumericDate (RFC 7519 section 2) of the next thousand years."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0 <= value < 2**35  # type: ignore[arg-type, operator]


def init_tokens(app: Flask, *, secrets: Sequence[bytes], access_minutes: int, refresh_days: int) -> None:
    """Configure flask-jwt-extended; a token in the URL is never accepted, a header wins over a cookie.

    The first of the `secrets` signs, all verify.
    """
    app.config.update(
        {KEYS: tuple(secrets)},
        JWT_SECRET_KEY=secrets[0],
        JWT_ALGORITHM="HS256",
        JWT_TOKEN_LOCATION=["headers", "cookies"],
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(minutes=access_minutes),
        JWT_REFRESH_TOKEN_EXPIRES=timedelta(days=refresh_days),
        JWT_DECODE_LEEWAY=CLOCK_DIFFERENCE_SECONDS,
        JWT_ENCODE_NBF=False,
        JWT_REFRESH_COOKIE_PATH="/auth",
    )
    jwt.init_app(app)
    app.extensions[VERIFIED] = VerifiedTokens()


def parse_bearer(field: str | None) -> str | None:
    """The token in an `Authorization` field, None where it shows another scheme or nothing (RFC 6750 section 2.1).

    What it gives may be no token at all: whoever verifies it finds out.
    """
    scheme, _, credentials = (field or "").strip().partition(" ")
    return credentials.strip() or None if scheme.lower() == "bearer" else None
