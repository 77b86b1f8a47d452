"""What becomes of accounts, and who signs in, in the audit log: one row for each change, none where nothing changes."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.conftest import PASSWORD, Device, forget_activities, signed_in
from tests.services.events.ledger import check, entries
from tests.web.accounts.keys import new_key
from transfer_service.bootstrap import Services
from transfer_service.web.context import EXTENSION

ACCOUNTS = "/api/admin/accounts"
FROM = "127.0.0.1"


@pytest.fixture
def services(make_app: Callable[..., Flask], database_url: str) -> Services:
    bound: Services = make_app(database_url=database_url).extensions[EXTENSION]
    return bound


@pytest.fixture
def app(make_app: Callable[..., Flask], services: Services, database_url: str) -> Flask:  # noqa: ARG001 - made first
    """Another instance, which the requests meet."""
    return make_app(database_url=database_url, joins=True)


def told(services: Services) -> list[tuple[str, str, str | None, str | None, Any]]:
    """The whole log, and an empty one from then on."""
    rows = [(row.action, row.resource_id, row.username, row.ip_address, row.details) for row in entries(services)]
    forget_activities(services)
    return rows


def sign_in(app: Flask, name: str = "alice", password: str = PASSWORD) -> Any:
    return app.test_client(use_cookies=False).post("/token", json={"username": name, "password": password})


def test_signing_in_and_out(app: Flask, services: Services) -> None:
    pair = sign_in(app).get_json()
    ((action, account, username, address, details),) = told(services)
    assert (action, account, username, address) == ("account.signed_in", "alice", "alice", FROM)
    session_id = details["session_id"]
    device = Device(app.test_client(use_cookies=False), {"Authorization": f"Bearer {pair['access_token']}"})
    renewal = {"headers": {"Authorization": f"Bearer {pair['refresh_token']}"}}
    assert device.post("/auth/refresh", **renewal).status_code == 200
    assert told(services) == []
    assert device.post("/auth/logout").status_code == 204
    assert told(services) == [("account.signed_out", "alice", "alice", FROM, {"session_id": session_id})]


@pytest.mark.parametrize(
    ("name", "password", "account"),
    [
        pytest.param("alice", "wrong words", "alice", id="wrong-password"),
        pytest.param("nobody", PASSWORD, None, id="unknown"),
        pytest.param("my secret password", "x", None, id="a-password-in-the-field-of-the-name"),
        pytest.param("x" * 5000, "x", None, id="a-long-name"),
        pytest.param("bob", PASSWORD, "bob", id="disabled"),
    ],
)
def test_who_cannot_sign_in_is_told_of_once(
    app: Flask, services: Services, name: str, password: str, account: str | None
) -> None:
    services.accounts.disable("bob")
    forget_activities(services)
    assert sign_in(app, name, password).status_code == 401
    assert told(services) == [("account.sign_in_failed", account or "", None, FROM, {"account": account})]


def test_a_wrong_current_password_is_one_too_and_a_refusal_to_try_is_none(app: Flask, services: Services) -> None:
    device = signed_in(app, "alice")
    wrong = {"current_password": "wrong words", "new_password": "another horse"}
    for _ in range(10):
        assert device.post("/auth/password", json=wrong).status_code == 403
    failed = ("account.sign_in_failed", "alice", None, FROM, {"account": "alice"})
    assert told(services) == [failed] * 10
    assert (device.post("/auth/password", json=wrong).status_code, sign_in(app).status_code) == (429, 429)
    assert told(services) == []


def test_an_own_new_password(app: Flask, services: Services) -> None:
    fields = {"current_password": PASSWORD, "new_password": "another horse"}
    assert signed_in(app, "alice").post("/auth/password", json=fields).status_code == 204
    assert told(services) == [("account.password_changed", "alice", "alice", FROM, {})]


def test_a_refresh_token_that_comes_again_late_ends_its_session(
    app: Flask, services: Services, clock: Callable[..., Any]
) -> None:
    pair = sign_in(app).get_json()
    ((*_, details),) = told(services)
    client, headers = app.test_client(use_cookies=False), {"Authorization": f"Bearer {pair['refresh_token']}"}
    assert client.post("/auth/refresh", headers=headers).status_code == 200
    clock.advance(minutes=1)  # type: ignore[attr-defined]
    assert [client.post("/auth/refresh", headers=headers).status_code for _ in range(2)] == [401, 401]
    reason = {"session_id": details["session_id"], "reason": "a refresh token was used again"}
    assert [(row[0], row[-1]) for row in told(services)] == [("account.session_ended", reason)]


def test_a_session_that_is_ended(app: Flask, services: Services) -> None:
    signed_in(app, "alice")
    device = signed_in(app, "alice")
    lost = next(each for each in device.get("/auth/sessions").get_json()["sessions"] if not each["current"])
    assert [device.delete(f"/auth/sessions/{lost['id']}").status_code for _ in range(2)] == [204, 404]
    assert told(services) == [("account.session_ended", "alice", "alice", FROM, {"session_id": lost["id"]})]


def test_administrators_leave_a_row_for_each_kind_of_change(app: Flask, services: Services) -> None:
    admin, bob = signed_in(app, "root"), signed_in(app, "bob")
    made = admin.post(ACCOUNTS, json={"name": "carol", "quota_bytes": 5})
    details = {"is_admin": False, "permissions": [], "quota_bytes": 5}
    assert told(services) == [("account.created", "carol", "root", FROM, details)]
    assert made.get_json()["password"] not in str(details)
    new_key(bob, "files")
    forget_activities(services)
    changes = {
        "is_admin": True,
        "permissions": ["a"],
        "quota_bytes": 7,
        "is_disabled": True,
        "password": "another horse",
    }
    assert admin.request("PATCH", f"{ACCOUNTS}/bob", json=changes).status_code == 200
    changed = {
        "is_admin": {"from": False, "to": True},
        "permissions": {"from": [], "to": ["a"]},
        "quota_bytes": {"from": None, "to": 7},
    }
    assert told(services) == [
        ("account.changed", "bob", "root", FROM, changed),
        ("account.password_changed", "bob", "root", FROM, {}),
        ("account.disabled", "bob", "root", FROM, {}),
    ]
    del changes["password"]
    assert admin.request("PATCH", f"{ACCOUNTS}/bob", json=changes).status_code == 200  # as it is already
    assert told(services) == []


def test_keys_that_end_with_a_password_are_told_of_one_by_one(app: Flask, services: Services) -> None:
    admin, bob = signed_in(app, "root"), signed_in(app, "bob")
    keys = [new_key(bob, "files", name=f"key {number}")["id"] for number in range(2)]
    check(services)
    assert admin.request("PATCH", f"{ACCOUNTS}/bob", json={"end_keys": True}).status_code == 200
    check(services)
    actions = [(row[0], row[1]) for row in told(services) if row[0] != "key.created"]
    assert sorted(actions) == sorted([("account.changed", "bob"), *(("key.revoked", each) for each in keys)])


@pytest.mark.parametrize(
    ("name", "changes", "status"),
    [("root", {"is_admin": False, "quota_bytes": 5}, 409), ("nobody", {"is_admin": True}, 404), ("bob", {"x": 1}, 400)],
)
def test_what_is_refused_leaves_none(
    app: Flask, services: Services, name: str, changes: dict[str, Any], status: int
) -> None:
    assert signed_in(app, "root").request("PATCH", f"{ACCOUNTS}/{name}", json=changes).status_code == status
    assert told(services) == []


def test_commands_do_it_without_a_name_and_an_address(services: Services) -> None:
    accounts = services.accounts
    accounts.create("carol", PASSWORD, permissions=("a",))
    accounts.grant("carol", "b")
    accounts.grant("carol", "b")
    accounts.revoke("carol", "a")
    accounts.set_quota("carol", 5)
    accounts.set_password("carol", "another horse")
    accounts.disable("carol")
    accounts.disable("carol")
    accounts.enable("carol")
    rows = told(services)
    assert {row[1:4] for row in rows} == {("carol", None, None)}
    assert [(row[0].removeprefix("account."), row[-1]) for row in rows] == [
        ("created", {"is_admin": False, "permissions": ["a"], "quota_bytes": None}),
        ("changed", {"permissions": {"from": ["a"], "to": ["a", "b"]}}),
        ("changed", {"permissions": {"from": ["a", "b"], "to": ["b"]}}),
        ("changed", {"quota_bytes": {"from": None, "to": 5}}),
        ("password_changed", {}),
        ("disabled", {}),
        ("enabled", {}),
    ]
