"""Renewing tokens: `POST /auth/refresh`."""

from typing import Any

import jwt
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.conftest import SECRET, Clock
from tests.web.accounts.bench import BAD, pair_of, show


def test_a_refresh_gives_a_new_pair_and_leaves_the_old_access_token(app: Flask) -> None:
    old = pair_of(app)
    response = show(app, old["refresh_token"], "POST", "/auth/refresh")
    new = response.get_json()
    assert (response.status_code, set(new)) == (200, set(old))
    assert new["refresh_token"] != old["refresh_token"]
    assert [show(app, each["access_token"]).status_code for each in (old, new)] == [200, 200]


def test_a_refresh_token_used_twice_at_once_gives_two_pairs(app: Flask) -> None:
    old = pair_of(app)
    pairs = [show(app, old["refresh_token"], "POST", "/auth/refresh").get_json() for _ in range(2)]
    assert len({each["refresh_token"] for each in [old, *pairs]}) == 3
    for pair in pairs:
        assert show(app, pair["access_token"]).status_code == 200
        assert show(app, pair["refresh_token"], "POST", "/auth/refresh").status_code == 200


def test_a_refresh_token_used_again_later_ends_the_family(app: Flask, clock: Clock) -> None:
    old, elsewhere = pair_of(app), pair_of(app)
    new = show(app, old["refresh_token"], "POST", "/auth/refresh").get_json()
    clock.advance(seconds=31)
    reused = show(app, old["refresh_token"], "POST", "/auth/refresh")
    assert (reused.status_code, reused.get_json()) == (401, BAD)
    refused = [show(app, each["access_token"]).status_code for each in (old, new)]
    refused.append(show(app, new["refresh_token"], "POST", "/auth/refresh").status_code)
    assert (refused, show(app, elsewhere["access_token"]).status_code) == ([401] * 3, 200)


def refresh_by_body(app: Flask, body: Any, **headers: str) -> TestResponse:
    return app.test_client(use_cookies=False).post("/auth/refresh", json=body, headers=headers)


def test_a_refresh_token_may_come_in_json(app: Flask) -> None:
    pair = pair_of(app)
    response = refresh_by_body(app, {"refresh_token": pair["refresh_token"]})
    assert (response.status_code, set(response.get_json())) == (200, set(pair))
    assert "Set-Cookie" not in response.headers


def test_a_bearer_goes_before_the_token_in_json(app: Flask) -> None:
    own, other = pair_of(app), pair_of(app, "bob")
    bearer = f"Bearer {own['refresh_token']}"
    response = refresh_by_body(app, {"refresh_token": other["refresh_token"]}, Authorization=bearer)
    new = jwt.decode(response.get_json()["access_token"], SECRET.encode(), algorithms=["HS256"])
    assert (response.status_code, new["sub"]) == (200, "alice")
    assert refresh_by_body(app, {"refresh_token": "x"}, Authorization="Bearer x").get_json() == BAD


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        pytest.param({}, 401, "Not authenticated", id="no-field"),
        pytest.param({"refresh_token": "nonsense"}, 401, "Could not validate credentials", id="nonsense"),
        pytest.param({"refresh_token": ""}, 400, "Field required: refresh_token", id="empty"),
        pytest.param({"refresh_token": None}, 400, "Field required: refresh_token", id="null"),
        pytest.param({"refresh_token": 7}, 400, "Field required: refresh_token", id="number"),
        pytest.param(["refresh_token"], 400, "Expected a JSON object", id="array"),
    ],
)
def test_a_body_without_a_refresh_token_renews_nothing(shared_app: Flask, body: Any, status: int, detail: str) -> None:
    response = refresh_by_body(shared_app, body)
    assert (response.status_code, response.get_json()) == (status, {"detail": detail})


@pytest.mark.parametrize("kind", ["access_token", ""])
def test_only_a_refresh_token_refreshes(shared_app: Flask, kind: str) -> None:
    pair = pair_of(shared_app)
    response = show(shared_app, pair.get(kind, "nonsense"), "POST", "/auth/refresh")
    assert (response.status_code, response.get_json()) == (401, BAD)
    assert show(shared_app, pair["refresh_token"], "POST", "/auth/refresh").status_code == 200
