"""`transfer ls`, `rm` and `mv`: what is at the service, without its bytes."""

from typing import Annotated

import typer

from transfer_service_client.cli.command import command
from transfer_service_client.cli.context import Context
from transfer_service_client.cli.names import name_of
from transfer_service_client.cli.terminal import human_size, local_time
from transfer_service_client.errors import NotFound
from transfer_service_client.models import File, Folder

_LS_EXAMPLES = """\
  transfer ls                     the top
  transfer ls -l Photos           with sizes and times
  transfer ls -r Photos           all files below it
  transfer ls --json | jq .name   for programs: exact names, sizes and digests
  transfer ls -- -odd-            a name that begins with a dash
"""
_WIDTH = 10  # of `unfinished`


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "ls", examples=_LS_EXAMPLES)(ls)


def ls(
    context: Context,
    folder: Annotated[str, typer.Argument(metavar="[FOLDER]", help="A folder, or a file; else the top.")] = "",
    is_long: Annotated[bool, typer.Option("--long", "-l", help="With sizes and the times of the last change.")] = False,
    is_recursive: Annotated[bool, typer.Option("--recursive", "-r", help="All files below it.")] = False,
) -> None:
    """List a folder: the folders in it, with a slash behind, then the files."""
    client, name = context.client(), name_of(folder)
    if is_recursive:
        client.list(name)
        for file in client.files(name):
            _print_file(context, file, file.name, is_long=is_long)
        return
    try:
        listing = client.list(name)
    except NotFound as error:
        found = client.find(name) if name else None
        if found is None:
            raise NotFound(error.status, f"There is no file and no folder {name!r}") from error
        _print_file(context, found, found.name, is_long=is_long)
        return
    for each in listing.folders:
        _print_folder(context, each, is_long=is_long)
    for file in listing.files:
        _print_file(context, file, file.name.rpartition("/")[2], is_long=is_long)


def _print_folder(context: Context, folder: Folder, *, is_long: bool) -> None:
    text = f"{folder.path.rpartition('/')[2]}/"
    if is_long:
        text = f"{'':>{_WIDTH}}  {local_time(folder.created_at)}  {text}"
    context.output.result(text, type="folder", name=folder.path, created_at=folder.created_at.isoformat())


def _print_file(context: Context, file: File, shown: str, *, is_long: bool) -> None:
    if is_long:
        size = "unfinished" if not file.is_complete else human_size(file.size or 0)
        shown = f"{size:>{_WIDTH}}  {local_time(file.updated_at)}  {shown}"
    context.output.result(
        shown,
        type="file",
        name=file.name,
        size=file.size,
        sha256=file.sha256,
        content_type=file.content_type,
        is_complete=file.is_complete,
        file_id=file.file_id,
        created_at=file.created_at.isoformat(),
        updated_at=file.updated_at.isoformat(),
    )
