"""Accounts over HTTP, for administrators: who there is, new ones, and what they may do."""

from collections.abc import Callable
from datetime import datetime
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask

from tests.conftest import PASSWORD, Clock, Device, signed_in
from tests.web.accounts.keys import new_key, showing
from transfer_service.bootstrap import Services
from transfer_service.models.accounts import Account
from transfer_service.web.context import EXTENSION
from transfer_service.wire.instants import format_second

ACCOUNTS = "/api/admin/accounts"
NEW_PASSWORD = "another horse"
MOST = 2**63 - 1


@pytest.fixture(scope="module")
def refused(shared_app: Flask) -> Device:
    """`root` on an app on which nothing changes."""
    return signed_in(shared_app, "root")


def patch(device: Device, name: str, **changes: Any) -> Any:
    """Change an account, and what it is then."""
    answer = device.request("PATCH", f"{ACCOUNTS}/{quote(name, safe='')}", json=changes)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def status_of(device: Device, path: str = "/auth/me") -> int:
    """How the service answers a token or a key."""
    return device.get(path).status_code


def may_sign_in(app: Flask, name: str, password: str = PASSWORD) -> bool:
    """Whether this name and password belong together."""
    answer = app.test_client(use_cookies=False).post("/token", json={"username": name, "password": password})
    return answer.status_code == 200


def names(device: Device, query: str = "") -> list[str]:
    """Names in a list, in its order."""
    answer = device.get(f"{ACCOUNTS}{query}")
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.get_json()["accounts"]]


class TestList:
    def test_an_account_in_every_field(self, admin: Device, services: Services, device: Device, clock: Clock) -> None:
        services.accounts.grant("alice", "games.download")
        device.store(b"hello")
        device.send(b"", "unseen")
        answer = admin.get(f"{ACCOUNTS}?search=LIC")
        account = services.accounts.get("alice")
        assert answer.get_json() == {
            "accounts": [
                {
                    "id": str(account.account_id),
                    "name": "alice",
                    "is_admin": False,
                    "is_disabled": False,
                    "permissions": ["games.download"],
                    "files": 1,
                    "used_bytes": 5,
                    "quota_bytes": None,
                    "effective_quota_bytes": None,
                    "last_sign_in_at": format_second(clock()),
                    "created_at": format_second(account.created_at),
                }
            ],
            "next_cursor": None,
        }
        assert answer.headers["Cache-Control"] == "no-store"

    def test_names_are_in_the_order_of_their_bytes(self, admin: Device, services: Services) -> None:
        for name in ("Zoë", "Éa", "B", "a"):
            services.accounts.create(name, PASSWORD)
        assert names(admin) == ["B", "Zoë", "a", "alice", "bob", "root", "Éa"]
        assert names(admin, "?order=desc") == ["Éa", "root", "bob", "alice", "a", "Zoë", "B"]

    def test_pages_have_each_account_once(
        self, make_app: Callable[..., Flask], clock: Clock, database_url: str
    ) -> None:
        app = make_app(database_url=database_url)
        services: Services = app.extensions[EXTENSION]
        admin = signed_in(app, "root")
        _make(services, clock, [(f"n{number}", number % 3, number % 4) for number in range(9)])
        everybody = admin.get(f"{ACCOUNTS}?limit=1000").get_json()["accounts"]
        keys: dict[str, Callable[[Any], Any]] = {
            "name": lambda each: each["name"].encode(),
            "used_bytes": lambda each: (each["used_bytes"], each["id"]),
            "last_sign_in": lambda each: (each["last_sign_in_at"] or "", each["id"]),
        }
        for (sort, key), order, limit in product(keys.items(), ("asc", "desc"), (1, 2, 3, 7)):
            found, cursor = list[Any](), ""
            while cursor is not None:
                page = admin.get(f"{ACCOUNTS}?sort={sort}&order={order}&limit={limit}{cursor}").get_json()
                assert len(page["accounts"]) <= limit
                found += page["accounts"]
                cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
            assert found == sorted(everybody, key=key, reverse=order == "desc"), (sort, order, limit)

    def test_a_search_finds_any_case_of_any_script_and_wildcards_are_letters(
        self, admin: Device, services: Services
    ) -> None:
        for name in ("ÅSA", "Straße 7", "50%", "a_b", "axb", "ДОМ"):
            services.accounts.create(name, PASSWORD)
        assert names(admin, "?search=åsa") == names(admin, "?search=A%CC%8Asa") == ["ÅSA"]
        assert names(admin, "?search=STRASSE") == ["Straße 7"]
        assert names(admin, "?search=дом") == ["ДОМ"]
        assert names(admin, "?search=%25") == ["50%"]
        assert names(admin, "?search=a_b") == ["a_b"]
        assert names(admin, "?search=nobody") == []

    @pytest.mark.parametrize(
        "query",
        ["sort=size", "sort=", "order=up", "limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=", "colour=red",
         "search=%00", "search=a&search=b", "sort=name&sort=name", "page=1"],
    )  # fmt: skip
    def test_what_is_out_of_range_is_refused(self, refused: Device, query: str) -> None:
        assert refused.get(f"{ACCOUNTS}?{query}").status_code == 400

    def test_a_cursor_counts_for_its_query_its_account_and_its_list_alone(
        self, app: Flask, admin: Device, services: Services
    ) -> None:
        services.accounts.create("second", PASSWORD, is_admin=True)
        cursor = admin.get(f"{ACCOUNTS}?limit=1").get_json()["next_cursor"]
        assert names(admin, f"?cursor={cursor}") == ["bob", "root", "second"]
        changed = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
        for query in (f"?sort=used_bytes&cursor={cursor}", f"?search=b&cursor={cursor}", f"?cursor={changed}"):
            assert admin.get(f"{ACCOUNTS}{query}").status_code == 400
        assert signed_in(app, "second").get(f"{ACCOUNTS}?cursor={cursor}").status_code == 400
        assert admin.get(f"/api/admin/usage?cursor={cursor}").status_code == 400


