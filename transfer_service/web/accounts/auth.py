"""`/auth` and `/token`: signing in, renewing, signing out (docs/accounts.md)."""

import hashlib
import hmac
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from transfer_service.errors import BadCredentials, TooManyAttempts
from transfer_service.services.accounts.rows import AccountRecord
from transfer_service.services.accounts.sign_ins import Client, FamilyGrant
from transfer_service.telemetry import meters
from transfer_service.web.accounts.tokens import csrf_value, make_tokens, shown_token
from transfer_service.web.context import (
    client_address,
    current,
    current_claims,
    require_account,
    services,
    token_expires_at,
)
from transfer_service.web.cors import refuse_foreign_pages
from transfer_service.web.request_log import note
from transfer_service.web.requests import buffer_small_body, fields_of_body, json_object, text_field
from transfer_service.wire.json_text import parse_object

MAX_CREDENTIALS_BYTES = 16 * 1024
MAX_USER_AGENT_CHARACTERS = 255
_LOG_PURPOSE = b"transfer-service log names"
_NAME_HASH_CHARACTERS = 16
ACCESS_COOKIE, REFRESH_COOKIE = "access_token_cookie", "refresh_token_cookie"
# Pages of games run in a sandbox, as if they were another site's: browsers leave the Lax cookie out when such a page
# loads its own images. So the same token comes again for /game-zip/ alone (web/games/game_zip.py). Browsers keep it
# where it counts as Secure: over https, and over http on localhost.
GAME_COOKIE, GAME_COOKIE_PATH = "game_zip_token", "/game-zip/"

blueprint = Blueprint("auth", __name__)


@blueprint.before_request
def _guard() -> None:
    """Who asks is looked at before the query is, as at every other door; the views of tokens do it by themselves."""
    if request.method == "OPTIONS":  # browsers send no token with a preflight (Fetch section 3.3.3)
        return
    if request.endpoint in {"auth.me", "auth.logout"}:
        require_account(any_type=True)
    elif request.endpoint == "auth.change_password":
        require_account()


@blueprint.post("/auth/token")
def device_token() -> Response:
    """Tokens for a device."""
    return _pair(_sign_in("Incorrect device ID or password", name_fields=("username", "device_id")))


@blueprint.post("/token")
def token() -> Response:
    """Tokens for a person."""
    return _pair(_sign_in("Incorrect username or password", name_fields=("username",)))


@blueprint.post("/auth/login")
def login() -> Response:
    """Cookies for a browser."""
    # Or a stranger's page signs its visitor in to the stranger's account, unseen.
    refuse_foreign_pages("Pages of this origin cannot sign anybody in")
    return _with_cookies(_sign_in("Incorrect username or password", name_fields=("username", "device_id")))


@blueprint.get("/auth/me")
def me() -> Response:
    """Who the token or key speaks for, and until when."""
    identity = current()
    account, expires_at = services().accounts.get(identity.name), token_expires_at()
    own = {
        "id": str(account.account_id),
        **_user_json(account),
        "used_bytes": account.used_bytes,
        "quota_bytes": services().space.quota_of(account.own_quota_bytes),
        "expires_at": None if expires_at == inf else int(expires_at),
    }
    return jsonify(own)


@blueprint.post("/auth/password")
def change_password() -> Response:
    """Replace the own password; every other sign-in ends."""
    identity = current()
    fields = json_object(MAX_CREDENTIALS_BYTES)
    known, new = text_field(fields, "current_password"), text_field(fields, "new_password")
    services().accounts.change_password(identity, current=known, new=new, address=request.remote_addr or "")
    return Response(status=204)


@blueprint.post("/auth/refresh")
def refresh() -> Response:
    """A new pair for a refresh token; in cookies where it came in one."""
    identity = require_account(refresh=True, token=shown_token() or _token_in_body())
    claims = current_claims()
    grant = services().sign_ins.renew(identity, refresh_jti=claims.jti)
    return _with_cookies(grant) if claims.is_cookie else _pair(grant)


@blueprint.post("/auth/logout")
def logout() -> Response:
    """End this sign-in: all its tokens. Takes an access or a refresh token, so it works after a long sleep too."""
    services().sign_ins.end(current().sign_in_id)
    response = Response(status=204)
    for name, path in ((ACCESS_COOKIE, "/"), (REFRESH_COOKIE, "/auth"), *_CSRF_COOKIES):
        response.delete_cookie(name, path=path)
    response.delete_cookie(GAME_COOKIE, path=GAME_COOKIE_PATH, secure=True, httponly=True, samesite="None")
    return response


_CSRF_COOKIES = (("csrf_access_token", "/"), ("csrf_refresh_token", "/"))


