"""Nonsense where tokens, cookies and JSON belong is refused in words: 4xx, and nothing is changed."""

import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import SECRET, Device
from tests.web.accounts.bench import GOOD, browser, csrf, pair_of
from tests.web.uploads.bench import ROOT
from transfer_service.bootstrap import Services
from transfer_service.web.context import EXTENSION

ID = "0" * 24
GAME = "00000000-0000-0000-0000-000000000000"
OPEN_DOORS = [("POST", "/auth/token"), ("POST", "/token"), ("POST", "/auth/login"), ("POST", "/auth/refresh")]
DOORS = [
    ("POST", "/auth/password"),
    ("POST", "/conversations/create"),
    ("POST", "/conversations/create/group"),
    ("POST", f"/conversations/{ID}/participants"),
    ("POST", "/messages"),
    ("PATCH", f"/messages/{ID}"),
    ("POST", f"/api/downloads/{GAME}/download"),
]
FIELDS = [
    "username", "device_id", "password", "refresh_token", "current_password", "new_password", "email", "group_name",
    "participants", "conversation_id", "content", "reply_to", "pinned", "gameDataId",
]  # fmt: skip

header_text = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
objects = st.dictionaries(st.sampled_from(FIELDS), values, max_size=6)
often = settings(max_examples=40, deadline=None)


@pytest.fixture(scope="module")
def token(shared_app: Flask) -> str:
    """A good access token."""
    return pair_of(shared_app)["access_token"]


@pytest.fixture(scope="module")
def cookies(shared_app: Flask) -> FlaskClient:
    """A browser that is signed in."""
    return browser(shared_app)[0]


@pytest.fixture(scope="module")
def clients(shared_app: Flask, token: str) -> list[Callable[..., int]]:
    """The status of a request that shows nothing, and of one with a good token."""

    def status_of(method: str, path: str, headers: dict[str, str], **arguments: Any) -> int:
        client = shared_app.test_client(use_cookies=False)
        return client.open(path, method=method, headers=headers, buffered=True, **arguments).status_code

    def signed_in(method: str, path: str, **arguments: Any) -> int:
        return status_of(method, path, {"Authorization": f"Bearer {token}"}, **arguments)

    return [lambda method, path, **arguments: status_of(method, path, {}, **arguments), signed_in]


@pytest.mark.parametrize(
    "path", ["/api/files", "/auth/me", ROOT, "/game-zip/x/y", "/socket.io/?EIO=4&transport=polling"]
)
@pytest.mark.unmeasured
@often
@given(scheme=st.sampled_from(["", "Bearer ", "bearer ", "Basic ", ",", "Bearer,", "Bearer\t"]), rest=header_text)
def test_no_authorization_breaks_anything(shared_app: Flask, path: str, scheme: str, rest: str) -> None:
    response = shared_app.test_client().get(path, headers={"Authorization": scheme + rest})
    assert response.status_code in ({200, 400, 401} if path.startswith("/socket.io") else {401})


@pytest.mark.parametrize("name", ["access_token_cookie", "refresh_token_cookie", "game_zip_token", "csrf_access_token"])
@pytest.mark.unmeasured
@often
@given(value=header_text, csrf_value=header_text, method=st.sampled_from(["GET", "POST", "DELETE"]))
def test_no_cookie_breaks_anything(shared_app: Flask, name: str, value: str, csrf_value: str, method: str) -> None:
    headers = {"Cookie": f"{name}={value}", "X-CSRF-TOKEN": csrf_value}
    client = shared_app.test_client(use_cookies=False)
    for path in ("/api/files/x", "/auth/refresh", "/auth/logout", f"/game-zip/{GAME}/x"):
        assert 400 <= client.open(path, method=method, headers=headers).status_code < 500


@pytest.mark.unmeasured
@often
@given(value=header_text)
def test_only_the_very_csrf_value_counts(cookies: FlaskClient, value: str) -> None:
    response = cookies.post("/api/files?filename=x", data=b"x", headers={"X-CSRF-TOKEN": value})
    assert response.status_code == (201 if value == csrf(cookies)["X-CSRF-TOKEN"] else 401)


