"""The command line: `flask --app wsgi storage move`."""

import sys
from typing import TYPE_CHECKING

import click
from flask import Flask
from flask.cli import AppGroup

from transfer_service.cli.accounts import plain_errors
from transfer_service.cli.upkeep import read_urls, show_fault
from transfer_service.config import known_storage
from transfer_service.shipped import COMMAND
from transfer_service.web.context import services

if TYPE_CHECKING:
    from transfer_service.services.upkeep.storage_move import Outcome

storage = AppGroup("storage", help="Where the bytes are.")


@storage.command("move")
@click.argument("from_url")
@click.argument("to_url")
@plain_errors
def move(from_url: str, to_url: str) -> None:
    """Carry all bytes at FROM_URL over to TO_URL; - reads the URL from standard input.

    They look like file:/folder or s3://bucket/prefix?endpoint=https://host. Killed, it goes on where it was when it is
    called again. The service may run; call it again in read-only mode then.
    """
    from transfer_service.moves import build_move  # and all that it needs: no other command does

    source, target = read_urls(known_storage, from_url, to_url)
    settings = services().core.settings
    moving = build_move(settings, source, target)
    outcome = moving.run(_show_progress)
    if not outcome.is_settled:
        raise click.ClickException(
            "More changes than can be carried over: set TRANSFER_READ_ONLY=true, and call it again"
        )
    moving.finish(nobody_writes=settings.read_only)
    _show(outcome, target, is_read_only=settings.read_only)
    if outcome.faults:
        sys.exit(1)


def _show_progress(outcome: "Outcome") -> None:
    click.echo(f"{outcome.brought.count} brought, {outcome.brought.bytes} bytes", err=True)


def _show(outcome: "Outcome", target: str, *, is_read_only: bool) -> None:
    click.echo(
        f"Moved and verified: {outcome.brought.count} blobs, {outcome.brought.bytes} bytes; {outcome.kept} in all"
    )
    for fault in outcome.faults:
        show_fault(fault)
    if outcome.faults:
        click.echo(f"{len(outcome.faults)} were damaged or missing at the old place already")
    if not is_read_only:
        click.echo(
            "If the service has run meanwhile: set TRANSFER_READ_ONLY=true, restart it, and call this again before the "
            "next step. It brings what has come since, and is quick"
        )
    click.echo(f"Set TRANSFER_STORAGE_URL={target} and start the service; then: {COMMAND} verify")


def init_storage_commands(app: Flask) -> None:
    """Add the commands to `flask --app wsgi`."""
    app.cli.add_command(storage)
