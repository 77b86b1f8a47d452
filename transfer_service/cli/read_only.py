"""In read-only mode commands refuse too: all but those that are known to change nothing, or that a move needs."""

from collections.abc import Callable, Iterator
from copy import copy
from functools import partial

import click
from flask import Flask

from transfer_service.errors import ReadOnly

READING = frozenset(
    {
        "accounts list",
        "backup",
        "games list",
        "instance",
        "serve",
        "verify",
        "webhooks failed",
        "webhooks list",
        "worker",
    }
)
"""What changes nothing. The worker rests, the service refuses by itself, and `Database.write_rows` to redeliver."""
MOVING = frozenset({"database move", "database upgrade", "storage move"})
"""What carries an installation over. `database upgrade` refuses by itself where there is something to do."""
DRY_RUNS = frozenset({"cleanup"})
"""What changes nothing with `--dry-run`."""


def commands_of(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command below a group, by its words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands_of(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def refuse_changing_commands(app: Flask) -> None:
    """The one place where commands are refused for it. A new command is refused until it is named here."""
    for name, command in list(app.cli.commands.items()):
        app.cli.commands[name] = _refusing(command, name)


def _refusing(command: click.Command, words: str) -> click.Command:
    """A copy of a command that refuses, if it is to: the commands themselves belong to every app of the process."""
    copied = copy(command)
    if isinstance(copied, click.Group):
        copied.commands = {name: _refusing(each, f"{words} {name}") for name, each in copied.commands.items()}
    elif words not in READING | MOVING:
        copied.callback = partial(_refuse, command.callback if words in DRY_RUNS else None)
    return copied


def _refuse(run: Callable[..., object] | None, /, **arguments: object) -> object:
    """Refuse, but for a dry run of a command that has such."""
    if run is not None and arguments.get("dry_run"):
        return run(**arguments)
    raise click.ClickException(ReadOnly.detail)
