"""Making, changing and authenticating accounts."""

import threading
import time
import uuid
from typing import Any

import pytest

from tests.conftest import PASSWORD
from tests.services.conftest import Bench
from transfer_service.errors import (
    BadCredentials,
    InvalidName,
    InvalidRequest,
    LastAdmin,
    NameTaken,
    NotFound,
    TooManyAttempts,
    TransferError,
    WrongPassword,
)
from transfer_service.services.accounts.accounts import AccountService
from transfer_service.services.accounts.rows import AccountRecord
from transfer_service.services.accounts.sign_ins import Identity


@pytest.fixture
def accounts(bench: Bench) -> AccountService:
    """With the account `alice`."""
    return bench.services.accounts


def names(accounts: AccountService) -> list[str]:
    return [account.name for account in accounts.list_accounts()]


def sign_in(accounts: AccountService, name: str, password: str = PASSWORD) -> AccountRecord:
    return accounts.authenticate(name, password, address="192.0.2.1").account


def test_an_account_is_as_it_was_made(any_bench: Bench) -> None:
    accounts = any_bench.services.accounts
    accounts.create("root", PASSWORD, is_admin=True, permissions=("games.download", "a", "a"))
    root = accounts.get("root")
    assert (root.is_admin, root.permissions, root.disabled) == (True, ("a", "games.download"), False)
    assert names(accounts) == ["alice", "root"]
    assert (root.used_bytes, root.created_at) == (0, any_bench.clock())
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
        pytest.param("bob", {"password": "sevenxx"}, InvalidRequest, id="short-password"),
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


ADDRESS = "192.0.2.1"


def signed_in_twice(bench: Bench) -> tuple[Identity, Identity]:
    """Two sign-ins of `alice`."""
    grants = [bench.services.sign_ins.begin(account_id=bench.account_id, name="alice") for _ in range(2)]
    one, other = (bench.services.sign_ins.find_identity(grant.sign_in_id, name="alice") for grant in grants)
    assert one is not None
    assert other is not None
    return one, other


def lives(bench: Bench, identity: Identity) -> bool:
    return bench.services.sign_ins.find_identity(identity.sign_in_id, name="alice") is not None


def test_who_changes_the_own_password_stays_signed_in_alone(any_bench: Bench) -> None:
    accounts, (own, other) = any_bench.services.accounts, signed_in_twice(any_bench)
    accounts.change_password(own, current=PASSWORD, new="new password", address=ADDRESS)
    assert (lives(any_bench, own), lives(any_bench, other)) == (True, False)
    assert sign_in(accounts, "alice", "new password").name == "alice"


@pytest.mark.parametrize(
    ("current", "new", "error"),
    [
        pytest.param("wrong", "new password", WrongPassword, id="wrong-current-one"),
        pytest.param(PASSWORD, "sevenxx", InvalidRequest, id="seven-characters"),
        pytest.param(PASSWORD, "x" * 1025, InvalidRequest, id="1025-bytes"),
    ],
)
def test_a_password_that_is_not_changed_stays_and_ends_nothing(
    bench: Bench, current: str, new: str, error: type[TransferError]
) -> None:
    accounts, (own, other) = bench.services.accounts, signed_in_twice(bench)
    with pytest.raises(error):
        accounts.change_password(own, current=current, new=new, address=ADDRESS)
    assert sign_in(accounts, "alice").name == "alice"
    assert (lives(bench, own), lives(bench, other)) == (True, True)


def test_wrong_current_passwords_count_like_those_of_sign_ins(bench: Bench) -> None:
    accounts, (own, _) = bench.services.accounts, signed_in_twice(bench)
    for _ in range(10):
        with pytest.raises(WrongPassword):
            accounts.change_password(own, current="wrong", new="new password", address=ADDRESS)
    with pytest.raises(TooManyAttempts):
        accounts.change_password(own, current=PASSWORD, new="new password", address=ADDRESS)
    with pytest.raises(TooManyAttempts):
        sign_in(accounts, "alice")


def test_a_password_that_was_replaced_meanwhile_begins_no_sign_in(any_bench: Bench) -> None:
    services = any_bench.services
    verified = services.accounts.authenticate("alice", PASSWORD, address=ADDRESS)
    services.accounts.set_password("alice", "new password")
    with pytest.raises(BadCredentials):
        services.sign_ins.begin(account_id=any_bench.account_id, name="alice", password_hash=verified.password_hash)
    assert services.accounts.get("alice").last_sign_in_at is None


def test_the_last_sign_in_is_remembered(any_bench: Bench) -> None:
    accounts = any_bench.services.accounts
    before = accounts.get("alice").last_sign_in_at
    signed_in_twice(any_bench)
    assert (before, accounts.get("alice").last_sign_in_at) == (None, any_bench.clock())
    assert accounts.list_accounts() == [accounts.get("alice")]


def test_the_last_enabled_administrator_is_not_disabled(any_bench: Bench) -> None:
    accounts = any_bench.services.accounts
    for name in ("root", "boss"):
        accounts.create(name, PASSWORD, is_admin=True)
    accounts.disable("boss")
    with pytest.raises(LastAdmin):
        accounts.disable("root")
    accounts.disable("boss")  # already disabled: nothing changes
    accounts.enable("boss")
    accounts.disable("root")
    assert [accounts.get(name).disabled for name in ("root", "boss")] == [True, False]


def test_of_two_administrators_disabled_at_once_one_stays(any_bench: Bench) -> None:
    accounts, refused = any_bench.services.accounts, []
    for name in ("root", "boss"):
        accounts.create(name, PASSWORD, is_admin=True)

    def disable(name: str) -> None:
        try:
            accounts.disable(name)
        except LastAdmin:
            refused.append(name)

    threads = [threading.Thread(target=disable, args=[name]) for name in ("root", "boss")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [
        account.name for account in accounts.list_accounts() if account.is_admin and not account.disabled
    ] == refused
    assert len(refused) == 1


@pytest.mark.alone
@pytest.mark.parametrize(
    ("name", "password"),
    [
        pytest.param("nobody", "wrong words", id="unknown"),
        pytest.param("a/b", "wrong words", id="impossible"),
        pytest.param("bob", PASSWORD, id="disabled"),
        pytest.param("alice", "x" * 5000, id="long-password"),
    ],
)
def test_time_does_not_tell_who_has_an_account(bench: Bench, name: str, password: str) -> None:
    accounts = bench.services.accounts
    accounts.create("bob", PASSWORD)
    accounts.disable("bob")

    def seconds(name: str, password: str) -> float:
        began = time.perf_counter()
        with pytest.raises(BadCredentials):
            sign_in(accounts, name, password)
        return time.perf_counter() - began

    taken = [(seconds("alice", "wrong words"), seconds(name, password)) for _ in range(5)]
    known, other = (min(column) for column in zip(*taken, strict=True))
    assert known / 2 < other < known * 2
