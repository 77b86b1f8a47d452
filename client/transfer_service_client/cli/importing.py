"""`transfer import`: files from elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transfer_service_client.cli.command import GOES_ON, command
from transfer_service_client.cli.context import FAILED, Context
from transfer_service_client.cli.names import name_of
from transfer_service_client.cli.terminal import plural

if TYPE_CHECKING:
    from transfer_service_client.importers.origin import Origin

_EXAMPLES = """\
  transfer import folder /mnt/nas/Photos --to Photos      a folder, with a look at every file at the end
"""


class Kind(str, Enum):
    """What can be imported."""

    FOLDER = "folder"


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "import", examples=_EXAMPLES, when_stopped=GOES_ON)(import_)


def import_(
    context: Context,
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="folder.")],
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Where it is; the examples show how.")],
    to: Annotated[str, typer.Option("--to", metavar="FOLDER", help="The folder it goes into; made if needed.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only tell what would be done.")] = False,
) -> None:
    """Bring files home from elsewhere.

    What is in SOURCE goes into FOLDER. SOURCE is only read, never changed. The same bytes are not sent again, and what
    was stopped goes on where it ended. At the end the SHA-256 of every file is compared with the service's.
    """
    with _origin_of(kind, source) as origin:
        if dry_run:
            _tell_plan(context, origin, name_of(to))
        else:
            _run(context, origin, name_of(to))


@contextmanager
def _origin_of(kind: Kind, source: str) -> "Iterator[Origin]":
    from transfer_service_client.importers.folder import FolderOrigin

    origin = {Kind.FOLDER: FolderOrigin}[kind](Path(source))
    try:
        yield origin
    finally:
        origin.close()


def _run(context: Context, origin: "Origin", to: str) -> None:
    client = context.patient_client()
    listener = context.output.listener("imported")
    report = client.import_from(origin, to, progress=listener)
    context.output.close()
    verified = f"{plural(report.verified, 'file')} verified at the service"
    context.output.remark(verified, event="verified", count=report.verified)
    context.finish(listener, report.outcome)


def _tell_plan(context: Context, origin: "Origin", to: str) -> None:
    listener = context.output.listener("imported")
    plan = context.client().plan_import(origin, to, progress=listener)
    context.output.close()
    for action, names in (("send", plan.send), ("compare", plan.compare)):
        for name in names:
            context.output.result(f"{action} {name}", event="plan", action=action, name=name)
    for name, reason in plan.outcome.skips:
        context.output.remark(f"skipped {name}: {reason}", event="skipped", name=name, reason=reason)
    if plan.outcome.failed:
        raise typer.Exit(FAILED)
