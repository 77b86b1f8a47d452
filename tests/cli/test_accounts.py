"""The command line: `flask --app wsgi accounts | cleanup | database`."""

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import text

from tests.conftest import PASSWORD, Clock, Device, frame
from transfer_service.app import create_app
from transfer_service.bootstrap import Services
from transfer_service.errors import NotFound
from transfer_service.services.upkeep.cleanup import Removed
from transfer_service.web.context import EXTENSION
from transfer_service.wire.instants import format_second


def run(app: Flask, *arguments: str, stdin: str = "") -> Result:
    return app.test_cli_runner().invoke(args=arguments, input=stdin)


def can_sign_in(app: Flask, name: str, password: str) -> bool:
    fields = {"username": name, "password": password}
    return app.test_client().post("/token", json=fields).status_code == 200


def test_a_created_account_can_sign_in(app: Flask, services: Services) -> None:
    result = run(app, "accounts", "create", "phone", "--password-stdin", stdin="open sesame\n")
    assert (result.exit_code, result.output) == (0, "Account phone created\n")
    assert can_sign_in(app, "phone", "open sesame")
    assert (services.accounts.get("phone").is_admin, services.accounts.get("phone").permissions) == (False, ())


def test_a_password_is_asked_for_twice_and_not_shown(app: Flask) -> None:
    result = run(app, "accounts", "create", "phone", stdin="open sesame\nopen sesame\n")
    assert result.exit_code == 0
    assert "sesame" not in result.output
    assert can_sign_in(app, "phone", "open sesame")


def test_an_account_can_be_made_with_rights(app: Flask, services: Services) -> None:
    rights = ["--admin", "--permission", "games.download", "--permission", "activities.read"]
    result = run(app, "accounts", "create", "boss", "--password-stdin", *rights, stdin="long enough\n")
    account = services.accounts.get("boss")
    assert result.exit_code == 0
    assert (account.is_admin, account.permissions) == (True, ("activities.read", "games.download"))


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        pytest.param(["alice", "--password-stdin"], "long enough\n", "Account alice exists", id="taken"),
        pytest.param(["new", "--password-stdin"], "", "at least 8 characters", id="no-password"),
        pytest.param(["new", "--password-stdin"], "sevenxx\n", "at least 8 characters", id="short-password"),
        pytest.param(["new", "--password-stdin"], "\n", "at least 8 characters", id="empty-password"),
        pytest.param(["new", "--password-stdin"], "x" * 1025 + "\n", "at most 1024 bytes", id="long-password"),
        pytest.param(["a/b", "--password-stdin"], "long enough\n", "Invalid file name", id="impossible-name"),
        pytest.param(["", "--password-stdin"], "long enough\n", "must have 1 to 255 bytes", id="empty-name"),
        pytest.param(
            ["new", "--password-stdin", "--permission", "Games!"], "long enough\n", "is no permission", id="permission"
        ),
        pytest.param(["new"], "one\ntwo\nthree\nfour\n", "", id="passwords-that-differ"),
        pytest.param(
            ["Deleted  Account", "--password-stdin"], "long enough\n", "No account can be called", id="reserved"
        ),
        pytest.param([], "", "Missing argument 'NAME'", id="no-name"),
    ],
)
def test_a_refused_account_is_not_made(
    app: Flask, services: Services, arguments: list[str], stdin: str, message: str
) -> None:
    result = run(app, "accounts", "create", *arguments, stdin=stdin)
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output
    assert [account.name for account in services.accounts.list_accounts()] == ["alice", "bob", "root"]


def test_the_list_shows_every_account_with_rights_and_usage(app: Flask, services: Services, device: Device) -> None:
    services.accounts.disable("bob")
    services.accounts.grant("alice", "games.download")
    device.store(b"hello")
    result = run(app, "accounts", "list")
    header, *lines = [re.split(r"  +", line) for line in result.output.splitlines()]
    assert result.exit_code == 0
    assert header == ["ID", "NAME", "ROLE", "STATE", "PERMISSIONS", "FILES", "BYTES", "LAST SIGN-IN"]
    assert [uuid.UUID(line[0]) for line in lines] == [each.account_id for each in services.accounts.list_accounts()]
    signed_in_at = services.accounts.get("alice").last_sign_in_at
    assert signed_in_at is not None
    assert [line[1:] for line in lines] == [
        ["alice", "user", "enabled", "games.download", "1", "5", format_second(signed_in_at)],
        ["bob", "user", "disabled", "-", "0", "0", "never"],
        ["root", "admin", "enabled", "-", "0", "0", "never"],
    ]


