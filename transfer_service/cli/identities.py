"""The command line: `flask --app wsgi accounts unlink`."""

import click
from flask.cli import with_appcontext

from transfer_service.cli.accounts import accounts, plain_errors
from transfer_service.web.context import services


@click.command("unlink")
@click.argument("name")
@with_appcontext
@plain_errors
def unlink_account(name: str) -> None:
    """Let the account NAME belong to nobody at the provider: whoever comes next with its address has it."""
    services().identities.unlink(name)
    click.echo(f"Account {name} belongs to nobody at the provider any more")


def init_identity_commands() -> None:
    """Add the command to those of accounts."""
    accounts.add_command(unlink_account)
