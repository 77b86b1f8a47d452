"""Signing in by cookie: `/auth/login`, and what `X-CSRF-TOKEN` protects."""

from http.cookies import SimpleCookie

import pytest
from flask import Flask

from tests.web.accounts.bench import BAD, GOOD, NOBODY, browser, csrf, pair_of, show
from transfer_service.bootstrap import Services

CSRF_NAMES = ("csrf_access_token", "csrf_refresh_token")


@pytest.mark.parametrize("form", [False, True], ids=["json", "form"])
def test_a_login_names_the_user_and_sets_cookies(app: Flask, services: Services, form: bool) -> None:
    services.accounts.grant("alice", "games.download")
    response = app.test_client().post("/auth/login", **{"data" if form else "json": GOOD})
    user = {"name": "alice", "is_admin": False, "permissions": ["games.download"]}
    assert response.status_code == 200
    body = response.get_json()
    assert {**body, "csrf_access_token": "", "csrf_refresh_token": ""} == {
        "user": user,
        "csrf_access_token": "",
        "csrf_refresh_token": "",
    }
    cookies = [SimpleCookie(value) for value in response.headers.getlist("Set-Cookie")]
    values = {name: morsel.value for each in cookies for name, morsel in each.items()}
    assert [body[name] for name in CSRF_NAMES] == [values[name] for name in CSRF_NAMES]
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
    query = {"filename": "x"} if method == "POST" else {}
    response = client.open(path, method=method, query_string=query, data=b"x", headers=headers)
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
    values = {f"csrf_{kind}_token": csrf(client, kind)["X-CSRF-TOKEN"] for kind in ("access", "refresh")}
    user = {"name": "alice", "is_admin": False, "permissions": []}
    assert response.get_json() == {"user": user, **values}


def test_a_logout_by_cookie_ends_it(app: Flask) -> None:
    client, _ = browser(app)
    token = client.get_cookie("access_token_cookie")
    assert token is not None
    assert client.post("/auth/logout", headers=csrf(client)).status_code == 204
    assert client.get_cookie("access_token_cookie") is None
    assert show(app, token.value).get_json() == BAD


def test_a_logout_works_when_only_the_refresh_cookie_is_left(app: Flask) -> None:
    client, _ = browser(app)
    token = client.get_cookie("refresh_token_cookie", path="/auth")
    assert token is not None
    client.delete_cookie("access_token_cookie")
    assert client.get("/auth/me").get_json()["name"] == "alice"
    assert client.post("/auth/logout", headers={"X-CSRF-TOKEN": "nonsense"}).status_code == 401
    assert client.post("/auth/logout", headers=csrf(client, "refresh")).status_code == 204
    assert show(app, token.value, "POST", "/auth/refresh").get_json() == BAD


def test_a_refresh_cookie_is_good_for_nothing_else(app: Flask) -> None:
    client, _ = browser(app)
    client.delete_cookie("access_token_cookie")
    response = client.post("/auth/password", json={}, headers=csrf(client, "refresh"))
    assert (response.status_code, response.get_json()) == (401, NOBODY)