def test_the_list_as_json_has_every_fact(make_app: Callable[..., Flask], clock: Clock) -> None:
    app = make_app(quota_bytes=1000)
    services: Services = app.extensions[EXTENSION]
    services.accounts.create("Zo\u00e9", PASSWORD, permissions=("games.download",))
    services.accounts.set_quota("Zo\u00e9", 2000)
    listed = json.loads(run(app, "accounts", "list", "--json").output)["accounts"]
    assert [account["name"] for account in listed] == ["Zo\u00e9", "alice", "bob", "root"]
    assert listed[0] == {
        "id": str(services.accounts.get("Zo\u00e9").account_id),
        "name": "Zo\u00e9",
        "is_admin": False,
        "is_disabled": False,
        "permissions": ["games.download"],
        "files": 0,
        "used_bytes": 0,
        "quota_bytes": 2000,
        "effective_quota_bytes": 2000,
        "last_sign_in_at": None,
        "created_at": format_second(clock()),
    }
    assert (listed[1]["quota_bytes"], listed[1]["effective_quota_bytes"]) == (None, 1000)


@pytest.mark.parametrize(("quota", "in_force"), [("0", 0), ("4096", 4096), ("2GiB", 2 * 1024**3), ("none", 1000)])
def test_an_account_gets_a_quota_of_its_own(make_app: Callable[..., Flask], quota: str, in_force: int) -> None:
    app = make_app(quota_bytes=1000)
    services: Services = app.extensions[EXTENSION]
    services.accounts.set_quota("alice", 7)
    assert run(app, "accounts", "set-quota", "alice", quota).exit_code == 0
    assert services.space.quota_of(services.accounts.get("alice").own_quota_bytes) == in_force


@pytest.mark.parametrize("quota", ["-1", "much", "", "9223372036854775808", "10EiB0", "1e99"])
def test_what_is_no_quota_is_refused_in_words(app: Flask, services: Services, quota: str) -> None:
    result = run(app, "accounts", "set-quota", "--", "alice", quota)
    assert (result.exit_code, "Traceback" in result.output) == (1, False)
    assert services.accounts.get("alice").own_quota_bytes is None


def test_an_account_is_deleted_when_that_is_confirmed(app: Flask, services: Services, device: Device) -> None:
    device.store(b"hello")
    refused = run(app, "accounts", "delete", "alice", stdin="n\n")
    assert (refused.exit_code, "1 files (5 bytes)" in refused.output, device.names()) == (1, True, ["log.bin"])
    assert run(app, "accounts", "delete", "alice").exit_code == 1  # nobody answers
    assert device.names() == ["log.bin"]
    result = run(app, "accounts", "delete", "alice", stdin="y\n")
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "Account alice deleted")
    assert (device.get("/api/files").status_code, [each.name for each in services.accounts.list_accounts()]) == (
        401, ["bob", "root"],
    )  # fmt: skip


def test_yes_deletes_without_asking(app: Flask, services: Services) -> None:
    result = run(app, "accounts", "delete", "bob", "--yes")
    assert (result.exit_code, result.output) == (0, "Account bob deleted\n")
    assert [each.name for each in services.accounts.list_accounts()] == ["alice", "root"]


@pytest.mark.parametrize("arguments", [["disable", "root"], ["delete", "root", "--yes"]], ids=["disable", "delete"])
def test_the_last_enabled_administrator_stays(app: Flask, services: Services, arguments: list[str]) -> None:
    services.accounts.create("boss", PASSWORD, is_admin=True)
    services.accounts.disable("boss")
    result = run(app, "accounts", *arguments)
    assert (result.exit_code, result.output) == (1, "Error: root is the last enabled administrator\n")
    assert not services.accounts.get("root").disabled


def test_a_new_password_ends_the_old_one_and_its_sign_ins(app: Flask, device: Device) -> None:
    result = run(app, "accounts", "set-password", "alice", "--password-stdin", stdin="open sesame\n")
    assert (result.exit_code, result.output) == (0, "Password of alice replaced\n")
    assert (can_sign_in(app, "alice", PASSWORD), can_sign_in(app, "alice", "open sesame")) == (False, True)
    assert device.get("/api/files").status_code == 401


def test_a_disabled_account_is_out_at_once_and_back_when_enabled(app: Flask, device: Device) -> None:
    assert run(app, "accounts", "disable", "alice").output == "Account alice disabled\n"
    assert (can_sign_in(app, "alice", PASSWORD), device.get("/api/files").status_code) == (False, 401)
    assert run(app, "accounts", "enable", "alice").output == "Account alice enabled\n"
    assert (can_sign_in(app, "alice", PASSWORD), device.get("/api/files").status_code) == (True, 401)


