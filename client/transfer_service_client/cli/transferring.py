"""`transfer put` and `transfer get`."""

from typing import Annotated

import typer

from transfer_service_client.cli.command import GOES_ON, command
from transfer_service_client.cli.context import Context
from transfer_service_client.cli.names import name_of

_PUT_EXAMPLES = """\
  transfer put film.mp4                   send a file
  transfer put Photos                     send a folder, as Photos
  transfer put Photos/ --to Backup        send what is in it, into Backup
  transfer put *.jpg --to Photos/2026     many at once
"""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "put", examples=_PUT_EXAMPLES, when_stopped=GOES_ON)(put)


def put(
    context: Context,
    paths: Annotated[list[str], typer.Argument(metavar="PATH…", help="Files and folders.")],
    to: Annotated[str, typer.Option("--to", metavar="FOLDER", help="The folder they go into; made if needed.")] = "",
) -> None:
    """Send files and folders.

    A folder keeps its name; with a slash at its end (DIR/) only what is in it is sent. The same bytes are not sent
    again, other bytes replace what has the name. What was stopped goes on where it ended.
    """
    client = context.patient_client()
    listener = context.output.listener("sent")
    outcome = client.upload_all(paths, name_of(to), progress=listener)
    context.finish(listener, failures=outcome.failed)
