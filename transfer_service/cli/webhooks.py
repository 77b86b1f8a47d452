"""The command line: `flask --app wsgi webhooks add | list | remove | test | failed`."""

import json
import uuid

import click
from flask import Flask
from flask.cli import AppGroup

from transfer_service.cli.accounts import plain_errors
from transfer_service.errors import NotFound
from transfer_service.services.events.webhooks import UNKNOWN, UNKNOWN_FAILED, WebhookDraft
from transfer_service.services.files.files import parse_file_id
from transfer_service.web.context import services
from transfer_service.web.events.webhooks import failed_json, webhook_json
from transfer_service.wire.webhooks import Event, parse_events, parse_url

_MOST_SHOWN = 1000

webhooks = AppGroup("webhooks", help="Who is told of what happens.")


@webhooks.command("add")
@click.argument("url")
@click.option("--event", "events", multiple=True, help=f"Only this one, or these: {', '.join(Event)}.")
@click.option("--account", help="Only what happens to the things of this account.")
@plain_errors
def add_webhook(url: str, events: tuple[str, ...], account: str | None) -> None:
    """Tell URL of events, and print the secret that they are signed with, once."""
    draft = WebhookDraft(url=parse_url(url), events=parse_events(events or None), account=account)
    record, secret = services().webhooks.add(draft)
    click.echo(f"Webhook {record.id} added, secret: {secret}")


@webhooks.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_errors
def list_webhooks(as_json: bool) -> None:
    """Show every webhook, one a line; the columns are separated by tabs."""
    listed = [webhook_json(record) for record in services().webhooks.list_webhooks()]
    if as_json:
        click.echo(json.dumps({"webhooks": listed}, ensure_ascii=False))
        return
    for each in listed:
        events = ",".join(each["events"])
        click.echo("\t".join((each["id"], each["state"], each["account"] or "-", events, each["url"])))


@webhooks.command("remove")
@click.argument("webhook_id", metavar="ID")
@plain_errors
def remove_webhook(webhook_id: str) -> None:
    """Remove the webhook ID, with all that it was to be told."""
    services().webhooks.remove(_parsed(webhook_id, UNKNOWN))
    click.echo(f"Webhook {webhook_id} removed")


@webhooks.command("test")
@click.argument("webhook_id", metavar="ID")
@plain_errors
def send_test(webhook_id: str) -> None:
    """Have webhook.test sent to the webhook ID. The worker sends it."""
    services().webhooks.test(_parsed(webhook_id, UNKNOWN))
    click.echo("A test is on its way")


@webhooks.command("failed")
@click.option("--redeliver", "delivery_id", metavar="ID", help="Try this one anew.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_errors
def failed(delivery_id: str | None, as_json: bool) -> None:
    """Show what has not arrived, the latest thousand, one a line; the columns are separated by tabs."""
    if delivery_id is not None:
        services().webhooks.redeliver(_parsed(delivery_id, UNKNOWN_FAILED))
        click.echo("It is tried again")
        return
    listed = [failed_json(each) for each in services().webhooks.list_failed(limit=_MOST_SHOWN)]
    if as_json:
        click.echo(json.dumps({"failed": listed}))
        return
    for each in listed:
        names = ("id", "webhook_id", "event", "tries", "error", "failed_at")
        click.echo("\t".join(str(each[name]) for name in names))


def _parsed(text: str, unknown: str) -> uuid.UUID:
    parsed = parse_file_id(text)
    if parsed is None:
        raise NotFound(unknown)
    return parsed


def init_webhook_commands(app: Flask) -> None:
    """Add the commands to `flask --app wsgi`."""
    app.cli.add_command(webhooks)