@pytest.mark.unmeasured
@often
@given(claims=st.dictionaries(st.sampled_from(["sub", "exp", "iat", "nbf", "jti", "type", "family", "csrf"]), values))
def test_no_claim_breaks_anything(shared_app: Flask, token: str, claims: dict[str, Any]) -> None:
    genuine = jwt.decode(token, SECRET.encode(), algorithms=["HS256"])
    payload = json.dumps({**genuine, **claims}).encode()
    forged = jwt.api_jws.PyJWS().encode(payload, SECRET.encode(), "HS256")
    client = shared_app.test_client(use_cookies=False)
    for _ in range(2):  # the second time it may be remembered
        for headers in ({"Authorization": f"Bearer {forged}"}, {"Cookie": f"access_token_cookie={forged}"}):
            assert client.get("/api/files", headers=headers).status_code in {200, 401}


@pytest.mark.parametrize(("method", "path"), [*OPEN_DOORS, *DOORS])
@pytest.mark.unmeasured
@often
@given(body=objects)
def test_no_object_breaks_a_door(
    clients: list[Callable[..., int]], method: str, path: str, body: dict[str, Any]
) -> None:
    ask = clients[(method, path) in DOORS]
    assert 200 <= ask(method, path, json=body, environ_overrides=_address(body)) < 500


def _address(body: dict[str, Any]) -> dict[str, str]:
    """An address for each body, since wrong passwords are counted."""
    number = abs(hash(repr(body))) % 2**24
    return {"REMOTE_ADDR": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"}


NESTED = {
    "arrays": b"[" * 8000,
    "closed-arrays": b"[" * 8000 + b"]" * 8000,
    "objects": b'{"a":' * 2000,
    "within-a-field": b'{"username":"a","password":' + b"[" * 4000 + b"]" * 4000 + b"}",
    "number-of-10-000-digits": b'{"username":' + b"9" * 10_000 + b',"password":"x"}',
    "not-a-number": b'{"username":NaN,"password":Infinity}',
    "utf-16": '{"username":"a","password":"b"}'.encode("utf-16"),
    "byte-order-mark": b"\xef\xbb\xbf{}",
    "bytes": bytes(range(256)),
    "nothing": b"",
    "space": b" ",
    "null": b"null",
    "text": b'"x"',
    "twice": b"{}{}",
}


@pytest.mark.parametrize("name", NESTED)
@pytest.mark.parametrize(("method", "path"), [*OPEN_DOORS, *DOORS])
def test_a_body_that_is_no_object_is_400(clients: list[Callable[..., int]], method: str, path: str, name: str) -> None:
    ask = clients[(method, path) in DOORS]
    expected = {400, 403} if "/api/downloads" in path else {400, 401} if path == "/auth/refresh" else {400}
    assert ask(method, path, data=NESTED[name], content_type="application/json") in expected


@pytest.mark.parametrize(
    "text", ["\x00", "a\x00b", "\ud800", "\udfff", "\U0010ffff", "\u202e", "x" * 100_000], ids=ascii
)
def test_no_text_breaks_a_door_on_either_database(
    make_app: Callable[..., Flask], sign_in: Callable[[Flask, str], Device], database_url: str, text: str
) -> None:
    app = make_app(database_url=database_url)
    device = sign_in(app, "alice")
    conversation = device.post("/conversations/create", json={"email": "bob"}).get_json()["conversation_id"]
    bodies = [dict.fromkeys(FIELDS, text), {**dict.fromkeys(FIELDS, text), "participants": [text]}]
    bodies.append(
        {"conversation_id": conversation, "content": text, "email": "bob", "group_name": text, "participants": []}
    )
    for method, path in [*OPEN_DOORS, *DOORS]:
        for body in bodies:
            raw = json.dumps(body)
            assert 200 <= device.request(method, path, data=raw, content_type="application/json").status_code < 500
    services: Services = app.extensions[EXTENSION]
    assert [account.name for account in services.accounts.list_accounts()] == ["alice", "bob", "root"]
    assert app.test_client().post("/token", json=GOOD).status_code == 200
