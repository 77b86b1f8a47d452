"""`transfer --complete SHELL SECONDS …`: what the scripts of `completion_scripts` ask when somebody presses Tab.

Names come from other people, too: none of them is ever given to a shell to evaluate, and each is quoted where it is
put into a line. The first line of the answer says whether names of local files would do as
well (`files`, else `names`).
"""

import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

import typer
from typer.main import get_command

from transfer_service_client.cli.remote_names import Asking
from transfer_service_client.cli.terminal import safe

# The module of click, or of the copy of it in typer.
_click: Any = import_module(f"{typer.Context.__mro__[1].__module__.rpartition('.')[0]}.shell_completion")
_UNUSED = ("source_vars", "get_completion_args", "format_completion")  # how click would talk with shells
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=.*", re.DOTALL)
_BARE = re.compile(r"[\w%+,./:=@^-]")
_IN_DOUBLE = '\\"$`'


class Line:
    """A line of a shell up to where somebody types, as POSIX shells and fish take it, as far as that can be told.

    `words` are whole, `current` is the last one as far as it is, and `quote` what is open at its end: a quote, a
    backslash, or both. Not `is_known`: there are variables or commands, in whose place a shell puts something else.
    """

    def __init__(self, text: str) -> None:
        self.words: list[str] = []
        self.current = self.quote = ""
        self.is_known, self.is_redirected = True, False
        self._is_begun = False
        for character in text:
            if self.quote:
                self._take_quoted(character)
            else:
                self._take(character)

    def _take(self, character: str) -> None:
        if character in " \t\n":
            if self._is_begun:
                self.words.append(self.current)
                self.current, self._is_begun, self.is_redirected = "", False, False
        elif character in "<>|;&()":
            self.current, self.is_redirected = "", character in "<>"
        else:
            self._is_begun = True
            if character in "\\'\"":
                self.quote = character
            else:
                self.current += character
                self.is_known &= character not in "$`"

    def _take_quoted(self, character: str) -> None:
        if self.quote.endswith("\\"):
            is_kept = self.quote == '"\\' and character not in _IN_DOUBLE
            self.current += f"\\{character}" if is_kept else character
            self.quote = self.quote[:-1]
        elif character == self.quote:
            self.quote = ""
        elif character == "\\" and self.quote == '"':
            self.quote = '"\\'
        else:
            self.current += character
            self.is_known &= self.quote == "'" or character not in "$`"


def complete(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Print what fits: for bash a line as far as it is typed and the part that bash replaces, for others the words."""
    with suppress(Exception):
        shell, seconds, *rest = arguments
        Asking.seconds = float(seconds)
        if shell == "bash":
            line, replaced = rest
            told = _for_bash(app, line, replaced)
        else:
            told = _for_words(app, rest)
        sys.stdout.buffer.write("".join(f"{each}\n" for each in told).encode("utf-8", "surrogateescape"))
        sys.stdout.flush()
    return 0


def quoted(text: str, quote: str) -> str:
    """A text as it goes on in a line of bash where `quote` is open."""
    if quote == "'":
        return text.replace("'", "'\\''")
    if quote.startswith('"'):  # an exclamation mark would call the history, and is not escaped in quotes
        return "".join('"\\!"' if each == "!" else f"\\{each}" if each in _IN_DOUBLE else each for each in text)
    return "".join(each if _BARE.fullmatch(each) else f"\\{each}" for each in text)


def _for_bash(app: typer.Typer, text: str, replaced: str) -> list[str]:
    line = Line(text)
    words = line.words
    while words and _ASSIGNMENT.fullmatch(words[0]):
        words = words[1:]
    if line.is_redirected:
        return ["files"]
    if not line.is_known or not text.endswith(replaced):
        return [_kind(app, words[1:])]
    kind, found = _found(app, words[1:], line.current)
    kept = replaced.removesuffix("\\") if line.quote.endswith("\\") else replaced
    return [kind, *(kept + quoted(each[len(line.current) :], line.quote) for each in found)]


def _for_words(app: typer.Typer, words: Sequence[str]) -> list[str]:
    *before, last = words
    line = Line(last)
    if not line.is_known:
        return [_kind(app, before)]
    kind, found = _found(app, before, line.current)
    return [kind, *found]


def _kind(app: typer.Typer, words: list[str]) -> str:
    """What would stand behind these words, where only the shell knows how it begins."""
    Asking.seconds = 0
    return _found(app, words, "")[0]


def _found(app: typer.Typer, words: list[str], current: str) -> tuple[str, list[str]]:
    """What may stand in place of a word that begins like `current`."""
    asked: Any = type("Asked", (_click.ShellComplete,), dict.fromkeys(_UNUSED))
    items = asked(get_command(app), {}, "transfer", "").get_completions(list(words), current)
    value = current.partition("=")[2] if current.startswith("--") and "=" in current else current
    before = current[: len(current) - len(value)]
    names = [each.value for each in items if each.type == "plain"]
    found = [before + each for each in names if each.startswith(value) and each == safe(each)]
    kind = "names" if names or Asking.is_done else "files"
    return kind, found
