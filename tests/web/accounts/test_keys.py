"""Keys: made, shown once, listed, used, revoked."""

import re
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Clock, Device
from tests.web.accounts.bench import BAD, browser, csrf, pair_of
from tests.web.accounts.keys import ALL, keyed, new_key, showing
from transfer_service.bootstrap import Services
from transfer_service.wire.instants import format_second

DRAFT = {"name": "camera", "scopes": ["upload"]}


def test_a_new_key_is_shown_with_its_text(device: Device, clock: Clock) -> None:
    answer = device.post("/auth/keys", json={"name": "Tür ⛩", "scopes": ["files", "upload"]})
    key = answer.get_json()
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    assert re.fullmatch(r"tsk_[A-Za-z0-9_-]{43}", key.pop("key"))
    assert key == {
        "id": key["id"],
        "name": "Tür ⛩",
        "scopes": ["upload", "files"],
        "created_at": format_second(clock.at),
        "expires_at": None,
        "last_used_at": None,
        "quota_bytes": None,
        "used_bytes": None,
    }
    assert device.get("/auth/keys").get_json() == {"keys": [key], "next_cursor": None}


def test_no_two_keys_are_alike(device: Device) -> None:
    keys = [new_key(device, "upload") for _ in range(20)]
    assert len({each["key"] for each in keys}) == len({each["id"] for each in keys}) == 20


def test_nowhere_is_the_text_of_a_key(app: Flask, device: Device, services: Services) -> None:
    text = new_key(device, *ALL)["key"]
    assert showing(app, text).get("/api/files").status_code == 200
    database = services.core.settings.data_dir
    found = [path.name for path in database.rglob("*") if path.is_file() and text[4:].encode() in path.read_bytes()]
    assert found == []


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"name": None}, id="no-name"),
        pytest.param({"name": 5}, id="number-for-a-name"),
        pytest.param({"name": " \t"}, id="blank-name"),
        pytest.param({"name": "a\nb"}, id="control-character"),
        pytest.param({"name": "a\u202eb"}, id="bidirectional-control"),
        pytest.param({"name": "a\ud800"}, id="half-a-character"),
        pytest.param({"name": "n" * 256}, id="long-name"),
        pytest.param({"scopes": None}, id="no-scopes"),
        pytest.param({"scopes": []}, id="empty-scopes"),
        pytest.param({"scopes": "upload"}, id="text-for-scopes"),
        pytest.param({"scopes": {"upload": True}}, id="object-for-scopes"),
        pytest.param({"scopes": ["upload", "everything"]}, id="unknown-scope"),
        pytest.param({"scopes": ["Upload"]}, id="capital"),
        pytest.param({"scopes": ["upload", 1]}, id="number-among-scopes"),
        pytest.param({"scopes": [["upload"]]}, id="list-among-scopes"),
        pytest.param({"scopes": ["upload", "upload"]}, id="twice"),
        pytest.param({"expires_at": 1796000000}, id="unix-seconds"),
        pytest.param({"expires_at": "2126-01-31"}, id="a-day"),
        pytest.param({"expires_at": "2126-01-31T12:00:00"}, id="no-zone"),
        pytest.param({"expires_at": "2126-01-31T12:00:00+00:00"}, id="offset"),
        pytest.param({"expires_at": "2126-01-31T12:00:00.5Z"}, id="fraction"),
        pytest.param({"expires_at": "2126-02-30T12:00:00Z"}, id="no-such-day"),
        pytest.param({"expires_at": "2020-01-31T12:00:00Z"}, id="past"),
        pytest.param({"expires_at": False}, id="truth-value"),
        pytest.param({"quota_bytes": 0}, id="no-byte"),
        pytest.param({"quota_bytes": -1}, id="less-than-no-byte"),
        pytest.param({"quota_bytes": 2**63}, id="more-than-a-database-counts"),
        pytest.param({"quota_bytes": "10"}, id="text-for-a-quota"),
        pytest.param({"quota_bytes": 10.0}, id="fraction-for-a-quota"),
        pytest.param({"quota_bytes": True}, id="truth-value-for-a-quota"),
    ],
)
def test_a_wrong_field_makes_no_key(device: Device, fields: dict[str, Any]) -> None:
    answer = device.post("/auth/keys", json={**DRAFT, **fields})
    assert answer.status_code == 400, answer.text
    assert device.get("/auth/keys").get_json()["keys"] == []


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'{"name": NaN}', b"\xff"])
def test_what_is_no_object_makes_no_key(device: Device, body: bytes) -> None:
    assert device.post("/auth/keys", data=body).status_code == 400
    assert device.get("/auth/keys").get_json()["keys"] == []


def test_keys_are_each_accounts_own(device: Device, other_device: Device) -> None:
    key = new_key(device, "upload")
    assert other_device.get("/auth/keys").get_json()["keys"] == []
    answer = other_device.delete(f"/auth/keys/{key['id']}")
    assert (answer.status_code, answer.get_json()) == (404, {"detail": "Key not found"})
    assert len(device.get("/auth/keys").get_json()["keys"]) == 1


@pytest.mark.parametrize("key_id", ["x", "0b5e7c1a-6f0e-4c8f-9d2b-3a7e5f1c2d4b", "tsk_x"])
def test_what_is_no_key_cannot_be_revoked(device: Device, key_id: str) -> None:
    assert device.delete(f"/auth/keys/{key_id}").status_code == 404


