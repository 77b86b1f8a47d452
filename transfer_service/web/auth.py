"""`/auth` and `/token`: signing in, renewing, signing out (docs/accounts.md)."""

from typing import Any

from flask import Blueprint, Response, current_app, g, jsonify, request
from flask_jwt_extended import get_csrf_token, get_jwt

from transfer_service.errors import BadCredentials, InvalidRequest
from transfer_service.services.accounts import AccountFacts
from transfer_service.services.sign_ins import FamilyGrant
from transfer_service.web.current_account import make_tokens, require_account
from transfer_service.web.requests import buffer_small_body
from transfer_service.web.services import services

MAX_CREDENTIALS_BYTES = 16 * 1024
ACCESS_COOKIE, REFRESH_COOKIE = "access_token_cookie", "refresh_token_cookie"
# Pages of games run in a sandbox, as if they were another site's: browsers leave the Lax cookie out when such a page
# loads its own images. So the same token comes again for /game-zip/ alone (web/game_zip.py). Browsers keep it where it
# counts as Secure: over https, and over http on localhost.
GAME_COOKIE, GAME_COOKIE_PATH = "game_zip_token", "/game-zip/"

blueprint = Blueprint("auth", __name__)


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
    return _with_cookies(_sign_in("Incorrect username or password", name_fields=("username", "device_id")))


@blueprint.post("/auth/refresh")
def refresh() -> Response:
    """A new pair for a refresh token, which is spent by it; in cookies where it came in one."""
    identity = require_account(refresh=True)
    grant = services().sign_ins.renew(identity, refresh_jti=str(get_jwt()["jti"]))
    return _with_cookies(grant) if g._jwt_extended_jwt_location == "cookies" else _pair(grant)


@blueprint.post("/auth/logout")
def logout() -> Response:
    """End this sign-in: all its tokens. Takes an access or a refresh token, so it works after a long sleep too."""
    services().sign_ins.end(require_account(any_type=True).sign_in_id)
    response = Response(status=204)
    for name, path in ((ACCESS_COOKIE, "/"), (REFRESH_COOKIE, "/auth"), *_CSRF_COOKIES):
        response.delete_cookie(name, path=path)
    response.delete_cookie(GAME_COOKIE, path=GAME_COOKIE_PATH, secure=True, httponly=True, samesite="None")
    return response


_CSRF_COOKIES = (("csrf_access_token", "/"), ("csrf_refresh_token", "/"))


def _sign_in(refusal: str, *, name_fields: tuple[str, ...]) -> FamilyGrant:
    name, password = _credentials(name_fields)
    try:
        account = services().accounts.authenticate(name, password, address=request.remote_addr or "")
        return services().sign_ins.begin(account_id=account.account_id, name=account.name)
    except BadCredentials as error:
        raise BadCredentials(refusal) from error


def _credentials(name_fields: tuple[str, ...]) -> tuple[str, str]:
    """Name and password from a JSON object or a form. Raises InvalidRequest."""
    buffer_small_body(MAX_CREDENTIALS_BYTES)
    fields: Any = request.get_json() if request.is_json else request.form
    if not hasattr(fields, "get"):
        raise InvalidRequest("Expected an object")
    name = next((value for field in name_fields if (value := fields.get(field))), None)
    password = fields.get("password")
    for field, value in ((name_fields[0], name), ("password", password)):
        if not isinstance(value, str) or not value:
            raise InvalidRequest(f"Field required: {field}")
    return str(name), str(password)


def _pair(grant: FamilyGrant) -> Response:
    access, renewal = make_tokens(grant)
    lifetime = current_app.config["JWT_ACCESS_TOKEN_EXPIRES"]
    response = jsonify(
        {
            "access_token": access,
            "token_type": "bearer",
            "expires_in": int(lifetime.total_seconds()),
            "refresh_token": renewal,
        }
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _with_cookies(grant: FamilyGrant) -> Response:
    access, renewal = make_tokens(grant)
    response = jsonify({"user": _user_json(services().accounts.get(grant.name))})
    response.headers["Cache-Control"] = "no-store"
    access_seconds = int(current_app.config["JWT_ACCESS_TOKEN_EXPIRES"].total_seconds())
    refresh_seconds = int(current_app.config["JWT_REFRESH_TOKEN_EXPIRES"].total_seconds())
    for name, value, path, seconds, for_scripts in (
        (ACCESS_COOKIE, access, "/", access_seconds, False),
        (REFRESH_COOKIE, renewal, "/auth", refresh_seconds, False),
        ("csrf_access_token", str(get_csrf_token(access)), "/", access_seconds, True),
        ("csrf_refresh_token", str(get_csrf_token(renewal)), "/", refresh_seconds, True),
    ):
        response.set_cookie(
            name, value, max_age=seconds, path=path, secure=request.is_secure, httponly=not for_scripts, samesite="Lax"
        )
    response.set_cookie(
        GAME_COOKIE, access, max_age=access_seconds, path=GAME_COOKIE_PATH, secure=True, httponly=True, samesite="None"
    )
    return response


def _user_json(account: AccountFacts) -> dict[str, Any]:
    return {"name": account.name, "is_admin": account.is_admin, "permissions": list(account.permissions)}