def _make(services: Services, clock: Clock, accounts: list[tuple[str, int, int]]) -> None:
    """Accounts that use so much and have signed in so long ago, or with 0 never."""
    for name, used_bytes, signed_in_before in accounts:
        services.accounts.create(name, PASSWORD)
        with services.database.write() as session:
            account = session.get_one(Account, services.accounts.get(name).account_id)
            account.used_bytes = used_bytes
            at: datetime = clock().replace(microsecond=0)
            account.last_sign_in_at = at.replace(year=at.year - signed_in_before) if signed_in_before else None


class TestNew:
    def test_an_account_with_everything(self, app: Flask, admin: Device) -> None:
        wanted = {
            "name": "cafe\u0301",
            "password": NEW_PASSWORD,
            "is_admin": True,
            "permissions": ["games.download", "activities.read"],
            "quota_bytes": 0,
        }
        answer = admin.post(ACCOUNTS, json=wanted)
        made = answer.get_json()
        assert (answer.status_code, "password" in made) == (201, False)
        shown = {key: made[key] for key in ("name", "is_admin", "permissions", "quota_bytes", "is_disabled", "files")}
        assert shown == {
            "name": "caf\u00e9",
            "is_admin": True,
            "permissions": ["activities.read", "games.download"],
            "quota_bytes": 0,
            "is_disabled": False,
            "files": 0,
        }
        assert made == admin.get(f"{ACCOUNTS}?search=caf").get_json()["accounts"][0]
        assert may_sign_in(app, "caf\u00e9", NEW_PASSWORD)

    def test_a_password_is_made_where_none_is_given(self, app: Flask, admin: Device) -> None:
        made = [admin.post(ACCOUNTS, json={"name": name}).get_json() for name in ("carol", "dave")]
        assert len({each["password"] for each in made}) == 2
        assert all(len(each["password"]) >= 16 for each in made)
        assert may_sign_in(app, "carol", made[0]["password"])
        assert "password" not in admin.get(ACCOUNTS).text

    @pytest.mark.parametrize(
        "fields",
        [
            pytest.param({}, id="no-name"),
            pytest.param({"name": ""}, id="empty-name"),
            pytest.param({"name": 5}, id="number-for-name"),
            pytest.param({"name": ["x"]}, id="list-for-name"),
            pytest.param({"name": None}, id="null-for-name"),
            pytest.param({"name": "a/b"}, id="slash"),
            pytest.param({"name": "a\\b"}, id="backslash"),
            pytest.param({"name": ".."}, id="dots"),
            pytest.param({"name": "a\u0000b"}, id="nul"),
            pytest.param({"name": "a\u202eb"}, id="bidirectional"),
            pytest.param({"name": "\ud800"}, id="half-a-character"),
            pytest.param({"name": "x" * 256}, id="too-long"),
            pytest.param({"name": "Deleted  Account"}, id="name-of-the-deleted"),
            pytest.param({"name": "x", "password": "short"}, id="short-password"),
            pytest.param({"name": "x", "password": "x" * 1025}, id="long-password"),
            pytest.param({"name": "x", "password": ""}, id="empty-password"),
            pytest.param({"name": "x", "password": None}, id="null-for-password"),
            pytest.param({"name": "x", "password": 12345678}, id="number-for-password"),
            pytest.param({"name": "x", "is_admin": "true"}, id="text-for-flag"),
            pytest.param({"name": "x", "is_admin": 1}, id="number-for-flag"),
            pytest.param({"name": "x", "is_admin": None}, id="null-for-flag"),
            pytest.param({"name": "x", "permissions": "games.download"}, id="text-for-permissions"),
            pytest.param({"name": "x", "permissions": [1]}, id="number-among-permissions"),
            pytest.param({"name": "x", "permissions": {"a": 1}}, id="object-for-permissions"),
            pytest.param({"name": "x", "permissions": None}, id="null-for-permissions"),
            pytest.param({"name": "x", "permissions": ["Games"]}, id="capital-permission"),
            pytest.param({"name": "x", "permissions": ["a\n"]}, id="line-break-in-permission"),
            pytest.param({"name": "x", "permissions": ["a" * 101]}, id="long-permission"),
            pytest.param({"name": "x", "permissions": ["a", "a"]}, id="permission-twice"),
            pytest.param({"name": "x", "quota_bytes": -1}, id="negative-quota"),
            pytest.param({"name": "x", "quota_bytes": MOST + 1}, id="large-quota"),
            pytest.param({"name": "x", "quota_bytes": 1.5}, id="fraction-for-quota"),
            pytest.param({"name": "x", "quota_bytes": 5.0}, id="float-for-quota"),
            pytest.param({"name": "x", "quota_bytes": True}, id="flag-for-quota"),
            pytest.param({"name": "x", "quota_bytes": "5"}, id="text-for-quota"),
            pytest.param({"name": "x", "is_disabled": True}, id="a-field-of-changes"),
            pytest.param({"name": "x", "id": "5"}, id="unknown-field"),
            pytest.param({"name": "x", "used_bytes": -5}, id="a-field-of-the-answer"),
            pytest.param({"name": "x", "password_hash": "!"}, id="a-column"),
        ],
    )
    def test_what_is_wrong_makes_no_account(self, refused: Device, fields: dict[str, Any]) -> None:
        assert refused.post(ACCOUNTS, json=fields).status_code == 400
        assert names(refused) == ["alice", "bob", "root"]

    @pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"{", b"name=x", b'{"name": NaN}', b"\xff"])
    def test_what_is_no_object_is_refused(self, refused: Device, body: bytes) -> None:
        assert refused.post(ACCOUNTS, data=body).status_code == 400

    @pytest.mark.parametrize("name", ["alice", "caf\u00e9", "cafe\u0301"])
    def test_a_taken_name_is_409_however_it_is_written(self, admin: Device, services: Services, name: str) -> None:
        services.accounts.create("café", PASSWORD)
        before = services.accounts.list_accounts()
        answer = admin.post(ACCOUNTS, json={"name": name, "is_admin": True})
        assert (answer.status_code, services.accounts.list_accounts()) == (409, before)


