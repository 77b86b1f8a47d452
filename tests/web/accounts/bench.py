"""What the tests of signing in share: pairs of tokens, requests that show one, and browsers with a cookie jar."""

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.conftest import PASSWORD

GOOD = {"username": "alice", "password": PASSWORD}
NOBODY, BAD = {"detail": "Not authenticated"}, {"detail": "Could not validate credentials"}


def pair_of(app: Flask, name: str = "alice") -> dict[str, str]:
    client = app.test_client(use_cookies=False)
    pair: dict[str, str] = client.post("/auth/token", json={**GOOD, "username": name}).get_json()
    return pair


def show(app: Flask, token: str, method: str = "GET", path: str = "/api/files", scheme: str = "Bearer") -> TestResponse:
    client = app.test_client(use_cookies=False)
    return client.open(path, method=method, headers={"Authorization": f"{scheme} {token}"})


def browser(app: Flask, name: str = "alice") -> tuple[FlaskClient, TestResponse]:
    """A client with a cookie jar that has signed in, and the answer."""
    client = app.test_client()
    return client, client.post("/auth/login", json={"username": name, "password": PASSWORD})


def csrf(client: FlaskClient, kind: str = "access") -> dict[str, str]:
    cookie = client.get_cookie(f"csrf_{kind}_token")
    assert cookie is not None
    return {"X-CSRF-TOKEN": cookie.value}
