"""Signing in for tokens: `POST /auth/token` and `POST /token`."""

import json
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.conftest import PASSWORD, SECRET
from tests.web.conftest import MakeApp
from transfer_service.bootstrap import Services
from transfer_service.web.context import EXTENSION

REFUSALS = {"/auth/token": "Incorrect device ID or password", "/token": "Incorrect username or password"}
GOOD = {"username": "alice", "password": PASSWORD}


@pytest.fixture
def client(shared_app: Flask) -> FlaskClient:
    return shared_app.test_client(use_cookies=False)


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        pytest.param("/auth/token", {"json": GOOD}, id="device-json"),
        pytest.param("/auth/token", {"data": GOOD}, id="device-form"),
        pytest.param("/auth/token", {"json": {"device_id": "alice", "password": PASSWORD}}, id="device-id-json"),
        pytest.param("/auth/token", {"data": {"device_id": "alice", "password": PASSWORD}}, id="device-id-form"),
        pytest.param("/auth/token", {"data": {**GOOD, "grant_type": "password"}}, id="oauth-form"),
        pytest.param("/token", {"json": GOOD}, id="person-json"),
        pytest.param("/token", {"data": GOOD}, id="person-form"),
    ],
)
def test_the_right_password_gives_a_pair_of_tokens(client: FlaskClient, path: str, arguments: dict[str, Any]) -> None:
    response = client.post(path, **arguments)
    pair = response.get_json()
    assert response.status_code == 200
    assert {**pair, "access_token": "", "refresh_token": ""} == {
        "access_token": "",
        "token_type": "bearer",
        "expires_in": 1800,
        "refresh_token": "",
    }
    listing = client.get("/api/files", headers={"Authorization": f"Bearer {pair['access_token']}"})
    assert (listing.status_code, response.headers["Cache-Control"]) == (200, "no-store")


def test_tokens_are_hs256_with_the_promised_claims(client: FlaskClient) -> None:
    pair = client.post("/token", json=GOOD).get_json()
    claims = {
        kind: jwt.decode(pair[f"{kind}_token"], SECRET.encode(), algorithms=["HS256"]) for kind in ("access", "refresh")
    }
    assert [(each["sub"], each["type"]) for each in claims.values()] == [("alice", "access"), ("alice", "refresh")]
    assert [each["exp"] - each["iat"] for each in claims.values()] == [1800, 30 * 86400]
    assert claims["access"]["jti"] != claims["refresh"]["jti"]


@pytest.mark.parametrize("path", REFUSALS)
@pytest.mark.parametrize(
    ("name", "password"),
    [
        pytest.param("alice", "wrong", id="wrong-password"),
        pytest.param("alice", PASSWORD + "\n", id="longer-password"),
        pytest.param("alice", PASSWORD.upper(), id="password-in-capitals"),
        pytest.param("alice", "x" * 5000, id="enormous-password"),
        pytest.param("nobody", PASSWORD, id="unknown-name"),
        pytest.param("ALICE", PASSWORD, id="name-in-capitals"),
        pytest.param("../alice", PASSWORD, id="no-possible-name"),
        pytest.param("ali\0ce", PASSWORD, id="name-with-nul"),
        pytest.param("\ud800", PASSWORD, id="lone-surrogate"),
        pytest.param("a" * 300, PASSWORD, id="too-long-a-name"),
    ],
)
def test_a_wrong_name_or_password_is_401_in_the_words_of_the_path(
    client: FlaskClient, path: str, name: str, password: str
) -> None:
    body = json.dumps({"username": name, "password": password})
    # An address of its own for each case: failures are counted by address.
    response = client.post(
        path,
        data=body,
        content_type="application/json",
        environ_overrides={"REMOTE_ADDR": f"10.0.0.{len(name + password) % 250}"},
    )
    assert (response.status_code, response.get_json()) == (401, {"detail": REFUSALS[path]})
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert password not in response.text