class TestChanges:
    def test_nothing_else_changes(self, admin: Device) -> None:
        before = admin.get(f"{ACCOUNTS}?search=bob").get_json()["accounts"][0]
        assert patch(admin, "bob", quota_bytes=7) == {**before, "quota_bytes": 7, "effective_quota_bytes": 7}
        assert patch(admin, "bob", is_admin=True)["is_admin"]
        assert patch(admin, "bob", permissions=["b.c", "a"])["permissions"] == ["a", "b.c"]
        assert patch(admin, "bob", permissions=["b.c"])["permissions"] == ["b.c"]
        assert patch(admin, "bob", permissions=[])["permissions"] == []
        assert patch(admin, "bob", is_admin=False, quota_bytes=None) == before

    def test_rights_count_at_once_for_a_token_that_was_given_before(self, admin: Device, other_device: Device) -> None:
        assert status_of(other_device, ACCOUNTS) == 403
        patch(admin, "bob", is_admin=True)
        assert status_of(other_device, ACCOUNTS) == 200
        patch(admin, "bob", is_admin=False)
        assert status_of(other_device, ACCOUNTS) == 403
        patch(admin, "bob", permissions=["activities.read"])
        assert status_of(other_device, "/api/activities") == 200
        patch(admin, "bob", permissions=[])
        assert status_of(other_device, "/api/activities") == 403

    def test_a_quota_counts_at_once(self, admin: Device, other_device: Device) -> None:
        patch(admin, "bob", quota_bytes=0)
        assert other_device.post("/api/files?filename=a", data=b"x").status_code == 413
        assert other_device.get("/auth/me").get_json()["quota_bytes"] == 0
        patch(admin, "bob", quota_bytes=None)
        assert other_device.post("/api/files?filename=a", data=b"x").status_code == 201

    def test_whoever_is_disabled_is_out_at_once_and_his_keys_rest(
        self, app: Flask, admin: Device, other_device: Device
    ) -> None:
        device = showing(app, new_key(other_device, "files")["key"])
        assert patch(admin, "bob", is_disabled=True)["is_disabled"]
        assert (status_of(other_device), status_of(device), may_sign_in(app, "bob")) == (401, 401, False)
        assert not patch(admin, "bob", is_disabled=False)["is_disabled"]
        assert (status_of(other_device), status_of(device), may_sign_in(app, "bob")) == (401, 200, True)

    def test_a_password_ends_the_sign_ins_and_no_more(self, app: Flask, admin: Device, other_device: Device) -> None:
        key = showing(app, new_key(other_device, "files", "download")["key"])
        url = signed_address(other_device)
        patch(admin, "bob", password=NEW_PASSWORD)
        assert (status_of(other_device), status_of(key)) == (401, 200)
        assert app.test_client().get(url).data == b"hello"
        assert (may_sign_in(app, "bob"), may_sign_in(app, "bob", NEW_PASSWORD)) == (False, True)

    def test_keys_and_signed_addresses_end_on_demand(self, make_app: Callable[..., Flask], database_url: str) -> None:
        app = make_app(database_url=database_url)
        admin, bob, alice = (signed_in(app, name) for name in ("root", "bob", "alice"))
        keys = [new_key(bob, "files", "download", quota_bytes=100), new_key(bob, "upload", "download")]
        devices = [showing(app, each["key"]) for each in keys]
        other = showing(app, new_key(alice, "files")["key"])
        urls = [signed_address(bob), signed_address(devices[1], "b.bin"), signed_address(alice)]
        patch(admin, "bob", password=NEW_PASSWORD, end_keys=True)
        client = app.test_client(use_cookies=False)
        assert [status_of(each) for each in (bob, *devices, other)] == [401, 401, 401, 200]
        assert [client.get(url).status_code for url in urls] == [403, 403, 200]
        again = signed_in(app, "bob")
        assert again.get("/auth/keys").get_json()["keys"] == []
        assert client.get(url := signed_address(again)).data == b"hello"
        assert client.get(url.replace("generation=1", "generation=2")).status_code == 403
        assert client.get(url.replace("&generation=1", "").replace("generation=1&", "")).status_code == 403

    def test_keys_end_without_a_new_password_too(self, app: Flask, admin: Device, other_device: Device) -> None:
        key = showing(app, new_key(other_device, "files")["key"])
        patch(admin, "bob", end_keys=False)
        assert status_of(key) == 200
        patch(admin, "bob", end_keys=True)
        assert (status_of(key), status_of(other_device)) == (401, 200)

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({}, id="nothing"),
            pytest.param({"name": "carol"}, id="name"),
            pytest.param({"is_admin": None}, id="null-for-flag"),
            pytest.param({"is_admin": 1}, id="number-for-flag"),
            pytest.param({"is_admin": []}, id="list-for-flag"),
            pytest.param({"is_disabled": "false"}, id="text-for-flag"),
            pytest.param({"end_keys": "yes"}, id="text-for-end-keys"),
            pytest.param({"end_keys": None}, id="null-for-end-keys"),
            pytest.param({"permissions": None}, id="null-for-permissions"),
            pytest.param({"permissions": ["a", "A"]}, id="bad-permission"),
            pytest.param({"permissions": [["a"]]}, id="list-among-permissions"),
            pytest.param({"quota_bytes": False}, id="flag-for-quota"),
            pytest.param({"quota_bytes": 1e3}, id="float-for-quota"),
            pytest.param({"quota_bytes": MOST + 1}, id="large-quota"),
            pytest.param({"password": None}, id="null-for-password"),
            pytest.param({"password": "short"}, id="short-password"),
            pytest.param({"is_admn": True}, id="misspelled"),
            pytest.param({"used_bytes": 0}, id="a-field-of-the-answer"),
            pytest.param({"signing_generation": 0}, id="a-column"),
        ],
    )
    def test_one_wrong_field_changes_nothing(self, refused: Device, changes: dict[str, Any]) -> None:
        before = refused.get(ACCOUNTS).get_json()
        more = {"quota_bytes": 7} if changes and "quota_bytes" not in changes else {}
        answer = refused.request("PATCH", f"{ACCOUNTS}/bob", json={**more, **changes})
        assert (answer.status_code, refused.get(ACCOUNTS).get_json()) == (400, before)

    @pytest.mark.parametrize(
        "path",
        ["nobody", "a%2Fb", "..%2Falice", "%00", "x" * 1000, "BOB", "bob%20", "deleted%20account", "%F0%9F%98%80"],
    )
    def test_an_unknown_name_is_404(self, refused: Device, path: str) -> None:
        answer = refused.request("PATCH", f"{ACCOUNTS}/{path}", json={"is_admin": True})
        assert (answer.status_code, answer.is_json) == (404, True)

    @pytest.mark.parametrize("name", ["café", "a b", "50%", "a+b", "a?b", "a#b", "文件", "a%2Fb", "-", "'\"", "{}"])
    def test_any_name_can_be_an_address(self, admin: Device, name: str) -> None:
        assert admin.post(ACCOUNTS, json={"name": name}).status_code == 201
        assert patch(admin, name, quota_bytes=3)["name"] == name

    def test_the_last_enabled_administrator_stays(self, admin: Device, services: Services) -> None:
        services.accounts.create("second", PASSWORD, is_admin=True)
        services.accounts.disable("second")
        for changes in ({"is_admin": False}, {"is_disabled": True}, {"is_disabled": True, "quota_bytes": 5}):
            answer = admin.request("PATCH", f"{ACCOUNTS}/root", json=changes)
            assert (answer.status_code, services.accounts.get("root").own_quota_bytes) == (409, None)
        patch(admin, "second", is_disabled=False)
        assert not patch(admin, "root", is_admin=False)["is_admin"]
        assert status_of(admin, ACCOUNTS) == 403

    def test_two_changes_in_one_step_that_would_leave_nobody_are_refused(self, admin: Device) -> None:
        assert (
            admin.request("PATCH", f"{ACCOUNTS}/root", json={"is_admin": True, "is_disabled": True}).status_code == 409
        )


def signed_address(device: Device, name: str = "a.bin") -> str:
    """The signed address of a new file."""
    file_id = device.store(b"hello", name)["file_id"]
    answer = device.post(f"/api/files/{file_id}/url", json={})
    assert answer.status_code == 200, answer.text
    url: str = answer.get_json()["url"]
    return url