def _sign_in(refusal: str, *, name_fields: tuple[str, ...]) -> FamilyGrant:
    name, password = _credentials(name_fields)
    try:
        with logged_sign_in(name):
            verified = services().accounts.authenticate(name, password, address=request.remote_addr or "")
            account = verified.account
            note(account=str(account.account_id))
            return services().sign_ins.begin(
                account_id=account.account_id,
                name=account.name,
                password_hash=verified.password_hash,
                client=client_of_request(),
            )
    except BadCredentials as error:
        services().accounts.note_failure(name)
        raise BadCredentials(refusal) from error


def client_of_request() -> Client:
    """Where a sign-in comes from, and what its program calls itself: nothing that anybody can rely on."""
    shown = request.headers.get("User-Agent", "").encode("latin-1", "replace").decode(errors="replace")
    plain = "".join(character for character in shown if character.isprintable())
    return Client(client_address(), plain[:MAX_USER_AGENT_CHARACTERS] or None)


def _credentials(name_fields: tuple[str, ...]) -> tuple[str, str]:
    """Name and password from a JSON object or a form. Raises InvalidRequest."""
    fields = fields_of_body(MAX_CREDENTIALS_BYTES)
    name_field = next((field for field in name_fields if field in fields), name_fields[0])
    return text_field(fields, name_field), text_field(fields, "password")


def _token_in_body() -> str | None:
    """The refresh token in a JSON body, None where there is no such body or field. Raises InvalidRequest."""
    data = buffer_small_body(MAX_CREDENTIALS_BYTES) if request.is_json else b""
    fields = parse_object(data) if data else {}
    return text_field(fields, "refresh_token") if "refresh_token" in fields else None


def _pair(grant: FamilyGrant) -> Response:
    access, renewal = make_tokens(grant)
    lifetime = current_app.config["JWT_ACCESS_TOKEN_EXPIRES"]
    return jsonify(
        {
            "access_token": access,
            "token_type": "bearer",
            "expires_in": int(lifetime.total_seconds()),
            "refresh_token": renewal,
        }
    )


def _with_cookies(grant: FamilyGrant) -> Response:
    access, renewal = make_tokens(grant)
    response = jsonify(
        {
            "user": _user_json(services().accounts.get(grant.name)),
            # For pages on another host of the same site, which cannot read this one's cookies.
            "csrf_access_token": csrf_value(access),
            "csrf_refresh_token": csrf_value(renewal),
        }
    )
    set_cookies(response, access, renewal)
    return response


def set_cookies(response: Response, access: str, renewal: str) -> None:
    """Sign the browser in that gets this answer."""
    access_seconds = int(current_app.config["JWT_ACCESS_TOKEN_EXPIRES"].total_seconds())
    refresh_seconds = int(current_app.config["JWT_REFRESH_TOKEN_EXPIRES"].total_seconds())
    for name, value, path, seconds, for_scripts in (
        (ACCESS_COOKIE, access, "/", access_seconds, False),
        (REFRESH_COOKIE, renewal, "/auth", refresh_seconds, False),
        ("csrf_access_token", csrf_value(access), "/", access_seconds, True),
        ("csrf_refresh_token", csrf_value(renewal), "/", refresh_seconds, True),
    ):
        response.set_cookie(
            name, value, max_age=seconds, path=path, secure=request.is_secure, httponly=not for_scripts, samesite="Lax"
        )
    response.set_cookie(
        GAME_COOKIE, access, max_age=access_seconds, path=GAME_COOKIE_PATH, secure=True, httponly=True, samesite="None"
    )


def _user_json(account: AccountRecord) -> dict[str, Any]:
    return {"name": account.name, "is_admin": account.is_admin, "permissions": list(account.permissions)}


@contextmanager
def logged_sign_in(name: str) -> Iterator[None]:
    """Note on the log line of this request how a sign-in went, and a hash of the name where it failed.

    People type passwords into the field of the name. So it is a keyed hash: the same name gives the same text, but
    nobody who has only the log can try words.
    """
    try:
        yield
    except TooManyAttempts:
        note(sign_in="throttled", name_hash=_name_hash(name))
        meters.count(meters.SIGN_INS, "failed")
        raise
    except BadCredentials:
        note(sign_in="failed", name_hash=_name_hash(name))
        meters.count(meters.SIGN_INS, "failed")
        raise
    note(sign_in="ok")
    meters.count(meters.SIGN_INS, "ok")


def _name_hash(name: str) -> str:
    secret: bytes = current_app.config["JWT_SECRET_KEY"]
    key = hmac.digest(secret, _LOG_PURPOSE, hashlib.sha256)
    text = " ".join(unicodedata.normalize("NFC", name).split()).encode("utf-8", "surrogatepass")
    return hmac.new(key, text, hashlib.sha256).hexdigest()[:_NAME_HASH_CHARACTERS]
