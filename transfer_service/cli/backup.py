"""The command line: `flask --app wsgi backup | restore`."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from flask import Flask
from flask.cli import with_appcontext
from pydantic import SecretStr

from transfer_service.bootstrap import build_services
from transfer_service.cli.accounts import plain_errors
from transfer_service.cli.upkeep import show_fault, show_verdict
from transfer_service.db.backup_contents import Listed
from transfer_service.key_file import Keys, write_keys
from transfer_service.maintenance import settle_older_rows
from transfer_service.web.context import services

if TYPE_CHECKING:
    from transfer_service.config import Settings
    from transfer_service.services.upkeep.backup import Held
    from transfer_service.services.upkeep.restore import Restored

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command("backup")
@click.argument("folder", type=FOLDER, metavar="DIR")
@click.option("--without-bytes", is_flag=True, help="Only list the stored bytes: the store has backups of its own.")
@with_appcontext
@plain_errors
def backup(folder: Path, without_bytes: bool) -> None:
    """Copy the installation to DIR while it runs; into the same DIR again only what is new.

    The signing key is in it. What is damaged at its place is named: the exit code is 1 then.
    """
    from transfer_service.backups import build_backup  # and all that it needs: no other command does

    services().gate.enter()
    services().recovery.ensure()  # after a power loss what counts is decided first
    held = build_backup(services().core, folder, with_bytes=not without_bytes).run(_show_progress)
    for kind, (count, size) in held.kinds.items():
        click.echo(f"{_plural(kind)}: {count}, {size} bytes")
    click.echo(f"database: {held.database_bytes} bytes")
    if without_bytes:
        click.echo("The bytes themselves are not in it: a restore needs the store")
    else:
        click.echo(f"new in this backup: {held.new.count}, {held.new.bytes} bytes")
    _show_faults([(str(each.problem), each) for each in held.faults])
    click.echo(f"The backup is in {folder}; the signing key is in it")
    if held.faults:
        click.echo(f"{len(held.faults)} were damaged or missing at their place already", err=True)
        sys.exit(1)


@click.command("restore")
@click.argument("folder", type=FOLDER, metavar="DIR")
@with_appcontext
@plain_errors
def restore(folder: Path) -> None:
    """Bring the backup in DIR into an empty data folder, and an empty database and store where settings name others.

    Killed, it goes on when it is called again. At the end every byte is compared with its digest.
    """
    from transfer_service.backups import build_restore, choose_keys
    from transfer_service.services.upkeep.restore import find_source

    settings, source = services().core.settings, find_source(folder.absolute())
    keys = choose_keys(settings, source)
    restored = build_restore(settings, source, partial(_keep_keys, settings, keys)).run(_show_restored)
    click.echo(f"Restored: {restored.brought.count} blobs, {restored.brought.bytes} bytes")
    _show_faults([(str(problem), each) for problem, each in restored.faults])
    there = build_services(_with_keys(settings, keys))
    try:
        there.gate.enter()
        there.recovery.ensure()
        if not source.facts["with_bytes"]:
            settle_older_rows(there.core)
        verdict = there.verification.run(on_fault=show_fault)
        show_verdict(verdict, 0)
    finally:
        there.database.dispose()
    if verdict.faults or restored.faults:
        sys.exit(1)


def _keep_keys(settings: "Settings", keys: Keys | None) -> None:
    """Put the keys of the installation in the place of those that were made for nobody."""
    if keys is not None and settings.generated_key is not None:
        write_keys(settings.generated_key, keys)


def _with_keys(settings: "Settings", keys: Keys | None) -> "Settings":
    if keys is None:
        return settings
    verifying = [SecretStr(key) for key in keys.verifying]
    return settings.model_copy(update={"secret_key": SecretStr(keys.signing), "previous_secret_keys": verifying})


def _plural(kind: str) -> str:
    return f"{kind.replace('_', ' ')}s"


def _show_progress(held: "Held") -> None:
    if sys.stderr.isatty():  # nobody wants to have it mailed by cron
        click.echo(f"{held.new.count} copied, {held.new.bytes} bytes", err=True)


def _show_restored(restored: "Restored") -> None:
    if sys.stderr.isatty():
        click.echo(f"{restored.brought.count} brought, {restored.brought.bytes} bytes", err=True)


def _show_faults(faults: list[tuple[str, Listed]]) -> None:
    for problem, each in faults:
        kind = each.kind.replace("_", " ")
        click.echo(f"{problem}: {kind} {each.name} ({each.key}) of {each.account or 'nobody'}")


def init_backup_commands(app: Flask) -> None:
    """Add the commands to `flask --app wsgi`."""
    for command in (backup, restore):
        app.cli.add_command(command)