def test_permissions_come_and_go(app: Flask, services: Services) -> None:
    granted = [run(app, "accounts", "grant", "alice", "games.download").output for _ in range(2)]
    assert granted == ["games.download granted to alice\n"] * 2
    assert services.accounts.get("alice").permissions == ("games.download",)
    assert run(app, "accounts", "revoke", "alice", "games.download").output == "games.download revoked from alice\n"
    assert services.accounts.get("alice").permissions == ()


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["set-password", "nobody", "--password-stdin"], id="set-password"),
        pytest.param(["disable", "nobody"], id="disable"),
        pytest.param(["delete", "nobody"], id="delete"),
        pytest.param(["enable", "nobody"], id="enable"),
        pytest.param(["grant", "nobody", "games.download"], id="grant"),
        pytest.param(["revoke", "nobody", "games.download"], id="revoke"),
    ],
)
def test_an_unknown_account_is_told_in_a_sentence(app: Flask, services: Services, arguments: list[str]) -> None:
    result = run(app, "accounts", *arguments, stdin="long enough\n")
    assert (result.exit_code, result.output) == (1, "Error: There is no account nobody\n")
    with pytest.raises(NotFound):
        services.accounts.get("nobody")


def test_the_first_admin_is_made_once_on_an_empty_database(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    with app.extensions[EXTENSION].database.write() as session:
        session.execute(text("DELETE FROM accounts"))
    first, second = (run(app, "accounts", "create-first-admin").output for _ in range(2))
    assert (first.startswith("Account admin created, password: "), second) == (True, "")
    assert can_sign_in(app, "admin", first.split(": ")[1].strip())
    admin = app.extensions[EXTENSION].accounts.get("admin")
    assert (admin.is_admin, set(admin.permissions)) == (True, {"games.download", "activities.read"})


def test_no_first_admin_where_there_are_accounts(app: Flask, services: Services) -> None:
    result = run(app, "accounts", "create-first-admin")
    assert (result.exit_code, result.output) == (0, "")
    assert [account.name for account in services.accounts.list_accounts()] == ["alice", "bob", "root"]


def leave_a_stale_upload(device: Device, clock: Clock) -> None:
    device.send(frame(0, b"x"), query={"total_size": 9})
    clock.advance(hours=25)


@pytest.mark.parametrize("dry_run", [True, False], ids=["dry", "real"])
def test_cleanup_reports_as_text(app: Flask, device: Device, clock: Clock, dry_run: bool) -> None:
    leave_a_stale_upload(device, clock)
    result = run(app, "cleanup", *(["--dry-run"] if dry_run else []))
    verb = "would remove" if dry_run else "removed"
    assert result.exit_code == 0
    assert result.output.splitlines()[0].startswith(f"stale uploads: {verb} 1, ")
    assert device.names() == (["log.bin"] if dry_run else [])


@pytest.mark.parametrize("dry_run", [True, False], ids=["dry", "real"])
def test_cleanup_reports_as_json(app: Flask, device: Device, clock: Clock, dry_run: bool) -> None:
    leave_a_stale_upload(device, clock)
    report = json.loads(run(app, "cleanup", "--json", *(["--dry-run"] if dry_run else [])).output)
    assert (report["dry_run"], report["removed"]["stale_uploads"]["count"]) == (dry_run, 1)
    assert set(report["removed"]) == {each.name for each in fields(Removed)}
    assert device.names() == (["log.bin"] if dry_run else [])


def test_a_second_cleanup_finds_nothing(app: Flask, device: Device, clock: Clock) -> None:
    leave_a_stale_upload(device, clock)
    run(app, "cleanup")
    removed = json.loads(run(app, "cleanup", "--json").output)["removed"]
    assert {(tally["count"], tally["bytes"]) for tally in removed.values()} == {(0, 0)}


def test_cleanup_without_a_database_fails_in_a_sentence(make_settings: Callable[..., object], tmp_path: Path) -> None:
    app = create_app(make_settings(database_url=f"sqlite:///{tmp_path / 'empty.sqlite3'}"))  # type: ignore[arg-type]
    result = run(app, "cleanup")
    app.extensions[EXTENSION].database.dispose()
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")


def test_an_upgrade_makes_the_schema_and_can_be_repeated(make_settings: Callable[..., object], tmp_path: Path) -> None:
    app = create_app(make_settings(database_url=f"sqlite:///{tmp_path / 'empty.sqlite3'}"))  # type: ignore[arg-type]
    results = [run(app, "database", "upgrade") for _ in range(2)]
    assert [(result.exit_code, result.output) for result in results] == [(0, "Database is up to date\n")] * 2
    assert app.extensions[EXTENSION].accounts.list_accounts() == []
    app.extensions[EXTENSION].database.dispose()