@pytest.mark.parametrize("path", [*REFUSALS, "/auth/login"])
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"json": {}}, id="empty-object"),
        pytest.param({"json": {"username": "alice"}}, id="no-password"),
        pytest.param({"json": {"password": "secret words"}}, id="no-name"),
        pytest.param({"data": {"username": "alice"}}, id="form-without-password"),
        pytest.param({"json": {"username": "", "password": "secret words"}}, id="empty-name"),
        pytest.param({"json": {"username": "alice", "password": ""}}, id="empty-password"),
        pytest.param({"json": {"username": 1, "password": "secret words"}}, id="number"),
        pytest.param({"json": {"username": "alice", "password": None}}, id="null"),
        pytest.param({"json": {"username": ["alice"], "password": {"a": 1}}}, id="list-and-object"),
        pytest.param({"json": ["alice", "secret words"]}, id="array"),
        pytest.param({"json": "alice"}, id="string"),
        pytest.param({"data": b"{", "content_type": "application/json"}, id="broken-json"),
        pytest.param({"data": b"\xff\xfe", "content_type": "application/json"}, id="json-that-is-no-utf-8"),
        pytest.param({"query_string": {"username": "alice", "password": "secret words"}}, id="in-the-url"),
    ],
)
def test_a_missing_or_malformed_field_is_400(client: FlaskClient, path: str, arguments: dict[str, Any]) -> None:
    response = client.post(path, **arguments)
    assert (response.status_code, list(response.get_json())) == (400, ["detail"])
    assert "secret words" not in response.text


def test_device_id_is_no_name_for_a_person(client: FlaskClient) -> None:
    response = client.post("/token", json={"device_id": "alice", "password": PASSWORD})
    assert response.status_code == 400


def test_an_enormous_body_is_413(client: FlaskClient) -> None:
    response = client.post("/auth/token", json={"username": "alice", "password": "x" * 100_000})
    assert (response.status_code, list(response.get_json())) == (413, ["detail"])


@pytest.mark.parametrize("path", REFUSALS)
def test_a_disabled_account_is_refused_like_a_wrong_password(app: Flask, services: Services, path: str) -> None:
    services.accounts.disable("alice")
    response = app.test_client().post(path, json=GOOD)
    assert (response.status_code, response.get_json()) == (401, {"detail": REFUSALS[path]})
    services.accounts.enable("alice")
    assert app.test_client().post(path, json=GOOD).status_code == 200


def test_the_life_of_tokens_follows_the_settings(make_app: MakeApp) -> None:
    app = make_app(access_token_expire_minutes=5, refresh_token_days=2)
    pair = app.test_client().post("/token", json=GOOD).get_json()
    claims = jwt.decode(pair["refresh_token"], SECRET.encode(), algorithms=["HS256"])
    assert (pair["expires_in"], claims["exp"] - claims["iat"]) == (300, 2 * 86400)


def attempt(
    client: FlaskClient, name: str = "alice", password: str = "wrong", address: str = "192.0.2.1"
) -> TestResponse:
    fields = {"username": name, "password": password}
    return client.post("/auth/token", json=fields, environ_overrides={"REMOTE_ADDR": address})


def test_ten_wrong_passwords_lock_the_account_from_that_address(app: Flask) -> None:
    client = app.test_client()
    assert [attempt(client).status_code for _ in range(10)] == [401] * 10
    refused = attempt(client, password=PASSWORD)
    assert (refused.status_code, list(refused.get_json())) == (429, ["detail"])
    assert 1 <= int(refused.headers["Retry-After"]) <= 900


def test_a_lock_holds_for_that_account_and_address_only(app: Flask) -> None:
    client = app.test_client()
    for _ in range(10):
        attempt(client)
    assert attempt(client, password=PASSWORD, address="192.0.2.2").status_code == 200
    assert attempt(client, "bob", PASSWORD).status_code == 200
    assert attempt(client, password=PASSWORD).status_code == 429


def test_fifty_wrong_passwords_lock_the_address(app: Flask) -> None:
    client = app.test_client()
    assert {attempt(client, f"name-{number}").status_code for number in range(50)} == {401}
    assert attempt(client, "bob", PASSWORD).status_code == 429
    assert attempt(client, "bob", PASSWORD, "192.0.2.2").status_code == 200


def test_right_passwords_are_not_counted(app: Flask) -> None:
    client = app.test_client()
    assert {attempt(client, password=PASSWORD).status_code for _ in range(11)} == {200}
    services: Services = app.extensions[EXTENSION]
    assert services.accounts.get("alice").disabled is False


def test_every_sign_in_path_counts_to_the_same_limit(app: Flask) -> None:
    client = app.test_client()
    for number in range(10):
        client.post(("/token", "/auth/token", "/auth/login")[number % 3], json={"username": "alice", "password": "no"})
    for path in ("/token", "/auth/token", "/auth/login"):
        assert client.post(path, json=GOOD).status_code == 429


def test_a_field_that_comes_twice_is_400(app: Flask) -> None:
    body = f"username=alice&username=bob&password={PASSWORD}"
    answer = app.test_client().post("/auth/token", data=body, content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, answer.get_json()) == (400, {"detail": "Field given more than once: username"})
