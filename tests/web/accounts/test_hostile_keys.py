"""What is no key, keys in places where none counts, and keys as attackers send them."""

import base64
import secrets
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.conftest import Clock, Device, signed_in
from tests.services.sharing.test_allotment_races import at_once
from tests.web.accounts.bench import BAD, NOBODY
from tests.web.accounts.keys import ALL, new_key, showing
from tests.web.conftest import MakeApp
from transfer_service.bootstrap import Services
from transfer_service.services.accounts import keys as key_service
from transfer_service.web.accounts.auth import ACCESS_COOKIE, GAME_COOKIE


def ask(app: Flask, path: str = "/api/files", **headers: str) -> TestResponse:
    return app.test_client(use_cookies=False).get(path, headers=headers)


@pytest.fixture
def text(device: Device) -> str:
    """A key for everything."""
    found: str = new_key(device, *ALL)["key"]
    return found


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text[:-1], id="cut"),
        pytest.param(lambda text: text + "A", id="longer"),
        pytest.param(lambda text: text + "=", id="padded"),
        pytest.param(lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"), id="another-last-character"),
        pytest.param(lambda text: "tsk_" + text[4:].swapcase(), id="other-case"),
        pytest.param(lambda text: "TSK_" + text[4:], id="capital-prefix"),
        pytest.param(lambda text: text[4:], id="no-prefix"),
        pytest.param(lambda text: f"tsk_{text}", id="prefix-twice"),
        pytest.param(lambda text: f"{text} {text}", id="twice"),
        pytest.param(lambda text: f"{text},", id="comma"),
        pytest.param(lambda text: f'"{text}"', id="quoted"),
        pytest.param(lambda text: base64.b64encode(text.encode()).decode(), id="encoded"),
        pytest.param(lambda text: text[:20] + "\u00e9" + text[21:], id="latin-1"),
        pytest.param(lambda text: text[:20] + "\0" + text[21:], id="nul"),
        pytest.param(lambda text: text[:20] + "%" + text[21:], id="wildcard"),
        pytest.param(lambda _text: "tsk_" + "%" * 43, id="nothing-but-wildcards"),
        pytest.param(lambda _text: "tsk_", id="prefix-alone"),
        pytest.param(lambda _text: "tsk_" + "A" * 43, id="of-the-right-form"),
        pytest.param(lambda _text: "tsk_" + "A" * 100_000, id="huge"),
        pytest.param(lambda _text: "tsk_' OR 1=1 --" + "A" * 32, id="injection"),
        pytest.param(lambda text: text + "." + text + "." + text, id="like-a-token"),
    ],
)
def test_what_is_no_key_is_401(app: Flask, text: str, change: Callable[[str], str]) -> None:
    assert ask(app, Authorization=f"Bearer {text}").status_code == 200
    answer = ask(app, Authorization=f"Bearer {change(text)}")
    assert (answer.status_code, answer.get_json(), answer.headers["WWW-Authenticate"]) == (401, BAD, "Bearer")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  ", " Bearer"])
def test_the_scheme_is_read_as_with_tokens(app: Flask, text: str, scheme: str) -> None:
    assert ask(app, Authorization=f"{scheme} {text}").status_code == 200


@pytest.mark.parametrize("scheme", ["Basic", "Token", "Key", ""])
def test_another_scheme_shows_nothing(app: Flask, text: str, scheme: str) -> None:
    answer = ask(app, Authorization=f"{scheme} {text}")
    assert (answer.status_code, answer.get_json()) == (401, NOBODY)


@pytest.mark.parametrize("name", [ACCESS_COOKIE, GAME_COOKIE, "refresh_token_cookie", "key", "session"])
@pytest.mark.parametrize("path", ["/auth/me", "/game-zip/http://example.com/x", "/api/downloads"])
def test_a_key_in_a_cookie_never_counts(app: Flask, text: str, name: str, path: str) -> None:
    assert ask(app, path, Cookie=f"{name}={text}").status_code == 401
    assert ask(app, path, Authorization=f"Bearer {text}").status_code in {200, 404}


@pytest.mark.parametrize("name", ["key", "access_token", "token", "api_key", "jwt", "Authorization"])
def test_a_key_in_the_address_never_counts(app: Flask, text: str, name: str) -> None:
    for path in ("/download/log.bin", "/api/files", "/auth/me", "/game-zip/http://example.com/x"):
        assert app.test_client().get(path, query_string={name: text}).status_code == 401


@pytest.mark.parametrize("header", ["X-Api-Key", "X-Auth-Token", "Proxy-Authorization", "X-CSRF-TOKEN"])
def test_a_key_in_another_field_never_counts(app: Flask, text: str, header: str) -> None:
    assert ask(app, **{header: text}).get_json() == NOBODY


