"""The command `transfer`."""

import os
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, NoReturn

import typer
from typer.main import get_command

from transfer_service_client.cli import accounts, comparing, files, importing, messages, sharing, transferring
from transfer_service_client.cli.command import (
    SETTINGS,
    AsJson,
    Debug,
    Interrupted,
    Quiet,
    ReaderGone,
    help_of,
    note,
)
from transfer_service_client.cli.context import FAILED, SIGN_IN, USAGE
from transfer_service_client.cli.listeners import reason_of
from transfer_service_client.cli.output import Options, Output
from transfer_service_client.cli.terminal import never_fail_to_print, safe
from transfer_service_client.errors import SignInNeeded, TransferError
from transfer_service_client.version import VERSION

Refused: Any = typer.BadParameter.__mro__[2]  # ClickException, of click or of the copy of it in typer
INTERRUPTED, READER_GONE = 130, 141  # as for any command that is ended by Ctrl-C, or writes to `head`
_ENDED = frozenset({"Could not validate credentials", "Not authenticated", "Not signed in"})
_OPEN_FILES = 1024
_EMPTY_OPTION = re.compile(r"--[a-z-]+=")
_HELP = """Send, fetch and share files and folders by a Transfer Service.

Whatever stops it, the same command goes on from there; what has arrived is the same, byte for byte.
"""
_EXAMPLES = """\
  transfer login https://files.example.com    sign in, once
  transfer put film.mp4 Photos                send a file and a folder
  transfer ls Photos                          what is there
  transfer get Photos -o /tmp                 fetch it
"""
_EXIT_CODES = "Exit codes: 0 all went well, 1 some failed, 2 wrong usage, 3 nobody is signed in."

app = typer.Typer(
    name="transfer",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,  # its scripts put names into a line, or have them evaluated, as they are
    context_settings=SETTINGS,
    epilog=_EXIT_CODES,
)


@app.callback(invoke_without_command=True, help=help_of(_HELP, _EXAMPLES))
def _root(
    ctx: typer.Context,
    *,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    install_completion: Annotated[
        bool, typer.Option("--install-completion", help="Have Tab complete names, for the shell in $SHELL.")
    ] = False,
    show_completion: Annotated[
        str | None,
        typer.Option("--show-completion", metavar="SHELL", help="Print what does: bash, zsh, fish, powershell."),
    ] = None,
) -> None:
    note(ctx, as_json=as_json, quiet=quiet, debug=debug)
    if version:
        sys.stdout.write(f"transfer {VERSION}\n")
        raise typer.Exit
    if install_completion or show_completion is not None:
        _completion(show_completion)
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        sys.stdout.write(f"{ctx.get_help()}\n")


def _completion(shell: str | None) -> None:
    from transfer_service_client.cli import completion_scripts

    if shell is not None:
        sys.stdout.write(completion_scripts.script_for(shell))
    else:
        found, place = completion_scripts.install()
        sys.stdout.write(f"{found} completes names from its next start on, by {safe(str(place))}\n")


for module in (accounts, transferring, files, comparing, sharing, messages, importing):
    module.register(app)


def main() -> NoReturn:
    """Run the command, and end the process."""
    asked = _hear_of_ends()
    _allow_more_files()
    code = run(sys.argv[1:])
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is done and told: an end needs no words any more
    try:
        sys.stdout.flush()
    except OSError:
        code = READER_GONE
    if code == INTERRUPTED:
        _end_by(asked[-1])
    if code == READER_GONE:
        with suppress(OSError):  # or Python tries to write the rest once more at its end, and complains
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """The exit code for these arguments."""
    if arguments[:1] == ["--complete"]:
        from transfer_service_client.cli.completing import complete

        return complete(app, arguments[1:])
    never_fail_to_print()
    options = Options()
    try:
        _refuse_empty(arguments)
        code = get_command(app).main(list(arguments), prog_name="transfer", standalone_mode=False, obj=options)
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            return READER_GONE
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        return _tell(Interrupted("Stopped."))
    except Exception as error:  # noqa: BLE001 # whatever it is, it is told in words
        if options.debug:
            _print_origin(error)
        return _tell(error)
    return code if isinstance(code, int) else 0


def _print_origin(error: Exception) -> None:
    """Where an error came from. Its words may be those of a service, which steer no terminal."""
    for lines in traceback.format_exception(error):
        for line in lines.rstrip("\n").split("\n"):
            sys.stderr.write(f"{safe(line)}\n")


def _refuse_empty(arguments: Sequence[str]) -> None:
    """A variable that is not set must not stand for the folder of here, or for the top at the service.

    Raises typer.BadParameter.
    """
    if any(not text or _EMPTY_OPTION.fullmatch(text) for text in arguments):
        raise typer.BadParameter("An argument is empty: is a variable not set? `.` is the folder of here, `/` the top")


def _tell(error: Exception) -> int:
    """Print an error in one line; the exit code for it."""
    if isinstance(error, ReaderGone):
        return READER_GONE
    code, text = _code_and_words(error)
    Output(Options()).problem(f"transfer: {text}")
    return code


def _code_and_words(error: Exception) -> tuple[int, str]:
    if isinstance(error, Interrupted):
        return INTERRUPTED, str(error)
    if isinstance(error, typer.Abort):  # made of Ctrl-C while the arguments were read, too
        return INTERRUPTED if isinstance(error.__cause__, KeyboardInterrupt) else FAILED, "Stopped."
    if isinstance(error, Refused):
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "transfer"
        return USAGE, f"{error.format_message().rstrip('.')}. `{path} --help` shows how."
    if isinstance(error, SignInNeeded):
        return SIGN_IN, "The sign-in has ended: run `transfer login URL`" if str(error) in _ENDED else str(error)
    if isinstance(error, (TransferError, OSError)):
        return FAILED, reason_of(error)
    kind = f"{type(error).__name__}: {error}"
    return FAILED, f"This is a fault of the command ({kind}). Please report it with what `--debug` shows."


def _allow_more_files() -> None:
    """Ask the system for what many transfers at once have open: macOS allows 256 files where nobody asks."""
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _hear_of_ends() -> list[int]:
    """Treat other requests to end as Ctrl-C; the numbers of the signals that came, the last one at the end."""
    came = [int(signal.SIGINT)]

    def note_and_end(number: int, _frame: object) -> NoReturn:
        came.append(number)
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # not behind nohup
            signal.signal(number, note_and_end)
    return came


def _end_by(number: int) -> NoReturn:
    """End by the signal itself, so that a shell's loop ends too, and without a wait for threads."""
    with suppress(OSError):
        sys.stderr.flush()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(INTERRUPTED)
