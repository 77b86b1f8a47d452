"""`/auth/oidc`: signing in at the company's provider of OpenID Connect (docs/sign-in.md)."""

from dataclasses import replace

from flask import Blueprint, Response, request

from transfer_service.errors import BadCredentials, NotFound, SignInRefused
from transfer_service.services.accounts.attempts import LIFE, Attempt
from transfer_service.services.accounts.openid import OpenId
from transfer_service.services.accounts.sign_ins import FamilyGrant
from transfer_service.telemetry import meters
from transfer_service.web.accounts.auth import client_of_request, set_cookies
from transfer_service.web.accounts.tokens import make_tokens
from transfer_service.web.addresses import absolute_url, own_path
from transfer_service.web.context import services
from transfer_service.web.query import takes_any
from transfer_service.web.request_log import note
from transfer_service.web.requests import changes
from transfer_service.wire.openid import Asserted, Return

# With this prefix no other host of the same site can put a cookie in the place of ours (RFC 6265bis section 4.1.3.2).
COOKIE, SECURE_COOKIE = "oidc_sign_in", "__Host-oidc_sign_in"

blueprint = Blueprint("oidc", __name__, url_prefix="/auth/oidc")


@blueprint.get("/login")
@changes
def login() -> Response:
    """Send the browser to the provider."""
    openid = _openid()
    attempt = openid.attempts.begin()
    url = openid.client.authorization_url(
        state=attempt.state, nonce=attempt.nonce, verifier=attempt.verifier, redirect_uri=_redirect_uri()
    )
    response = Response(status=302, headers={"Location": url})
    # Lax: the provider's page sends the browser back by a link or a redirect of its own.
    response.set_cookie(
        _cookie_name(), attempt.cookie, max_age=LIFE, secure=request.is_secure, httponly=True, samesite="Lax"
    )
    return response


@blueprint.get("/callback")
@takes_any
@changes
def callback() -> Response:
    """Sign in whoever comes back from the provider."""
    openid = _openid()
    if request.method == "HEAD":  # of a program that only looks at addresses: it would use the sign-in up
        return Response(status=204)
    with openid.attempt(request.remote_addr or ""):
        grant = _sign_in(openid)
    response = Response(status=303, headers={"Location": own_path("/")})
    set_cookies(response, *make_tokens(grant))
    response.delete_cookie(_cookie_name(), secure=request.is_secure, httponly=True, samesite="Lax")
    return response


def _openid() -> OpenId:
    found = services().openid
    if found is None:
        raise NotFound
    return found


def _redirect_uri() -> str:
    return absolute_url(f"{blueprint.url_prefix}/callback")


def _cookie_name() -> str:
    return SECURE_COOKIE if request.is_secure else COOKIE


def _sign_in(openid: OpenId) -> FamilyGrant:
    try:
        if any(len(values) > 1 for _, values in request.args.lists()):
            raise SignInRefused("a parameter came more than once")
        cookie, state = request.cookies.get(_cookie_name(), ""), request.args.get("state", "")
        with openid.attempts.resume(cookie, state) as attempt:
            account_id, name = services().identities.sign_in(_find_out(openid, attempt))
        note(account=str(account_id))
        client = replace(client_of_request(), provider=services().core.settings.oidc_issuer)
        grant = services().sign_ins.begin(account_id=account_id, name=name, client=client)
    except BadCredentials as error:
        meters.count(meters.SIGN_INS, "failed")
        note(sign_in="failed", refused=error.reason if isinstance(error, SignInRefused) else None)
        services().identities.record_failure(error)
        raise
    meters.count(meters.SIGN_INS, "ok")
    note(sign_in="ok")
    return grant


def _find_out(openid: OpenId, attempt: Attempt) -> Asserted:
    """Who has come back. Raises SignInRefused, ProviderAway."""
    openid.client.check_issuer(request.args.get("iss"))
    code = request.args.get("code")
    if not code or "error" in request.args:
        raise SignInRefused("the provider says no")
    return openid.client.identify(Return(code, attempt.verifier, attempt.nonce, _redirect_uri()))