def test_a_key_in_a_field_wins_over_a_cookie(app: Flask, text: str) -> None:
    bob = signed_in(app, "bob").headers["Authorization"].removeprefix("Bearer ")
    assert (
        ask(app, "/auth/me", Authorization=f"Bearer {text}", Cookie=f"{ACCESS_COOKIE}={bob}").get_json()["name"]
        == "alice"
    )
    dead = ask(app, "/auth/me", Authorization="Bearer tsk_dead", Cookie=f"{ACCESS_COOKIE}={bob}")
    assert dead.get_json() == BAD


def test_a_key_that_looks_like_a_refresh_token_is_none(app: Flask, text: str) -> None:
    client = app.test_client(use_cookies=False)
    for headers in ({"Authorization": f"Bearer {text}"}, {"Cookie": f"refresh_token_cookie={text}"}):
        assert client.post("/auth/refresh", headers=headers).status_code == 401


def test_a_key_is_no_password(app: Flask, text: str) -> None:
    answer = app.test_client().post("/auth/token", json={"username": "alice", "password": text})
    assert answer.status_code == 401


def test_requests_by_keys_count_against_the_limits_of_their_account(make_app: MakeApp) -> None:
    app = make_app(rate_limits="6/minute")
    alice = signed_in(app, "alice")
    keys = [showing(app, new_key(alice, "chat")["key"]) for _ in range(2)]
    statuses = [key.get("/api/files").status_code for key in keys * 3]
    assert statuses == [403, 403, 403, 403, 429, 429]
    assert alice.get("/api/files").status_code == 429
    assert signed_in(app, "bob").get("/api/files").status_code == 200
    dead = showing(app, "tsk_" + "x" * 43)  # counts for its address
    assert [dead.get("/api/files").status_code for _ in range(7)] == [401] * 6 + [429]


def test_a_wrong_key_takes_the_way_of_a_right_one(app: Flask, text: str, services: Services) -> None:
    """One look-up by a hash either way: nothing is compared letter by letter, and nothing slow is computed."""
    found: list[str] = []
    find = services.database.read_rows

    def counting() -> Any:
        found.append("look-up")
        return find()

    services.database.read_rows = counting  # type: ignore[method-assign] # counts
    with app.app_context():
        for shown in (text, "tsk_" + secrets.token_urlsafe(32), text[:-1] + ("A" if text[-1] != "A" else "B")):
            found.clear()
            services.keys.find_identity(shown)
            assert found == ["look-up"]
        found.clear()
        assert services.keys.find_identity("tsk_" + "x" * 100_000) is None
        assert found == []


def test_a_key_that_is_revoked_many_times_at_once_is_revoked_once(app: Flask, device: Device) -> None:
    key = new_key(device, "files", quota_bytes=5)
    statuses: list[int] = []

    def revoke() -> None:
        own = Device(app.test_client(use_cookies=False), device.headers)
        statuses.append(own.delete(f"/auth/keys/{key['id']}").status_code)

    assert at_once([revoke] * 8) == []
    assert sorted(statuses) == [204, *[404] * 7]


def test_no_request_gets_through_that_begins_after_the_answer_to_a_revocation(app: Flask, device: Device) -> None:
    key = new_key(device, "files")
    is_revoked, late = threading.Event(), []

    def use() -> None:
        own = showing(app, key["key"])
        for _ in range(60):
            was_revoked = is_revoked.is_set()
            if own.get("/api/files").status_code != 401 and was_revoked:
                late.append(1)

    def revoke() -> None:
        device.delete(f"/auth/keys/{key['id']}")
        is_revoked.set()

    assert at_once([use, use, use, revoke]) == []
    assert late == []


def test_ten_thousand_keys_cost_one_look_up(app: Flask, device: Device, services: Services, clock: Clock) -> None:
    account_id = services.accounts.get("alice").account_id
    with services.database.write_rows() as rows:
        for number in range(10_000):
            clock.advance(microseconds=1)
            record = key_service.KeyRecord(
                id=uuid.UUID(int=number), name="camera", scopes=frozenset(), created_at=clock.at, expires_at=None,
                last_used_at=None, quota_bytes=None, used_bytes=None,
            )  # fmt: skip
            key_service._ADD.run(rows, key_service._row(record, account_id, number.to_bytes(32, "big")))
    clock.advance(seconds=1)
    key = showing(app, new_key(device, "files")["key"])
    assert key.get("/api/files").status_code == 200
    found: list[dict[str, Any]] = []
    cursor = None
    while cursor is not None or not found:
        page = device.get("/auth/keys", query_string={"cursor": cursor} if cursor else {}).get_json()
        found += page["keys"]
        cursor = page["next_cursor"]
    assert (len(found), len({each["id"] for each in found})) == (10_001, 10_001)
    with services.database.read_rows() as rows:
        plan = rows.exec_driver_sql("EXPLAIN QUERY PLAN SELECT id FROM account_keys WHERE digest = x'00'").all()
    assert "INDEX" in str(plan)
