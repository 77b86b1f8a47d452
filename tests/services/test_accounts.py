"""Making, changing and authenticating accounts."""

import uuid
from typing import Any

import pytest

from tests.conftest import PASSWORD
from tests.services.conftest import Bench
from transfer_service.errors import (
    BadCredentials,
    InvalidName,
    InvalidRequest,
    NameTaken,
    NotFound,
    TooManyAttempts,
    TransferError,
)
from transfer_service.services.accounts import AccountFacts, AccountService


@pytest.fixture
def accounts(bench: Bench) -> AccountService:
    """With the account `alice`."""
    return bench.services.accounts


def names(accounts: AccountService) -> list[str]:
    return [account.name for account in accounts.list_accounts()]


def sign_in(accounts: AccountService, name: str, password: str = PASSWORD) -> AccountFacts:
    return accounts.authenticate(name, password, address="192.0.2.1")


def test_an_account_is_as_it_was_made(any_bench: Bench) -> None:
    accounts = any_bench.services.accounts
    accounts.create("root", PASSWORD, is_admin=True, permissions=("games.download", "a", "a"))
    root = accounts.get("root")
    assert (root.is_admin, root.permissions, root.disabled) == (True, ("a", "games.download"), False)
    assert names(accounts) == ["alice", "root"]
    assert sign_in(accounts, "root") == root


def test_a_name_is_the_same_in_every_unicode_form(accounts: AccountService) -> None:
    accounts.create("Zoe\u0301", PASSWORD)
    assert sign_in(accounts, "Zo\u00e9").name == "Zo\u00e9"
    with pytest.raises(NameTaken):
        accounts.create("Zo\u00e9", PASSWORD)


def test_names_differ_by_case(accounts: AccountService) -> None:
    accounts.create("Alice", PASSWORD)
    assert names(accounts) == ["Alice", "alice"]


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        pytest.param("alice", {}, NameTaken, id="taken"),
        pytest.param("", {}, InvalidName, id="empty"),
        pytest.param("a/b", {}, InvalidName, id="slash"),
        pytest.param("x" * 256, {}, InvalidName, id="too-long"),
        pytest.param("bob", {"password": ""}, ValueError, id="empty-password"),
        pytest.param("bob", {"permissions": ("Games!",)}, InvalidRequest, id="impossible-permission"),
        pytest.param("bob", {"permissions": ("ok", "")}, InvalidRequest, id="empty-permission"),
    ],
)
def test_an_impossible_account_is_not_made(
    accounts: AccountService, name: str, arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        accounts.create(name, **{"password": PASSWORD, **arguments})
    assert names(accounts) == ["alice"]


def test_the_first_administrator_is_made_on_an_empty_database_only(bench: Bench) -> None:
    accounts = bench.services.accounts
    assert not accounts.create_first_admin("admin", PASSWORD)
    assert names(accounts) == ["alice"]


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda accounts: accounts.get("bob"), id="get"),
        pytest.param(lambda accounts: accounts.set_password("bob", PASSWORD), id="set-password"),
        pytest.param(lambda accounts: accounts.disable("bob"), id="disable"),
        pytest.param(lambda accounts: accounts.enable("bob"), id="enable"),
        pytest.param(lambda accounts: accounts.grant("bob", "x"), id="grant"),
        pytest.param(lambda accounts: accounts.revoke("bob", "x"), id="revoke"),
    ],
)
def test_nothing_can_be_done_to_an_unknown_account(accounts: AccountService, act: Any) -> None:
    with pytest.raises(NotFound, match="There is no account bob"):
        act(accounts)
    assert names(accounts) == ["alice"]


def test_permissions_are_granted_once_and_revoked(any_bench: Bench) -> None:
    accounts = any_bench.services.accounts
    for permission in ("games.download", "activities.read", "games.download"):
        accounts.grant("alice", permission)
    assert accounts.get("alice").permissions == ("activities.read", "games.download")
    accounts.revoke("alice", "games.download")
    accounts.revoke("alice", "never.granted")
    assert accounts.get("alice").permissions == ("activities.read",)


def test_a_permission_is_held_from_its_grant_to_its_revocation(any_bench: Bench) -> None:
    accounts, account_id, held = any_bench.services.accounts, any_bench.account_id, []
    for change in (None, accounts.grant, accounts.revoke):
        if change is not None:
            change("alice", "games.download")
        held.append(accounts.has_permission(account_id, "games.download"))
    assert held == [False, True, False]
    assert accounts.get("alice").permissions == ()


@pytest.mark.parametrize(
    "permission",
    [
        pytest.param("games", id="beginning"),
        pytest.param("games.downloads", id="longer"),
        pytest.param("Games.Download", id="other-case"),
        pytest.param("games%", id="wildcard"),
        pytest.param("", id="empty"),
    ],
)
def test_only_the_very_permission_counts(accounts: AccountService, permission: str) -> None:
    accounts.grant("alice", "games.download")
    assert not accounts.has_permission(accounts.get("alice").account_id, permission)
    assert accounts.has_permission(accounts.get("alice").account_id, "games.download")


def test_neither_administrators_nor_other_accounts_hold_a_permission_unasked(accounts: AccountService) -> None:
    accounts.grant("alice", "games.download")
    accounts.create("root", PASSWORD, is_admin=True)
    holders = [
        name for name in names(accounts) if accounts.has_permission(accounts.get(name).account_id, "games.download")
    ]
    assert holders == ["alice"]
    assert not accounts.has_permission(uuid.uuid4(), "games.download")


def test_a_permission_that_cannot_be_is_not_granted(accounts: AccountService) -> None:
    with pytest.raises(InvalidRequest):
        accounts.grant("alice", "Games Download")
    assert accounts.get("alice").permissions == ()


@pytest.mark.parametrize(
    ("name", "password"),
    [
        pytest.param("alice", "wrong", id="wrong-password"),
        pytest.param("alice", "", id="no-password"),
        pytest.param("alice", "x" * 5000, id="long-password"),
        pytest.param("nobody", PASSWORD, id="unknown-name"),
        pytest.param("a/b", PASSWORD, id="impossible-name"),
        pytest.param("Alice", PASSWORD, id="other-case"),
    ],
)
def test_wrong_credentials_are_refused_and_counted(accounts: AccountService, name: str, password: str) -> None:
    errors: list[type[TransferError]] = []
    for _ in range(11):
        with pytest.raises(TransferError) as refusal:
            sign_in(accounts, name, password)
        errors.append(refusal.type)
    assert errors == [BadCredentials] * 10 + [TooManyAttempts]


def test_only_the_new_password_counts(accounts: AccountService) -> None:
    accounts.set_password("alice", "new password")
    with pytest.raises(BadCredentials):
        sign_in(accounts, "alice")
    assert sign_in(accounts, "alice", "new password").name == "alice"


def test_a_disabled_account_is_locked_out_until_it_is_enabled(any_bench: Bench) -> None:
    accounts = any_bench.services.accounts
    accounts.disable("alice")
    with pytest.raises(BadCredentials):
        sign_in(accounts, "alice")
    assert accounts.get("alice").disabled
    accounts.enable("alice")
    assert sign_in(accounts, "alice").name == "alice"
