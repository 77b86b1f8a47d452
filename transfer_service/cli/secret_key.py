"""The command line: `flask --app wsgi rotate-key` (docs/operations.md)."""

from pathlib import Path

import click
from flask import Flask
from flask.cli import with_appcontext

from transfer_service.cli.accounts import plain_errors
from transfer_service.key_file import forget_previous_keys, prepare_key, rotate_key
from transfer_service.web.context import services

OWN_KEY = "SECRET_KEY is set in the environment or in .env: replace it there, as docs/operations.md says"
RESTART = "Restart the worker and every instance"


@click.command("rotate-key")
@click.option("--prepare", is_flag=True, help="With several instances, first: make the next key, which only verifies.")
@click.option("--finish", is_flag=True, help="At the end: seal anew what the keys before have sealed, and drop those.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_appcontext
@plain_errors
def rotate(prepare: bool, finish: bool, yes: bool) -> None:
    """Let another key sign from the next start on. What the keys before have signed counts until --finish."""
    if prepare and finish:
        raise click.UsageError("--prepare and --finish are two steps")
    path = services().core.settings.generated_key
    if finish:
        _finish(path, yes)
    elif path is None:
        raise click.ClickException(OWN_KEY)
    elif prepare:
        prepare_key(path)
        click.echo(f"The next key is made. {RESTART}, then call this again without --prepare")
    elif rotate_key(path):
        click.echo(f"The key that was prepared signs from the next start on. {RESTART}")
    else:
        click.echo(f"A new key signs from the next start on. {RESTART}")
        click.echo(
            "An instance that still runs refuses what those sign that were restarted: --prepare first avoids that"
        )


def _finish(path: Path | None, yes: bool) -> None:
    services().signing_key.ensure()  # nothing may have started with the present key, and nothing later knows the others
    click.echo(f"{services().sharing.links.reseal()} addresses of links sealed with the present key")
    click.echo(f"{services().webhooks.reseal()} secrets of webhooks sealed with the present key")
    if path is None:
        click.echo("TRANSFER_PREVIOUS_SECRET_KEYS can go where nobody comes any more with what those keys have signed")
        return
    if not yes:
        click.echo("What was signed before the rotation ends: sign-ins that were not renewed since, signed addresses,")
        click.echo("what links remember of their visitors")
        click.confirm("Drop the keys before?", abort=True)
    click.echo(f"{forget_previous_keys(path)} keys dropped. {RESTART}")


def init_key_commands(app: Flask) -> None:
    """Add the command to `flask --app wsgi`."""
    app.cli.add_command(rotate)
