"""`transfer login`, `transfer logout` and `transfer whoami`."""

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from transfer_service_client.cli.command import command
from transfer_service_client.cli.context import SHORT_PATIENCE_SECONDS, Context
from transfer_service_client.cli.terminal import human_size, safe
from transfer_service_client.connection.addresses import THIS_MACHINE
from transfer_service_client.connection.credentials import KEY_PREFIX, CredentialFile, Credentials, Key, SignIn
from transfer_service_client.errors import ApiError, SignInNeeded, TransferError

if TYPE_CHECKING:
    from transfer_service_client.client import TransferClient

_REDIRECTS = range(300, 400)
_LOGIN_EXAMPLES = """\
  transfer login https://files.example.com
  transfer login files.example.com --name alice
  transfer login files.example.com --name alice --password-stdin < file
  transfer login files.example.com --key-stdin < key.txt
"""
_WHOAMI_EXAMPLES = """\
  transfer whoami     alice at https://files.example.com: 1.2 GB used
"""
InsecureHttp = Annotated[
    bool, typer.Option("--insecure-http", help="Allow http:// to another machine: everybody on the way can read.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "login", examples=_LOGIN_EXAMPLES)(login)
    command(app, "logout")(logout)
    command(app, "whoami", examples=_WHOAMI_EXAMPLES)(whoami)


def login(
    context: Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="The address of the service, as a browser shows it.")],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="The account; else it is asked for.")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from a line of standard input.")
    ] = False,
    key_stdin: Annotated[
        bool, typer.Option("--key-stdin", help="Read a key (tsk_...) from a line of standard input.")
    ] = False,
    insecure_http: InsecureHttp = False,
) -> None:
    """Sign in to a service, once.

    What lets you in from then on is kept in one file that only you can read, never the password itself. Programs and
    devices sign in by a key, which the service's pages make under Account.
    """
    address = address_of(url, allows_http=insecure_http)
    if password_stdin and key_stdin:
        raise typer.BadParameter("--password-stdin and --key-stdin exclude each other")
    kept = CredentialFile()
    if key_stdin:
        credentials, account = _by_key(address, name)
    else:
        account = name or ask("Name: ")
        credentials = _by_password(address, account, is_piped=password_stdin)
    with kept.locked():  # a renewal that is under way would write over it
        kept.write(SignIn(address, credentials))
    context.output.remark(f"Signed in to {address} as {account}", event="signed-in", url=address, account=account)


def logout(context: Context) -> None:
    """Sign out.

    The session ends at the service, and what was kept of it here is removed. A key works on until it is deleted at the
    service.
    """
    kept = CredentialFile()
    try:
        client = context.client()
        if not isinstance(client.session.credentials, Key):
            with suppress(SignInNeeded):  # it has ended already
                client.session.request("POST", "/auth/logout", is_repeatable=True)
    finally:
        if kept.path.exists():  # also where it cannot be read
            with kept.locked():  # or a renewal that is under way would write it again
                kept.remove()
    context.output.remark("Signed out", event="signed-out", url=client.session.url)


def whoami(context: Context) -> None:
    """Tell who is signed in, where, and how much room is used.

    The service is asked, so that it tells too whether what was kept still counts.
    """
    client = context.client()
    account = client.account()
    room = human_size(account.used_bytes)
    if account.quota_bytes is not None:
        room += f" of {human_size(account.quota_bytes)}"
    context.output.result(
        f"{account.name} at {client.session.url}: {room} used",
        event="account",
        account=account.name,
        url=client.session.url,
        used_bytes=account.used_bytes,
        quota_bytes=account.quota_bytes,
    )


def address_of(text: str, *, allows_http: bool) -> str:
    """The address of a service, with its scheme. Raises typer.BadParameter."""
    import httpx

    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host, _ = parts.hostname, parts.port
        httpx.URL(text if "://" in text else f"https://{text}")
    except (ValueError, httpx.InvalidURL) as error:
        raise typer.BadParameter(f"{text} is no address: {error}") from error
    scheme = parts.scheme or ("http" if host in THIS_MACHINE else "https")
    if scheme not in {"http", "https"} or not host or parts.query or parts.fragment or "@" in parts.netloc:
        raise typer.BadParameter(f"{text} is no address of a service, as https://files.example.com is one")
    if scheme == "http" and host not in THIS_MACHINE and not allows_http:
        raise typer.BadParameter(
            f"http://{parts.netloc} would send the password for everybody on the way to read: "
            "use https://, or --insecure-http where you know the way"
        )
    return f"{scheme}://{parts.netloc}{parts.path}".rstrip("/")


def _by_key(address: str, name: str | None) -> tuple[Credentials, str]:
    key = line_of_input() if not sys.stdin.isatty() else getpass.getpass("Key: ").strip()
    if not key.startswith(KEY_PREFIX) or not key.isascii() or not key.isprintable():
        raise SignInNeeded(401, f"That is no key: keys begin with {KEY_PREFIX}")
    with _talking_to(address, key=key) as client:
        try:
            account = client.account().name
        except SignInNeeded as error:
            raise SignInNeeded(error.status, f"{address} does not know this key") from error
    if name is not None and name != account:
        raise SignInNeeded(401, f"The key is of {account}, not of {name}")
    return Key(key), account


def _by_password(address: str, name: str, *, is_piped: bool) -> Credentials:
    if is_piped:
        password = line_of_input()
    elif sys.stdin.isatty():
        password = getpass.getpass(f"Password of {safe(name)}: ")
    else:
        raise typer.BadParameter("There is no terminal to ask for the password: use --password-stdin or --key-stdin")
    with _talking_to(address) as client:
        return client.sign_in(name, password)


@contextmanager
def _talking_to(address: str, key: str | None = None) -> "Iterator[TransferClient]":
    """A client for the first requests to an address, where anything may answer."""
    import httpx

    from transfer_service_client.client import TransferClient

    try:
        with TransferClient(address, key=key, patience_seconds=SHORT_PATIENCE_SECONDS) as client:
            yield client
    except SignInNeeded:
        raise
    except ApiError as error:
        if not error.detail or error.status in _REDIRECTS or error.status == httpx.codes.NOT_FOUND:
            raise TransferError(f"{address} is no Transfer Service: it answered {error}") from error
        raise


def ask(prompt: str) -> str:
    """A line that somebody types at a terminal."""
    if not sys.stdin.isatty():
        raise typer.BadParameter("There is no terminal to ask for the name: say --name")
    sys.stderr.write(prompt)
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer.strip():
        raise typer.Abort
    return answer.strip()


def line_of_input() -> str:
    """A line of standard input, without its end. Raises typer.BadParameter, whose words have nothing of it."""
    try:
        line = sys.stdin.readline().rstrip("\r\n")
        line.encode()  # elsewhere than in UTF-8 Python lets other bytes through
    except UnicodeError:
        raise typer.BadParameter("The line of standard input is not UTF-8") from None
    if not line:
        raise typer.BadParameter("Standard input has no line to read")
    return line