def test_a_revoked_key_is_dead_at_once(app: Flask, device: Device) -> None:
    kept, key = new_key(device, "files"), new_key(device, "files")
    assert showing(app, key["key"]).get("/api/files").status_code == 200
    assert device.delete(f"/auth/keys/{key['id']}").status_code == 204
    answer = showing(app, key["key"]).get("/api/files")
    assert (answer.status_code, answer.get_json(), answer.headers["WWW-Authenticate"]) == (401, BAD, "Bearer")
    assert [each["id"] for each in device.get("/auth/keys").get_json()["keys"]] == [kept["id"]]
    assert device.delete(f"/auth/keys/{key['id']}").status_code == 404


def test_a_key_ends_at_its_second(app: Flask, clock: Clock) -> None:
    clock.at = clock.at.replace(microsecond=0)
    ending = keyed(app, "files", expires_at=format_second(clock.at.replace(year=clock.at.year + 1)))
    assert ending.get("/auth/me").get_json()["expires_at"] == int(clock.at.replace(year=clock.at.year + 1).timestamp())
    clock.at = clock.at.replace(year=clock.at.year + 1)
    clock.advance(microseconds=-1)
    assert ending.get("/api/files").status_code == 200
    clock.advance(microseconds=1)
    assert (ending.get("/api/files").status_code, ending.get("/auth/me").get_json()) == (401, BAD)


def test_a_key_without_end_says_so(app: Flask, services: Services) -> None:
    me = keyed(app, "chat").get("/auth/me").get_json()
    assert (me["name"], me["expires_at"], me["id"]) == ("alice", None, str(services.accounts.get("alice").account_id))


def test_a_cookie_makes_a_key_with_its_csrf_value_only(app: Flask) -> None:
    client, _ = browser(app)
    assert client.post("/auth/keys", json=DRAFT).status_code == 401
    assert client.post("/auth/keys", json=DRAFT, headers=csrf(client)).status_code == 201


def test_a_key_needs_no_csrf_value(app: Flask) -> None:
    client, _ = browser(app)
    key = keyed(app, "upload")
    answer = client.post("/api/files?filename=a", data=b"x", headers=key.headers)
    assert answer.status_code == 201


def test_a_refresh_token_makes_no_key(app: Flask) -> None:
    token = pair_of(app)["refresh_token"]
    assert showing(app, token).post("/auth/keys", json=DRAFT).status_code == 401


def test_a_disabled_accounts_keys_rest(app: Flask, device: Device, services: Services) -> None:
    key = showing(app, new_key(device, "files")["key"])
    services.accounts.disable("alice")
    assert (key.get("/api/files").status_code, key.get("/api/files").get_json()) == (401, BAD)
    services.accounts.enable("alice")
    assert key.get("/api/files").status_code == 200
    assert device.get("/api/files").status_code == 401  # tokens do not revive


def test_a_deleted_accounts_keys_are_gone(app: Flask, device: Device, services: Services) -> None:
    key = showing(app, new_key(device, *ALL)["key"])
    services.account_removal.remove("alice")
    assert key.get("/auth/me").get_json() == BAD
    services.accounts.create("alice", "correct horse")
    assert key.get("/auth/me").get_json() == BAD


def test_a_new_password_leaves_keys(app: Flask, device: Device, services: Services) -> None:
    key = showing(app, new_key(device, "files")["key"])
    change = {"current_password": "correct horse", "new_password": "another horse"}
    assert device.post("/auth/password", json=change).status_code == 204
    services.accounts.set_password("alice", "a third horse")
    assert key.get("/api/files").status_code == 200


def test_a_key_is_never_an_administrator(app: Flask) -> None:
    key = keyed(app, *ALL, name="root")
    answer = key.post("/cleanup")
    assert (answer.status_code, answer.get_json()) == (403, {"detail": "Not for keys"})
    assert key.get("/auth/me").get_json()["is_admin"] is True  # that is the account's


def test_a_key_has_the_permissions_of_its_account(app: Flask, services: Services) -> None:
    key = keyed(app, "games")
    path = "/api/downloads/00000000-0000-0000-0000-000000000000/download"
    assert key.post(path, json={"gameDataId": 1}).status_code == 403
    services.accounts.grant("alice", "games.download")
    assert key.post(path, json={"gameDataId": 1}).status_code == 404
    services.accounts.revoke("alice", "games.download")
    assert key.post(path, json={"gameDataId": 1}).status_code == 403


@pytest.mark.parametrize(("method", "path"), [("POST", "/auth/refresh"), ("POST", "/auth/logout")])
def test_what_is_about_a_token_refuses_keys(app: Flask, method: str, path: str) -> None:
    key = keyed(app, *ALL)
    answer = key.request(method, path)
    assert (answer.status_code, answer.get_json(), answer.headers["WWW-Authenticate"]) == (401, BAD, "Bearer")
    assert key.get("/api/files").status_code == 200


def test_a_key_is_no_refresh_token_in_a_body(app: Flask, device: Device) -> None:
    text = new_key(device, *ALL)["key"]
    answer = app.test_client().post("/auth/refresh", json={"refresh_token": text})
    assert (answer.status_code, answer.get_json()) == (401, BAD)


def test_who_asks_is_looked_at_first_then_the_scope_then_the_rest(app: Flask, device: Device) -> None:
    key = keyed(app, "upload")
    assert key.get("/api/files?color=red").get_json() == {"detail": "Key lacks scope files"}
    assert device.get("/api/files?color=red").status_code == 400
    dead = showing(app, "tsk_" + "x" * 43)
    assert dead.get("/api/files?color=red").get_json() == BAD
    assert keyed(app, "chat").post("/api/files", data=b"x").status_code == 403
