"""`transfer share`: an address for people without an account."""

import getpass
import re
import sys
from datetime import timedelta
from typing import Annotated

import typer

from transfer_service_client.cli.accounts import line_of_input
from transfer_service_client.cli.command import command
from transfer_service_client.cli.context import Context
from transfer_service_client.cli.names import name_of
from transfer_service_client.cli.remote_names import remote_names
from transfer_service_client.errors import TransferError

_EXAMPLES = """\
  transfer share film.mp4                 an address that works for 7 days
  transfer share Photos --expires 12h     a folder, for half a day
  transfer share report.pdf --max-downloads 3
  transfer share report.pdf --password    asks for a password
  transfer share report.pdf --password < password.txt
"""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = re.compile(r"([1-9][0-9]{0,7})([smhdw])")


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "share", examples=_EXAMPLES)(share)


def share(
    context: Context,
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="Files and folders at the service.", autocompletion=remote_names),
    ],
    has_password: Annotated[
        bool, typer.Option("--password", help="With a password: asked for, or read from a line of standard input.")
    ] = False,
    expires: Annotated[
        str, typer.Option("--expires", metavar="TIME", help="How long it works: 30m, 12h, 7d, 2w.")
    ] = "7d",
    max_downloads: Annotated[
        int | None,
        typer.Option("--max-downloads", metavar="N", help="How many downloads there may be in all, 1 or more."),
    ] = None,
) -> None:
    """Make a link for people without an account.

    Its address is printed. Whoever has it can fetch the files and folders: give it to nobody else. A folder is shared
    as it is when somebody looks. The service's pages, in a browser, list links and end them.
    """
    expires_in = duration_of(expires)
    if max_downloads is not None and max_downloads < 1:
        raise typer.BadParameter("--max-downloads is 1 or more")
    wanted = [name_of(name) + ("/" if name.endswith("/") else "") for name in names]
    if not all(name.strip("/") for name in wanted):
        raise TransferError("The top cannot be shared: name what is in it")
    client = context.client()
    password = _new_password() if has_password else None
    link = client.share(*wanted, expires_in=expires_in, password=password, max_downloads=max_downloads)
    if link.url is None:
        raise TransferError("The service did not tell the address of the link")
    context.output.result(
        link.url,
        event="shared",
        url=link.url,
        link_id=link.link_id,
        expires_at=link.expires_at.isoformat(),
        has_password=link.has_password,
        max_downloads=link.max_downloads,
    )


def duration_of(text: str) -> timedelta:
    """The time that `7d` says. Raises typer.BadParameter."""
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None:
        raise typer.BadParameter(f"{text} is no time: say 30m, 12h, 7d or 2w")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def _new_password() -> str:
    """Asked for twice on a terminal, as nobody sees what is typed."""
    if not sys.stdin.isatty():
        return line_of_input()
    password = getpass.getpass("Password for the link: ")
    if getpass.getpass("Once more: ") != password:
        raise TransferError("The two are not the same: no link was made")
    return password
