"""`transfer sync` and `transfer verify`: a folder here and one at the service."""

from pathlib import Path
from typing import Annotated

import typer

from transfer_service_client.cli.command import GOES_ON, command
from transfer_service_client.cli.context import FAILED, Context
from transfer_service_client.cli.listeners import READ
from transfer_service_client.cli.names import Exclude, name_of
from transfer_service_client.cli.remote_names import remote_folders
from transfer_service_client.cli.terminal import plural

_SYNC_EXAMPLES = """\
  transfer sync ~/Photos Photos             send what is new or different
  transfer sync ~/Photos Photos --dry-run   only tell what that would do
  transfer sync ~/Photos Photos --delete    delete there what is not here
  transfer sync ~/code code --exclude node_modules --exclude '*.log'
"""
_VERIFY_EXAMPLES = """\
  transfer verify ~/Photos Photos     0 where both hold the same, 1 where not
"""
Here = Annotated[Path, typer.Argument(metavar="DIR", help="A folder here.")]
There = Annotated[
    str, typer.Argument(metavar="FOLDER", help="A folder at the service; / is the top.", autocompletion=remote_folders)
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "sync", examples=_SYNC_EXAMPLES, when_stopped=GOES_ON)(sync)
    command(app, "verify", examples=_VERIFY_EXAMPLES)(verify)


def sync(
    context: Context,
    directory: Here,
    folder: There,
    delete: Annotated[bool, typer.Option("--delete", help="Delete there what is not here.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only tell what would be done.")] = False,
    exclude: Exclude = None,
) -> None:
    """Make a folder at the service like one here.

    What FOLDER lacks is sent, by content and not by the times of files. Nothing in DIR is changed. With --delete what
    only FOLDER has is deleted, unless anything failed before, or it is excluded. The other way round is `transfer get`.
    """
    client = context.client() if dry_run else context.patient_client()
    listener = context.output.listener("sent")
    there, wanted = name_of(folder), exclude or ()
    plan, outcome = client.sync(directory, there, delete=delete, dry_run=dry_run, exclude=wanted, progress=listener)
    context.output.close()
    deletions = [*plan.delete_first, *plan.delete_files, *plan.delete_folders]
    if dry_run:
        for action, names in (("delete", deletions), ("make", plan.folders), ("send", plan.uploads)):
            for name in names:
                context.output.result(f"{action} {name}", event="plan", action=action, name=name)
        context.output.remark(f"{plural(len(plan.same), 'file')} the same", event="same", count=len(plan.same))
        if outcome.failed:
            raise typer.Exit(FAILED)
        return
    for name in outcome.deleted:
        context.output.remark(f"deleted {name}", event="deleted", name=name)
    context.finish(listener, outcome)


def verify(context: Context, directory: Here, folder: There, exclude: Exclude = None) -> None:
    """Compare a folder here with one at the service, byte by byte.

    The exit code is 1 where anything is different, missing on either side, or cannot be read.
    """
    client = context.client()
    listener = context.output.listener(READ)
    found = client.verify(directory, name_of(folder), exclude=exclude or (), progress=listener)
    context.output.close()
    for state, text, names in (
        ("different", "different", found.different),
        ("missing-there", "only here", found.missing_there),
        ("missing-here", "only there", found.missing_here),
    ):
        for name in names:
            context.output.result(f"{text}: {name}", event="difference", difference=state, name=name)
    differences = len(found.different) + len(found.missing_there) + len(found.missing_here)
    context.output.remark(
        f"{plural(len(found.same), 'file')} the same, {plural(differences, 'difference')}",
        event="summary",
        same=len(found.same),
        different=differences,
        failed=len(found.failed),
    )
    if not found.is_good:
        raise typer.Exit(FAILED)
