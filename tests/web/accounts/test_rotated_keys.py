"""Another `SECRET_KEY`: what the one before has signed counts as long as it is a previous one, and not longer."""

from collections.abc import Callable
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydantic import SecretStr

from tests.conftest import SECRET, Device, signed_in
from tests.web.accounts.bench import browser, csrf, pair_of, show
from tests.web.sharing.bench import fetch, sign_file
from tests.web.sharing.visitors import PASSWORD, Visitor, share

NEW = "another secret of at least thirty-two bytes"
MakeApp = Callable[..., Flask]
OLD_KEY, NEW_KEY = SecretStr(SECRET), SecretStr(NEW)


@pytest.fixture
def instances(make_app: MakeApp) -> dict[str, Flask]:
    """The same installation before, during and after a rotation."""
    return {
        "before": make_app(),
        "prepared": make_app(joins=True, previous_secret_keys=[NEW_KEY]),
        "rotated": make_app(joins=True, secret_key=NEW, previous_secret_keys=[OLD_KEY]),
        "finished": make_app(joins=True, secret_key=NEW),
    }


EXPECTED = {"before": 200, "prepared": 200, "rotated": 200, "finished": 401}
AFTERWARDS = {"before": 401, "prepared": 200, "rotated": 200, "finished": 200}


def statuses(instances: dict[str, Flask], ask: Callable[[Flask], int]) -> dict[str, int]:
    return {name: ask(app) for name, app in instances.items()}


def test_a_token_counts_where_its_key_is_known(instances: dict[str, Flask]) -> None:
    for signer, expected in (("before", EXPECTED), ("prepared", EXPECTED), ("rotated", AFTERWARDS)):
        pair = pair_of(instances[signer])
        assert statuses(instances, lambda app, pair=pair: show(app, pair["access_token"]).status_code) == expected  # type: ignore[misc]


def key_of(token: str) -> str:
    """The name of the key that has signed a token."""
    for name, key in (("old", SECRET), ("new", NEW)):
        try:
            jwt.decode(token, key.encode(), algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False})
        except jwt.InvalidSignatureError:
            continue
        return name
    raise AssertionError("signed by neither")


def test_a_refresh_gives_tokens_of_the_new_key(instances: dict[str, Flask]) -> None:
    old = pair_of(instances["before"])
    refused = show(instances["finished"], old["refresh_token"], "POST", "/auth/refresh")
    new = show(instances["rotated"], old["refresh_token"], "POST", "/auth/refresh").get_json()
    assert (refused.status_code, key_of(old["refresh_token"])) == (401, "old")
    assert {key_of(new["access_token"]), key_of(new["refresh_token"])} == {"new"}
    assert show(instances["finished"], new["refresh_token"], "POST", "/auth/refresh").status_code == 200


def test_an_expired_or_forged_token_is_none_for_any_key(instances: dict[str, Flask]) -> None:
    claims = jwt.decode(pair_of(instances["before"])["access_token"], options={"verify_signature": False})
    for token in (
        jwt.encode({**claims, "exp": claims["iat"] - 1}, SECRET, algorithm="HS256"),
        jwt.encode(claims, "a key that nobody has, of thirty-two bytes", algorithm="HS256"),
        jwt.encode(claims, "", algorithm="none"),
    ):
        for name in ("prepared", "rotated"):
            assert show(instances[name], token).status_code == 401


def test_cookies_and_their_csrf_values_count_on(instances: dict[str, Flask]) -> None:
    client, _ = browser(instances["before"])

    def write(app: Flask, **headers: str) -> int:
        client.application = app
        return client.post("/api/files?filename=log.bin", data=b"x", headers=headers).status_code

    right = csrf(client)
    assert [write(instances[name], **right) for name in ("before", "prepared", "rotated", "finished")] == [
        201, 201, 201, 401,
    ]  # fmt: skip
    assert [write(instances["rotated"]), write(instances["rotated"], **{"X-CSRF-TOKEN": "wrong"})] == [401, 401]
    _renew(client, instances["rotated"])
    assert write(instances["finished"], **csrf(client)) == 201


def _renew(client: FlaskClient, app: Flask) -> None:
    client.application = app
    assert client.post("/auth/refresh", headers=csrf(client, "refresh")).status_code == 200


@pytest.fixture
def owner(instances: dict[str, Flask]) -> Device:
    return signed_in(instances["before"], "alice")


def test_signed_addresses_count_on(instances: dict[str, Flask], owner: Device) -> None:
    url = sign_file(owner, owner.store(b"bytes")["file_id"])
    bundle = owner.post("/api/bundles", json={"file_ids": [owner.store(b"abc", "a.bin")["file_id"]]}).get_json()["url"]
    for address in (url, bundle):
        found = statuses(instances, lambda app, address=address: fetch(app, address).status_code)  # type: ignore[misc]
        assert found == {**EXPECTED, "finished": 403}
    later = signed_in(instances["rotated"], "alice")
    new = sign_file(later, later.store(b"bytes", "new.bin")["file_id"])
    assert statuses(instances, lambda app: fetch(app, new).status_code) == {**AFTERWARDS, "before": 403}


def test_links_show_their_address_and_know_their_visitors(instances: dict[str, Flask], owner: Device) -> None:
    file_id = owner.store(b"bytes")["file_id"]
    link = share(owner, file_id, password=PASSWORD)
    visitor = Visitor(instances["before"], link)
    assert visitor.unlock().status_code < 400

    def look(app: Flask) -> int:
        visitor.client.application = app
        return visitor.download(file_id).status_code

    assert statuses(instances, look) == {**EXPECTED, "finished": 403}
    shown = {
        name: signed_in(app, "alice").get("/api/links").get_json()["links"][0]["url"] for name, app in instances.items()
    }
    assert shown == {**dict.fromkeys(instances, link["url"]), "finished": None}


def test_cursors_count_on(instances: dict[str, Flask], owner: Device) -> None:
    for number in range(3):
        owner.store(b"x", f"{number}.bin")
    page: dict[str, Any] = owner.get("/api/files?limit=1").get_json()

    def follow(app: Flask) -> int:
        return signed_in(app, "alice").get(f"/api/files?limit=1&cursor={page['next_cursor']}").status_code

    assert statuses(instances, follow) == {**EXPECTED, "finished": 400}
