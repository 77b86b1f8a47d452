"""`transfer import`: files from elsewhere."""

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transfer_service_client.cli.accounts import InsecureHttp, address_of, ask, line_of_input
from transfer_service_client.cli.command import GOES_ON, command
from transfer_service_client.cli.context import FAILED, Context
from transfer_service_client.cli.names import name_of
from transfer_service_client.cli.remote_names import remote_folders
from transfer_service_client.cli.terminal import plural, safe

if TYPE_CHECKING:
    from transfer_service_client.client import TransferClient
    from transfer_service_client.importers.origin import Origin

_EXAMPLES = """\
  transfer import folder /mnt/nas/Photos --to Photos
  transfer import filebrowser https://fb.example.com   asks for the password
  transfer import pingvin /opt/pingvin-share/data      each share is a folder
  transfer import s3 's3://bucket/Photos?region=eu-central-1' --to Photos
  transfer import s3 's3://bucket?endpoint=https://s3.example.com' --dry-run
"""


class Kind(str, Enum):
    """What can be imported."""

    FILEBROWSER = "filebrowser"
    PINGVIN = "pingvin"
    FOLDER = "folder"
    S3 = "s3"


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "import", examples=_EXAMPLES, when_stopped=GOES_ON)(import_)


def import_(
    context: Context,
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="filebrowser, pingvin, folder or s3.")],
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Where it is: an address or a folder, by its kind.")],
    to: Annotated[
        str,
        typer.Option(
            "--to", metavar="FOLDER", help="The folder it goes into; made if needed.", autocompletion=remote_folders
        ),
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only tell what would be done.")] = False,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="The account of File Browser; asked for where it is missing."),
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read its password from a line of standard input.")
    ] = False,
    insecure_http: InsecureHttp = False,
) -> None:
    """Bring files home from elsewhere.

    What is in SOURCE goes into FOLDER. SOURCE is only read, never changed. The same bytes are not sent again, and what
    was stopped goes on where it ended. At the end the SHA-256 of every file is compared with the service's.
    """
    if (name is not None or password_stdin) and kind is not Kind.FILEBROWSER:
        raise typer.BadParameter(f"--name and --password-stdin are for filebrowser, not for {kind.value}")
    client = context.client() if dry_run else context.patient_client()  # before anybody is asked for a password
    with _origin_of(kind, source, name, is_piped=password_stdin, allows_http=insecure_http) as origin:
        if dry_run:
            _tell_plan(context, client, origin, name_of(to))
        else:
            _run(context, client, origin, name_of(to))


def _run(context: Context, client: "TransferClient", origin: "Origin", to: str) -> None:
    listener = context.output.listener("imported")
    report = client.import_from(origin, to, progress=listener)
    context.output.close()
    verified = f"{plural(report.verified, 'file')} verified at the service"
    context.output.remark(verified, event="verified", count=report.verified)
    context.finish(listener, report.outcome)


def _tell_plan(context: Context, client: "TransferClient", origin: "Origin", to: str) -> None:
    plan = client.plan_import(origin, to, progress=context.output.listener("imported"))
    context.output.close()
    for action, names in (("send", plan.send), ("replace", plan.replace), ("compare", plan.compare)):
        for name in names:
            context.output.result(f"{action} {name}", event="plan", action=action, name=name)
    for name, reason in plan.outcome.skips:
        context.output.remark(f"skipped {name}: {reason}", event="skipped", name=name, reason=reason)
    if plan.outcome.failed:
        raise typer.Exit(FAILED)


@contextmanager
def _origin_of(kind: Kind, source: str, name: str | None, *, is_piped: bool, allows_http: bool) -> "Iterator[Origin]":
    from transfer_service_client.importers.origin import BadAddress

    try:
        if kind is Kind.FILEBROWSER:
            origin = _filebrowser(source, name, is_piped=is_piped, allows_http=allows_http)
        elif kind is Kind.S3:
            origin = _bucket(source, allows_http=allows_http)
        else:
            origin = _on_disk(kind, Path(source))
    except BadAddress as error:
        raise typer.BadParameter(str(error)) from error
    try:
        yield origin
    finally:
        origin.close()


def _on_disk(kind: Kind, folder: Path) -> "Origin":
    from transfer_service_client.importers.folder import FolderOrigin
    from transfer_service_client.importers.pingvin import PingvinOrigin

    return PingvinOrigin(folder) if kind is Kind.PINGVIN else FolderOrigin(folder)


def _bucket(source: str, *, allows_http: bool) -> "Origin":
    from transfer_service_client.importers.s3 import S3Origin, parse_s3_address

    place = parse_s3_address(source)
    if place.endpoint is not None:
        address_of(place.endpoint, allows_http=allows_http)
    return S3Origin(place)


def _filebrowser(source: str, name: str | None, *, is_piped: bool, allows_http: bool) -> "Origin":
    from transfer_service_client.importers.filebrowser import FileBrowserOrigin, parse_filebrowser_address
    from transfer_service_client.importers.filebrowser_site import FileBrowserSite

    url, folder = parse_filebrowser_address(source)
    url = address_of(url, allows_http=allows_http)
    account = name or ask(f"Name at {safe(url)}: ")
    if is_piped:
        password = line_of_input()
    elif sys.stdin.isatty():
        password = getpass.getpass(f"Password of {safe(account)} at {safe(url)}: ")
    else:
        raise typer.BadParameter("There is no terminal to ask for the password: use --password-stdin")
    return FileBrowserOrigin(FileBrowserSite(url, account, password), folder)
