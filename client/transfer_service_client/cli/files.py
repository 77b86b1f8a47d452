"""`transfer ls`, `rm` and `mv`: what is at the service, without its bytes."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from transfer_service_client.cli.command import command
from transfer_service_client.cli.context import Context
from transfer_service_client.cli.names import is_into, label_of, name_of
from transfer_service_client.cli.remote_names import remote_names
from transfer_service_client.cli.terminal import human_size, local_time
from transfer_service_client.errors import Conflict, NotFound, TransferError

if TYPE_CHECKING:
    from transfer_service_client.client import TransferClient
    from transfer_service_client.models import File, Folder

_LS_EXAMPLES = """\
  transfer ls                     the top
  transfer ls -l Photos           with sizes and times
  transfer ls -r Photos           all files below it
  transfer ls --json | jq .name   for programs: exact names, sizes and digests
  transfer ls -- -odd-            a name that begins with a dash
"""
_RM_EXAMPLES = """\
  transfer rm film.mp4 notes.txt
  transfer rm -r Photos           a folder with all that is in it
  transfer rm -- -odd-            a name that begins with a dash
"""
_MV_EXAMPLES = """\
  transfer mv film.mp4 movie.mp4          another name
  transfer mv film.mp4 Films/             into a folder, made if needed
  transfer mv Photos Pictures             a folder, with all that is in it
  transfer mv 1.jpg 2.jpg Photos          many into a folder
  transfer mv Photos/1.jpg /              to the top
"""
_WIDTH = 10  # of `unfinished`


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "ls", examples=_LS_EXAMPLES)(ls)
    command(app, "rm", examples=_RM_EXAMPLES)(rm)
    command(app, "mv", examples=_MV_EXAMPLES)(mv)


def ls(
    context: Context,
    folder: Annotated[
        str, typer.Argument(metavar="[FOLDER]", help="A folder, or a file; else the top.", autocompletion=remote_names)
    ] = "",
    is_long: Annotated[bool, typer.Option("--long", "-l", help="With sizes and the times of the last change.")] = False,
    is_recursive: Annotated[bool, typer.Option("--recursive", "-r", help="All files below it.")] = False,
) -> None:
    """List what is in a folder.

    The folders in it come first, with a slash behind their names, then the files.
    """
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
    for each in sorted(listing.folders, key=lambda each: _order(each.path)):
        _print_folder(context, each, is_long=is_long)
    for file in sorted(listing.files, key=lambda each: _order(each.name)):
        _print_file(context, file, label_of(file.name), is_long=is_long)


def rm(
    context: Context,
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="Files and folders at the service.", autocompletion=remote_names),
    ],
    is_recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Folders too, with all in them.")] = False,
) -> None:
    """Delete files, and with -r folders.

    Where the service has a trash they go there, and can be brought back in a browser.
    """

    def remove(text: str) -> None:
        name = name_of(text)
        if not name:
            raise TransferError("The top cannot be deleted")
        file = client.find(name)
        if file is None:
            _remove_folder(client, name, is_recursive=is_recursive)
        else:
            with suppress(NotFound):  # the answer to an earlier try was lost
                client.delete(file.file_id)
        context.output.remark(f"deleted {name}", event="deleted", name=name)

    client = context.client()
    context.each(names, remove)


def mv(
    context: Context,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME... TARGET", help="What to move, and at last where to.", autocompletion=remote_names
        ),
    ],
) -> None:
    """Rename files and folders, or move them into a folder.

    TARGET is a folder where one has that name, or where it ends in a slash. Nothing is ever replaced or merged.
    """
    if len(names) == 1:
        raise typer.BadParameter("say what to move, and where to")
    *sources, last = names
    client, target = context.client(), name_of(last)
    goes_into = is_into(last) or client.is_folder(target)
    if len(sources) > 1 and not goes_into:
        raise TransferError(f"There is no folder {target!r} to move them into (with a slash at its end it is made)")

    def move(text: str) -> None:
        name = name_of(text)
        if not name:
            raise TransferError("The top cannot be moved")
        new = "/".join(part for part in (target, label_of(name)) if part) if goes_into else target
        if new == name:
            raise TransferError(f"{name} is there already")
        _move(client, name, new)
        context.output.remark(f"{name} is {new} now", event="moved", name=name, new_name=new)

    context.each(sources, move)


def _order(name: str) -> tuple[str, str]:
    return name.casefold(), name


def _move(client: "TransferClient", name: str, new: str) -> None:
    try:
        if client.find(name) is not None:
            client.move(name, new)
        else:
            client.move_folder(name, new)
    except NotFound as error:
        raise NotFound(error.status, f"There is no file and no folder {name!r}") from error
    except Conflict as error:
        raise Conflict(error.status, f"{name} cannot be {new}: {error}") from error


def _remove_folder(client: "TransferClient", name: str, *, is_recursive: bool) -> None:
    if not client.is_folder(name):
        raise NotFound(404, f"There is no file and no folder {name!r}")
    if not is_recursive:
        raise TransferError(f"{name} is a folder: -r deletes it with all that is in it")
    with suppress(NotFound):  # the answer to an earlier try was lost
        client.delete_folder(name, is_recursive=True)


def _print_folder(context: Context, folder: "Folder", *, is_long: bool) -> None:
    text = f"{label_of(folder.path)}/"
    if is_long:
        text = f"{'':>{_WIDTH}}  {local_time(folder.created_at)}  {text}"
    context.output.result(text, type="folder", name=folder.path, created_at=folder.created_at.isoformat())


def _print_file(context: Context, file: "File", shown: str, *, is_long: bool) -> None:
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
