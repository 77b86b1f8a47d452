"""`transfer put` and `transfer get`."""

from pathlib import Path
from typing import Annotated

import typer

from transfer_service_client.cli.command import GOES_ON, command
from transfer_service_client.cli.context import Context
from transfer_service_client.cli.names import Exclude, name_of
from transfer_service_client.cli.remote_names import remote_folders, remote_names

_PUT_EXAMPLES = """\
  transfer put film.mp4                   send a file
  transfer put Photos                     send a folder, as Photos
  transfer put Photos/ --to Backup        send what is in it, into Backup
  transfer put *.jpg --to Photos/2026     many at once
  transfer put code --exclude node_modules --exclude '*.log'
"""
_GET_EXAMPLES = """\
  transfer get film.mp4                   fetch a file to here
  transfer get Photos notes.txt -o /tmp   a folder and a file, to /tmp
  transfer get / -o backup                everything
"""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "put", examples=_PUT_EXAMPLES, when_stopped=GOES_ON)(put)
    command(app, "get", examples=_GET_EXAMPLES, when_stopped=GOES_ON)(get)


def put(
    context: Context,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files and folders.")],
    to: Annotated[
        str,
        typer.Option(
            "--to", metavar="FOLDER", help="The folder they go into; made if needed.", autocompletion=remote_folders
        ),
    ] = "",
    exclude: Exclude = None,
) -> None:
    """Send files and folders.

    A folder keeps its name; with a slash at its end (DIR/) only what is in it is sent. The same bytes are not sent
    again, other bytes replace what has the name. What was stopped goes on where it ended.
    """
    client = context.patient_client()
    listener = context.output.listener("sent")
    outcome = client.upload_all(paths, name_of(to), exclude=exclude or (), progress=listener)
    context.finish(listener, outcome)


def get(
    context: Context,
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="Files and folders at the service.", autocompletion=remote_names),
    ],
    into: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="The folder they go into; made if needed.")
    ] = Path(),
) -> None:
    """Fetch files and folders.

    Each file is compared with its SHA-256 before it gets its name here; then it replaces what had that name. A folder
    comes with all that is in it. Nothing is ever written outside of DIR. What was stopped goes on where it ended.
    """
    if into.exists() and not into.is_dir():
        raise typer.BadParameter(f"{into} is a file here: -o names the folder that files go into")
    client = context.patient_client()
    listener = context.output.listener("fetched")
    outcome = client.get([name_of(name) for name in names], into, progress=listener)
    context.finish(listener, outcome)
