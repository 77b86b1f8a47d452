"""The command line: `flask --app wsgi accounts`."""

import json
import secrets
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import click
from flask import Flask
from flask.cli import AppGroup
from pydantic import ByteSize, TypeAdapter, ValidationError

from transfer_service.cli.reasons import reason_of
from transfer_service.errors import InvalidRequest, TransferError
from transfer_service.web.admin.accounts import account_json
from transfer_service.web.context import services
from transfer_service.web.events.activities import READ_PERMISSION
from transfer_service.web.games.downloads import DOWNLOAD_PERMISSION

FIRST_ADMIN = "admin"
PERMISSIONS = (DOWNLOAD_PERMISSION, READ_PERMISSION)
LIST_HEADER = ("ID", "NAME", "ROLE", "STATE", "PERMISSIONS", "FILES", "BYTES", "LAST SIGN-IN")

P = ParamSpec("P")
R = TypeVar("R")


def plain_errors(function: Callable[P, R]) -> Callable[P, R]:
    """Show what went wrong as a sentence, not as a traceback."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (TransferError, ValueError) as error:
            raise click.ClickException(reason_of(error)) from error

    return wrapper


accounts = AppGroup("accounts", help="Devices and people that may sign in.")


@accounts.command("create")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it.")
@click.option("--admin", is_flag=True, help="Make it an administrator.")
@click.option("--permission", "permissions", multiple=True, help="Grant a permission, such as games.download.")
@plain_errors
def create_account(name: str, password_stdin: bool, admin: bool, permissions: tuple[str, ...]) -> None:
    """Make the account NAME."""
    services().accounts.create(name, _read_password(password_stdin), is_admin=admin, permissions=permissions)
    click.echo(f"Account {name} created")
    _warn_of_unused(permissions)


@accounts.command("create-first-admin")
def create_first_admin() -> None:
    """On an empty database make the account admin and print its password, once."""
    make_first_admin()


@plain_errors
def make_first_admin() -> None:
    """See `create_first_admin`, without a command line."""
    password = secrets.token_urlsafe(12)
    if services().accounts.create_first_admin(FIRST_ADMIN, password, permissions=PERMISSIONS):
        click.echo(f"Account {FIRST_ADMIN} created, password: {password}")


@accounts.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_errors
def list_accounts(as_json: bool) -> None:
    """Show every account, what it may do and what it uses."""
    listed = _listed_accounts()
    if as_json:
        click.echo(json.dumps({"accounts": listed}, ensure_ascii=False))
        return
    rows = [LIST_HEADER, *map(_list_row, listed)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _listed_accounts() -> list[dict[str, Any]]:
    files = services().accounts.count_files()
    return [
        account_json(account, files=files.get(account.account_id, 0)) for account in services().accounts.list_accounts()
    ]


def _list_row(account: dict[str, Any]) -> tuple[str, ...]:
    return (
        account["id"],
        account["name"],
        "admin" if account["is_admin"] else "user",
        "disabled" if account["is_disabled"] else "enabled",
        ",".join(account["permissions"]) or "-",
        str(account["files"]),
        str(account["used_bytes"]),
        account["last_sign_in_at"] or "never",
    )


@accounts.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@plain_errors
def delete_account(name: str, yes: bool) -> None:
    """Remove NAME with all its data, for good. Its messages lose what they say and whose they are."""
    account = services().accounts.get(name)
    files = services().accounts.count_files().get(account.account_id, 0)
    if not yes:
        question = f"Delete {account.name} with {files} files ({account.used_bytes} bytes), attachments included?"
        click.confirm(question, abort=True)
    services().account_removal.remove(account.name)
    click.echo(f"Account {account.name} deleted")


@accounts.command("set-password")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it.")
@plain_errors
def set_password(name: str, password_stdin: bool) -> None:
    """Replace the password of NAME and end its sign-ins."""
    services().accounts.set_password(name, _read_password(password_stdin))
    click.echo(f"Password of {name} replaced")


@accounts.command("disable")
@click.argument("name")
@plain_errors
def disable_account(name: str) -> None:
    """Lock NAME out, at once."""
    services().accounts.disable(name)
    click.echo(f"Account {name} disabled")


@accounts.command("enable")
@click.argument("name")
@plain_errors
def enable_account(name: str) -> None:
    """Let NAME sign in again."""
    services().accounts.enable(name)
    click.echo(f"Account {name} enabled")


@accounts.command("grant")
@click.argument("name")
@click.argument("permission")
@plain_errors
def grant_permission(name: str, permission: str) -> None:
    """Give PERMISSION to NAME."""
    services().accounts.grant(name, permission)
    click.echo(f"{permission} granted to {name}")
    _warn_of_unused([permission])


@accounts.command("revoke")
@click.argument("name")
@click.argument("permission")
@plain_errors
def revoke_permission(name: str, permission: str) -> None:
    """Take PERMISSION from NAME."""
    services().accounts.revoke(name, permission)
    click.echo(f"{permission} revoked from {name}")


@accounts.command("set-quota")
@click.argument("name")
@click.argument("quota", metavar="BYTES|none")
@plain_errors
def set_quota(name: str, quota: str) -> None:
    """Let the files of NAME take up to BYTES, such as 500GiB; `none` for what TRANSFER_QUOTA_BYTES says.

    What is stored already stays, also with 0.
    """
    quota_bytes = None if quota == "none" else _byte_count(quota)
    services().accounts.set_quota(name, quota_bytes)
    told = "The general quota" if quota_bytes is None else f"A quota of {quota_bytes} bytes"
    click.echo(f"{told} counts for {name}")


def _byte_count(text: str) -> int:
    """A size as settings have it: `10GiB`. Raises InvalidRequest."""
    try:
        return int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError as error:
        raise InvalidRequest(f"{text} is no number of bytes") from error


def _warn_of_unused(permissions: Iterable[str]) -> None:
    for permission in permissions:
        if permission not in PERMISSIONS:
            click.echo(f"Nothing asks for {permission}; there are {' and '.join(PERMISSIONS)}", err=True)


def _read_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


def init_commands(app: Flask) -> None:
    """Add the commands to `flask --app wsgi`."""
    app.cli.add_command(accounts)
