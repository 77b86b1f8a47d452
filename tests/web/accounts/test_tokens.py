"""Showing and ending bearer tokens, and `/auth/logout`."""

import base64
import time
import uuid
from typing import Any

import jwt
import pytest
from flask import Flask

from tests.conftest import SECRET
from tests.web.accounts.bench import BAD, NOBODY, pair_of, show
from transfer_service.bootstrap import Services


def forged(genuine: str, *, key: str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    """A genuine token with other claims; None takes a claim away."""
    claims = {**jwt.decode(genuine, SECRET.encode(), algorithms=["HS256"]), **changes}
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key.encode(), algorithm)


def encoded(part: bytes) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


HEADER = b'{"alg":"HS256","typ":"JWT"}'


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_may_have_any_case(shared_app: Flask, scheme: str) -> None:
    assert show(shared_app, pair_of(shared_app)["access_token"], scheme=scheme).status_code == 200


@pytest.mark.parametrize(
    ("header", "body"),
    [
        pytest.param(None, NOBODY, id="no-header"),
        pytest.param("", NOBODY, id="empty-header"),
        pytest.param("Basic YTpi", NOBODY, id="basic"),
        pytest.param(",,", NOBODY, id="commas"),
        pytest.param(" , , ", NOBODY, id="commas-and-spaces"),
        pytest.param(", Bearer", NOBODY, id="comma-before"),
        pytest.param("Bearer", NOBODY, id="scheme-only"),
        pytest.param("Bearer   ", NOBODY, id="scheme-and-spaces"),
        pytest.param("\u00ff\u00ff", NOBODY, id="latin-1"),
        pytest.param("Bearer ,", BAD, id="scheme-and-comma"),
        pytest.param("Bearer ,,", BAD, id="scheme-and-commas"),
        pytest.param("Bearer {access_token} {access_token}", BAD, id="twice"),
        pytest.param("Bearer {access_token}, Bearer {access_token}", BAD, id="two-fields"),
        pytest.param("Bearer \u00ff.\u00ff.\u00ff", BAD, id="token-in-latin-1"),
        pytest.param(f"Bearer {encoded(b'[' * 3000)}.e30.e30", BAD, id="nested-header"),
        pytest.param(f"Bearer {encoded(HEADER)}.{encoded(b'[' * 3000)}.e30", BAD, id="nested-claims"),
        pytest.param(f"Bearer {encoded(HEADER)}.{encoded(b'9' * 5000)}.e30", BAD, id="claims-an-endless-number"),
        pytest.param(f"Bearer {encoded(HEADER)}.{encoded(b'[]')}.e30", BAD, id="claims-a-list"),
        pytest.param("Bearer nonsense", BAD, id="nonsense"),
        pytest.param("Bearer a.b.c", BAD, id="three-parts"),
        pytest.param("Bearer {refresh_token}", BAD, id="refresh-token"),
        pytest.param("Bearer {access_token:.60}", BAD, id="cut-off"),
    ],
)
def test_a_request_without_a_good_token_is_401(shared_app: Flask, header: str | None, body: dict[str, str]) -> None:
    headers = {} if header is None else {"Authorization": header.format(**pair_of(shared_app))}
    response = shared_app.test_client().get("/api/files", headers=headers)
    assert (response.status_code, response.get_json()) == (401, body)
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"exp": int(time.time()) - 5}, id="expired"),
        pytest.param({"exp": int(time.time()) - 1}, id="expired-a-moment-ago"),
        pytest.param({"exp": "soon"}, id="expiry-no-number"),
        pytest.param({"exp": str(int(time.time()) + 900)}, id="expiry-as-text"),
        pytest.param({"exp": True}, id="expiry-true"),
        pytest.param({"exp": [int(time.time()) + 900]}, id="expiry-in-a-list"),
        pytest.param({"exp": float("inf")}, id="expiry-never"),
        pytest.param({"exp": float("nan")}, id="expiry-not-a-number"),
        pytest.param({"exp": 10**400}, id="expiry-of-400-digits"),
        pytest.param({"exp": -1}, id="expiry-before-all-time"),
        pytest.param({"iat": str(int(time.time()))}, id="issue-time-as-text"),
        pytest.param({"iat": float("inf")}, id="issue-time-never"),
        pytest.param({"iat": int(time.time()) + 3600}, id="issued-in-the-future"),
        pytest.param({"nbf": "now"}, id="not-before-as-text"),
        pytest.param({"nbf": float("inf")}, id="not-before-the-end"),
        pytest.param({"jti": 7}, id="id-no-string"),
        pytest.param({"jti": {}}, id="id-an-object"),
        pytest.param({"type": ["access"]}, id="type-in-a-list"),
        pytest.param({"type": {}}, id="type-an-object"),
        pytest.param({"family": 7}, id="family-no-string"),
        pytest.param({"family": ["x"]}, id="family-in-a-list"),
        pytest.param({"sub": "\ud800"}, id="name-not-utf-8"),
        pytest.param({"jti": "\ud800"}, id="id-not-utf-8"),
        pytest.param({"sub": "a/b"}, id="name-that-cannot-be"),
        pytest.param({"key": "another secret of at least thirty-two bytes"}, id="other-key"),
        pytest.param({"exp": None}, id="no-expiry"),
        pytest.param({"jti": None}, id="no-id"),
        pytest.param({"iat": None}, id="no-issue-time"),
        pytest.param({"sub": "bob"}, id="another-account's-name"),
        pytest.param({"sub": None}, id="no-name"),
        pytest.param({"sub": 7}, id="name-no-string"),
        pytest.param({"family": str(uuid.uuid4())}, id="unknown-family"),
        pytest.param({"family": "x"}, id="malformed-family"),
        pytest.param({"family": None}, id="no-family"),
        pytest.param({"type": "refresh"}, id="wrong-type"),
        pytest.param({"type": None}, id="no-type"),
    ],
)
def test_a_forged_or_expired_token_is_401(shared_app: Flask, changes: dict[str, Any]) -> None:
    token = forged(pair_of(shared_app)["access_token"], **changes)
    for _ in range(2):  # the second time it might be remembered
        response = show(shared_app, token)
        assert (response.status_code, response.get_json()) == (401, BAD)


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_the_clock_of_another_instance_may_be_half_a_minute_ahead(shared_app: Flask, kind: str) -> None:
    token = forged(pair_of(shared_app)[kind], iat=int(time.time()) + 28)
    path = "/api/files" if kind == "access_token" else "/auth/me"
    assert [show(shared_app, token, path=path).status_code for _ in range(2)] == [200, 200]


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_token_of_another_algorithm_is_401(shared_app: Flask) -> None:
    response = show(shared_app, forged(pair_of(shared_app)["access_token"], algorithm="HS512"))
    assert (response.status_code, response.get_json()) == (401, BAD)


