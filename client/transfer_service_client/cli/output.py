"""What a command prints: results and errors, for people or (`--json`) one object a line for programs."""

import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TextIO

from transfer_service_client.cli.listeners import JsonLines, Lines, Listener
from transfer_service_client.cli.terminal import plain_text, safe


@dataclass
class Options:
    """What every command may be told, before its name or behind it."""

    json: bool = False
    quiet: bool = False
    debug: bool = False


class Output:
    """Results on standard output, errors in words on standard error.

    Whoever reads may go away: then nothing more is printed there. A result raises BrokenPipeError, because it is what
    the command is for; a remark does not, since a transfer is worth its end.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._listener: Listener | None = None

    def result(self, text: str, **fields: Any) -> None:
        """Print what was asked for: a text for people, its fields for programs. Raises BrokenPipeError."""
        self._write(sys.stdout, _json_line(fields) if self._options.json else safe(text))

    def remark(self, text: str, **fields: Any) -> None:
        """Print what is good to know; nothing with `--quiet`."""
        if not self._options.quiet:
            with suppress(BrokenPipeError):
                self.result(text, **fields)

    def problem(self, text: str) -> None:
        """Print an error, in one line."""
        with suppress(OSError):  # a terminal that is gone too
            self._write(sys.stderr, safe(text))

    def listener(self, verb: str) -> Listener:
        """What a transfer tells of itself: bars on a terminal, else lines. `verb` is what is done: `sent`."""
        if self._options.quiet:
            self._listener = Listener(self, verb)
        elif self._options.json:
            self._listener = JsonLines(self, verb)
        elif _is_terminal(sys.stdout) and _is_terminal(sys.stderr):
            from transfer_service_client.cli.bars import Bars  # rich takes a while to load

            self._listener = Bars(self, verb)
        else:
            self._listener = Lines(self, verb)
        return self._listener

    def close(self) -> None:
        """Take bars away."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _write(self, stream: TextIO, line: str) -> None:
        if self._listener is not None:
            self._listener.print_line(stream, line)
        else:
            print_line(stream, line)


def print_line(stream: TextIO, line: str) -> None:
    """Print a line at once, in one piece, though several threads print."""
    stream.write(f"{line}\n")
    stream.flush()


def _json_line(fields: dict[str, Any]) -> str:
    """ASCII, so that no encoding and no terminal makes anything of it."""
    texts = {name: plain_text(value) if isinstance(value, str) else value for name, value in fields.items()}
    return json.dumps(texts)


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"
