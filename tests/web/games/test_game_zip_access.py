"""Who may read members: any account, by header, by cookie, and by the cookie that is for `/game-zip/` alone."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import PASSWORD, Device
from tests.games import add_archive, make_zip
from transfer_service.bootstrap import Services
from transfer_service.web.accounts.auth import GAME_COOKIE


@pytest.fixture
def path(services: Services, tmp_path: Path) -> str:
    """The path of a member."""
    return f"/game-zip/{add_archive(services, tmp_path / 'data', make_zip({'x': b'hello'}))}/x"


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """`bob`, signed in by cookies; like browsers do on localhost, it sends Secure cookies."""
    client = app.test_client()
    client.post("/auth/login", json={"username": "bob", "password": PASSWORD}, base_url="https://localhost")
    return client


def game_cookie(client: FlaskClient) -> str:
    cookie = client.get_cookie(GAME_COOKIE, path="/game-zip/")
    assert cookie is not None
    return cookie.value


def ask(app: Flask, path: str, method: str = "GET", **headers: str) -> Any:
    """A request with these headers and nothing else."""
    return app.test_client(use_cookies=False).open(path, method=method, headers=headers, buffered=True)


def test_every_account_may_read(app: Flask, path: str, device: Device, other_device: Device, admin: Device) -> None:
    assert [each.get(path).data for each in (device, other_device, admin)] == [b"hello"] * 3
    assert ask(app, path).status_code == 401


@pytest.mark.parametrize("target", ["/game-zip/http://a.com/x", "/game-zip/x/y"])
def test_nobody_learns_whether_something_is_there(app: Flask, target: str) -> None:
    response = ask(app, target)
    assert (response.status_code, response.get_json()) == (401, {"detail": "Not authenticated"})
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_members_are_only_read(device: Device, path: str, method: str) -> None:
    response = device.request(method, path)
    assert (response.status_code, list(response.get_json())) == (405, ["detail"])
    assert device.get(path).data == b"hello"


def test_signing_in_sets_a_cookie_that_is_sent_from_the_sandbox(browser: FlaskClient) -> None:
    cookie = browser.get_cookie(GAME_COOKIE, path="/game-zip/")
    assert cookie is not None
    assert (cookie.path, cookie.secure, cookie.http_only, cookie.same_site) == ("/game-zip/", True, True, "None")
    assert browser.get_cookie(GAME_COOKIE) is None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_that_cookie_alone_is_enough_for_members(app: Flask, browser: FlaskClient, path: str, method: str) -> None:
    response = ask(app, path, method, Cookie=f"{GAME_COOKIE}={game_cookie(browser)}")
    assert (response.status_code, response.headers["Content-Length"]) == (200, "5")


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/api/files"),
        ("GET", "/conversations"),
        ("GET", "/api/downloads"),
        ("POST", "/api/files?filename=x"),
        ("POST", "/auth/logout"),
        ("POST", "/auth/refresh"),
    ],
)
def test_it_is_no_token_anywhere_else(app: Flask, browser: FlaskClient, method: str, target: str) -> None:
    response = ask(app, target, method, Cookie=f"{GAME_COOKIE}={game_cookie(browser)}")
    assert response.status_code == 401


def test_it_is_no_token_for_writing(app: Flask, browser: FlaskClient, path: str) -> None:
    assert ask(app, path, "POST", Cookie=f"{GAME_COOKIE}={game_cookie(browser)}").status_code == 405


@pytest.mark.parametrize("value", ["", "x", "a.b.c", "é"], ids=["empty", "word", "dots", "letters"])
def test_a_bad_one_is_refused(app: Flask, path: str, value: str) -> None:
    assert ask(app, path, Cookie=f"{GAME_COOKIE}={value}").status_code == 401


def test_a_refresh_token_is_none(app: Flask, browser: FlaskClient, path: str) -> None:
    refresh = browser.get_cookie("refresh_token_cookie", path="/auth")
    assert refresh is not None
    assert ask(app, path, Cookie=f"{GAME_COOKIE}={refresh.value}").status_code == 401


def test_a_bad_header_wins_over_it(app: Flask, browser: FlaskClient, path: str) -> None:
    cookie = f"{GAME_COOKIE}={game_cookie(browser)}"
    response = ask(app, path, Cookie=cookie, Authorization="Bearer a.b.c")
    assert (response.status_code, response.get_json()) == (401, {"detail": "Could not validate credentials"})


def test_signing_out_ends_it_and_takes_it_away(app: Flask, browser: FlaskClient, path: str) -> None:
    cookie = f"{GAME_COOKIE}={game_cookie(browser)}"
    csrf = browser.get_cookie("csrf_access_token")
    assert csrf is not None
    browser.post("/auth/logout", headers={"X-CSRF-TOKEN": csrf.value}, base_url="https://localhost")
    assert browser.get_cookie(GAME_COOKIE, path="/game-zip/") is None
    assert ask(app, path, Cookie=cookie).status_code == 401


def test_it_ends_with_the_access_token_and_a_refresh_renews_it(app: Flask, browser: FlaskClient, path: str) -> None:
    first = game_cookie(browser)
    csrf = browser.get_cookie("csrf_refresh_token")
    assert csrf is not None
    answer = browser.post("/auth/refresh", headers={"X-CSRF-TOKEN": csrf.value}, base_url="https://localhost")
    assert answer.status_code == 200
    assert game_cookie(browser) != first
    assert ask(app, path, Cookie=f"{GAME_COOKIE}={game_cookie(browser)}").status_code == 200


def test_device_tokens_bring_no_cookies(app: Flask) -> None:
    response = app.test_client().post("/auth/token", json={"username": "bob", "password": PASSWORD})
    assert (response.status_code, response.headers.getlist("Set-Cookie")) == (200, [])


def test_a_sandboxed_page_is_no_origin_that_cors_knows(device: Device, path: str) -> None:
    response = device.get(path, headers={"Origin": "null"})
    assert (response.status_code, response.headers.get("Access-Control-Allow-Origin")) == (200, None)
