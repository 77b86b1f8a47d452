"""The own account: `GET /auth/me`, `POST /auth/password`; and who may not sign in from which page."""

from typing import Any

import jwt
import pytest
from flask import Flask

from tests.conftest import PASSWORD, SECRET, Device, signed_in
from tests.web.accounts.bench import BAD, GOOD, browser, csrf, pair_of, show
from tests.web.conftest import MakeApp
from transfer_service.bootstrap import Services
from transfer_service.web.context import EXTENSION

NEW = "another horse"
CHANGE = {"current_password": PASSWORD, "new_password": NEW}


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_any_token_tells_whose_it_is(make_app: MakeApp, services: Services, kind: str) -> None:
    app = make_app(quota_bytes=1000)
    services.accounts.grant("alice", "games.download")
    pair = pair_of(app)
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    app.test_client().post("/api/files?filename=a", data=b"hello", headers=headers)
    assert show(app, pair[kind], path="/auth/me").get_json() == {
        "id": str(services.accounts.get("alice").account_id),
        "name": "alice",
        "is_admin": False,
        "permissions": ["games.download"],
        "used_bytes": 5,
        "quota_bytes": 1000,
        "expires_at": jwt.decode(pair[kind], SECRET.encode(), algorithms=["HS256"])["exp"],
    }


def test_without_a_quota_none_is_told(admin: Device) -> None:
    facts = admin.get("/auth/me").get_json()
    assert (facts["name"], facts["is_admin"], facts["quota_bytes"]) == ("root", True, None)


@pytest.mark.parametrize(("own", "in_force"), [(0, 0), (5, 5), (5000, 5000), (None, 1000)])
def test_the_quota_in_force_is_told(make_app: MakeApp, own: int | None, in_force: int) -> None:
    app = make_app(quota_bytes=1000)
    app.extensions[EXTENSION].accounts.set_quota("alice", own)
    assert signed_in(app, "alice").get("/auth/me").get_json()["quota_bytes"] == in_force


def test_a_cookie_tells_whose_it_is_too(app: Flask) -> None:
    client, _ = browser(app)
    assert client.get("/auth/me").get_json()["name"] == "alice"


def test_a_new_password_ends_the_other_sign_ins(app: Flask) -> None:
    own, other = pair_of(app), pair_of(app)
    headers = {"Authorization": f"Bearer {own['access_token']}"}
    response = app.test_client().post("/auth/password", json=CHANGE, headers=headers)
    assert (response.status_code, response.data) == (204, b"")
    assert [show(app, each["access_token"]).status_code for each in (own, other)] == [200, 401]
    assert show(app, other["refresh_token"], "POST", "/auth/refresh").get_json() == BAD
    assert show(app, own["refresh_token"], "POST", "/auth/refresh").status_code == 200
    statuses = [
        app.test_client().post("/token", json={**GOOD, "password": each}).status_code for each in (PASSWORD, NEW)
    ]
    assert statuses == [401, 200]


def test_a_cookie_needs_its_csrf_value_for_a_new_password(app: Flask) -> None:
    client, _ = browser(app)
    assert client.post("/auth/password", json=CHANGE).status_code == 401
    assert client.post("/auth/password", json=CHANGE, headers=csrf(client)).status_code == 204


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({**CHANGE, "current_password": "wrong"}, 403, id="wrong-current-one"),
        pytest.param({**CHANGE, "new_password": "sevenxx"}, 400, id="seven-characters"),
        pytest.param({**CHANGE, "new_password": "é" * 513}, 400, id="1026-bytes"),
        pytest.param({**CHANGE, "new_password": 12345678}, 400, id="number"),
        pytest.param({**CHANGE, "current_password": None}, 400, id="null"),
        pytest.param({"new_password": NEW}, 400, id="no-current-one"),
        pytest.param({"current_password": PASSWORD}, 400, id="no-new-one"),
        pytest.param([CHANGE], 400, id="array"),
    ],
)
def test_a_password_that_is_refused_stays(app: Flask, device: Device, body: Any, status: int) -> None:
    response = device.post("/auth/password", json=body)
    assert (response.status_code, list(response.get_json())) == (status, ["detail"])
    assert app.test_client().post("/token", json=GOOD).status_code == 200


def test_ten_wrong_current_passwords_lock_the_account(app: Flask, device: Device) -> None:
    wrong = {**CHANGE, "current_password": "wrong"}
    assert [device.post("/auth/password", json=wrong).status_code for _ in range(10)] == [403] * 10
    assert device.post("/auth/password", json=CHANGE).status_code == 429
    assert app.test_client().post("/token", json=GOOD).status_code == 429


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="no-origin"),
        pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "null"}, 403, id="sandbox"),
        pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403, id="stranger"),
        pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "https://app.example.evil.net"}, 403, id="look-alike"),
        pytest.param({"Sec-Fetch-Site": "Cross-Site", "Origin": "https://evil.example"}, 403, id="capitals"),
        pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "https://app.example"}, 200, id="listed"),
        pytest.param({"Sec-Fetch-Site": "same-site", "Origin": "https://other.localhost"}, 200, id="same-site"),
        pytest.param({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}, 200, id="own"),
        pytest.param({"Sec-Fetch-Site": "none"}, 200, id="address-bar"),
        pytest.param({"Origin": "http://evil.example"}, 403, id="stranger-by-http"),
        pytest.param({"Origin": "http://localhost.evil.example"}, 403, id="look-alike-by-http"),
        pytest.param({"Origin": "null"}, 403, id="sandbox-by-http"),
        pytest.param({"Origin": "http://[::1"}, 403, id="none-by-http"),
        pytest.param({"Origin": "https://app.example"}, 200, id="listed-by-http"),
        pytest.param({"Origin": "http://LOCALHOST:8000"}, 200, id="own-by-http"),
        pytest.param({}, 200, id="no-browser"),
    ],
)
def test_a_strangers_page_signs_nobody_in(make_app: MakeApp, headers: dict[str, str], status: int) -> None:
    app = make_app(cors_origins=["https://app.example"])
    response = app.test_client().post("/auth/login", data=GOOD, headers=headers)
    assert (response.status_code, "Set-Cookie" in response.headers) == (status, status == 200)


def test_a_star_lets_no_strangers_page_sign_anybody_in(make_app: MakeApp) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    response = make_app(cors_origins=["*"]).test_client().post("/auth/login", data=GOOD, headers=headers)
    assert (response.status_code, list(response.get_json())) == (403, ["detail"])


@pytest.mark.parametrize("spelling", ["Zo\u00e9", "Zoe\u0301", " Zo\u00e9", "Zoe\u0301  "])
def test_wrong_passwords_count_once_however_the_name_is_written(app: Flask, services: Services, spelling: str) -> None:
    services.accounts.create("Zo\u00e9", PASSWORD)
    client = app.test_client()
    for number in range(10):
        name = ("Zo\u00e9", "Zoe\u0301", " Zo\u00e9")[number % 3]
        client.post("/token", json={"username": name, "password": "wrong"})
    assert client.post("/token", json={"username": spelling, "password": PASSWORD}).status_code == 429
