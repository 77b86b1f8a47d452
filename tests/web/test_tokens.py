"""Showing, renewing and ending tokens: Bearer, cookies with CSRF, `/auth/refresh`, `/auth/login`, `/auth/logout`."""

import time
import uuid
from http.cookies import SimpleCookie
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.conftest import PASSWORD, SECRET
from transfer_service.web.services import Services

GOOD = {"username": "alice", "password": PASSWORD}
NOBODY, BAD = {"detail": "Not authenticated"}, {"detail": "Could not validate credentials"}


def pair_of(app: Flask, name: str = "alice") -> dict[str, str]:
    client = app.test_client(use_cookies=False)
    pair: dict[str, str] = client.post("/auth/token", json={**GOOD, "username": name}).get_json()
    return pair


def show(app: Flask, token: str, method: str = "GET", path: str = "/api/files", scheme: str = "Bearer") -> TestResponse:
    client = app.test_client(use_cookies=False)
    return client.open(path, method=method, headers={"Authorization": f"{scheme} {token}"})


def forged(genuine: str, *, key: str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    """A genuine token with other claims; None takes a claim away."""
    claims = {**jwt.decode(genuine, SECRET.encode(), algorithms=["HS256"]), **changes}
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key.encode(), algorithm)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_may_have_any_case(shared_app: Flask, scheme: str) -> None:
    assert show(shared_app, pair_of(shared_app)["access_token"], scheme=scheme).status_code == 200


@pytest.mark.parametrize(
    ("header", "body"),
    [
        pytest.param(None, NOBODY, id="no-header"),
        pytest.param("", NOBODY, id="empty-header"),
        pytest.param("Basic YTpi", NOBODY, id="basic"),
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
        pytest.param({"exp": "soon"}, id="expiry-no-number"),
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
    response = show(shared_app, forged(pair_of(shared_app)["access_token"], **changes))
    assert (response.status_code, response.get_json()) == (401, BAD)


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


def test_a_refresh_gives_a_new_pair_and_leaves_the_old_access_token(app: Flask) -> None:
    old = pair_of(app)
    response = show(app, old["refresh_token"], "POST", "/auth/refresh")
    new = response.get_json()
    assert (response.status_code, set(new)) == (200, set(old))
    assert new["refresh_token"] != old["refresh_token"]
    assert [show(app, each["access_token"]).status_code for each in (old, new)] == [200, 200]


def test_a_spent_refresh_token_ends_the_family(app: Flask) -> None:
    old, elsewhere = pair_of(app), pair_of(app)
    new = show(app, old["refresh_token"], "POST", "/auth/refresh").get_json()
    reused = show(app, old["refresh_token"], "POST", "/auth/refresh")
    assert (reused.status_code, reused.get_json()) == (401, BAD)
    refused = [show(app, each["access_token"]).status_code for each in (old, new)]
    refused.append(show(app, new["refresh_token"], "POST", "/auth/refresh").status_code)
    assert (refused, show(app, elsewhere["access_token"]).status_code) == ([401] * 3, 200)


@pytest.mark.parametrize("kind", ["access_token", ""])
def test_only_a_refresh_token_refreshes(shared_app: Flask, kind: str) -> None:
    pair = pair_of(shared_app)
    response = show(shared_app, pair.get(kind, "nonsense"), "POST", "/auth/refresh")
    assert (response.status_code, response.get_json()) == (401, BAD)
    assert show(shared_app, pair["refresh_token"], "POST", "/auth/refresh").status_code == 200


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


def browser(app: Flask, name: str = "alice") -> tuple[FlaskClient, TestResponse]:
    """A client with a cookie jar that has signed in, and the answer."""
    client = app.test_client()
    return client, client.post("/auth/login", json={"username": name, "password": PASSWORD})


def csrf(client: FlaskClient, kind: str = "access") -> dict[str, str]:
    cookie = client.get_cookie(f"csrf_{kind}_token")
    assert cookie is not None
    return {"X-CSRF-TOKEN": cookie.value}


@pytest.mark.parametrize("form", [False, True], ids=["json", "form"])
def test_a_login_names_the_user_and_sets_cookies(app: Flask, services: Services, form: bool) -> None:
    services.accounts.grant("alice", "games.download")
    response = app.test_client().post("/auth/login", **{"data" if form else "json": GOOD})
    user = {"name": "alice", "is_admin": False, "permissions": ["games.download"]}
    assert (response.status_code, response.get_json()) == (200, {"user": user})
    cookies = [SimpleCookie(value) for value in response.headers.getlist("Set-Cookie")]
    flags = {name: (bool(morsel["httponly"]), morsel["samesite"]) for each in cookies for name, morsel in each.items()}
    assert flags == {
        "access_token_cookie": (True, "Lax"),
        "refresh_token_cookie": (True, "Lax"),
        "csrf_access_token": (False, "Lax"),
        "csrf_refresh_token": (False, "Lax"),
        "game_zip_token": (True, "None"),
    }


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_cookies_are_secure_over_https(shared_app: Flask, scheme: str, secure: bool) -> None:
    response = shared_app.test_client().post("/auth/login", json=GOOD, base_url=f"{scheme}://localhost")
    marks = [("; Secure" in value) for value in response.headers.getlist("Set-Cookie")]
    assert marks == [*[secure] * 4, True]  # the last one needs it to be SameSite=None


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        pytest.param("GET", {}, 200, id="safe"),
        pytest.param("POST", {}, 401, id="no-csrf-token"),
        pytest.param("POST", {"X-CSRF-TOKEN": "nonsense"}, 401, id="wrong-csrf-token"),
        pytest.param("DELETE", {}, 401, id="delete-without-csrf-token"),
    ],
)
def test_a_cookie_alone_reads_but_does_not_write(
    shared_app: Flask, method: str, headers: dict[str, str], expected: int
) -> None:
    client, _ = browser(shared_app)
    path = "/api/files/log.bin" if method == "DELETE" else "/api/files"
    response = client.open(path, method=method, query_string={"filename": "x"}, data=b"x", headers=headers)
    assert response.status_code == expected
    assert client.get("/api/files").get_json()["files"] == []