def test_an_unsigned_token_is_401(shared_app: Flask) -> None:
    claims = jwt.decode(pair_of(shared_app)["access_token"], SECRET.encode(), algorithms=["HS256"])
    response = show(shared_app, jwt.encode(claims, key="", algorithm="none"))
    assert (response.status_code, response.get_json()) == (401, BAD)


@pytest.mark.parametrize("parameter", ["access_token", "token", "jwt"])
def test_a_token_in_the_url_is_never_accepted(shared_app: Flask, parameter: str) -> None:
    token = pair_of(shared_app)["access_token"]
    response = shared_app.test_client().get("/api/files", query_string={parameter: token})
    assert (response.status_code, response.get_json()) == (401, NOBODY)


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_logout_ends_this_sign_in_only(app: Flask, kind: str) -> None:
    pair, elsewhere = pair_of(app), pair_of(app)
    response = show(app, pair[kind], "POST", "/auth/logout")
    assert (response.status_code, response.data) == (204, b"")
    assert show(app, pair["access_token"]).get_json() == BAD
    assert show(app, pair["refresh_token"], "POST", "/auth/refresh").status_code == 401
    assert show(app, elsewhere["access_token"]).status_code == 200


@pytest.mark.parametrize("change", ["disable", "disable-and-enable", "set-password"])
def test_old_tokens_end_with_the_account(app: Flask, services: Services, change: str) -> None:
    pair = pair_of(app)
    if change == "set-password":
        services.accounts.set_password("alice", "another horse")
    else:
        services.accounts.disable("alice")
    if change == "disable-and-enable":
        services.accounts.enable("alice")
    assert (show(app, pair["access_token"]).status_code, show(app, pair["access_token"]).get_json()) == (401, BAD)
    assert show(app, pair["refresh_token"], "POST", "/auth/refresh").status_code == 401