def test_a_cookie_with_its_csrf_token_writes(app: Flask) -> None:
    client, _ = browser(app)
    assert client.post("/api/files?filename=log.bin", data=b"x", headers=csrf(client)).status_code == 201
    assert client.get("/api/files/download/log.bin").data == b"x"


def test_bearer_wins_over_the_cookie(app: Flask) -> None:
    client, _ = browser(app, "alice")
    bob = {"Authorization": f"Bearer {pair_of(app, 'bob')['access_token']}"}
    assert client.post("/api/files?filename=bob.bin", data=b"x", headers=bob).status_code == 201
    assert client.get("/api/files").get_json()["files"] == []


def test_a_bad_bearer_is_not_saved_by_the_cookie(shared_app: Flask) -> None:
    client, _ = browser(shared_app)
    response = client.get("/api/files", headers={"Authorization": "Bearer nonsense"})
    assert (response.status_code, response.get_json()) == (401, BAD)


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer ", ""])
def test_a_header_without_a_token_is_worth_nothing_after_a_cookie_came_with_it(shared_app: Flask, header: str) -> None:
    client, _ = browser(shared_app)
    assert client.get("/api/files", headers={"Authorization": header}).status_code in {200, 401}
    alone = shared_app.test_client(use_cookies=False).get("/api/files", headers={"Authorization": header})
    assert alone.status_code == 401


def test_a_refresh_by_cookie_renews_the_cookies(app: Flask) -> None:
    client, _ = browser(app)
    before = client.get_cookie("access_token_cookie")
    assert client.post("/auth/refresh").status_code == 401
    response = client.post("/auth/refresh", headers=csrf(client, "refresh"))
    assert (response.status_code, client.get("/api/files").status_code) == (200, 200)
    assert client.get_cookie("access_token_cookie") != before
    assert "refresh_token" not in response.get_json()


def test_a_logout_by_cookie_ends_it(app: Flask) -> None:
    client, _ = browser(app)
    token = client.get_cookie("access_token_cookie")
    assert token is not None
    assert client.post("/auth/logout", headers=csrf(client)).status_code == 204
    assert client.get_cookie("access_token_cookie") is None
    assert show(app, token.value).get_json() == BAD
