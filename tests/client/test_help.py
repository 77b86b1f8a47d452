"""The help of every command: for people, on any terminal, with examples that the command takes."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from transfer_service_client.cli.main import app
from typer.main import get_command

from tests.client.commands import Command

CLIENT = Path(__file__).parents[2] / "client"
GROUP: Any = get_command(app)
COMMANDS = ["", *GROUP.commands]
START = [sys.executable, "-P", "-m", "transfer_service_client"]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(CLIENT), **more}


def examples(text: str) -> list[str]:
    _, _, rest = text.partition("Examples:\n")
    return [line.strip() for line in rest.split("\n\n")[0].splitlines()]


@pytest.mark.parametrize("name", COMMANDS)
def test_it_fits_a_terminal_and_has_no_words_of_programmers(
    signed_out: Command, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = signed_out(*filter(None, [name]), "--help").out
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert text.isascii()
    assert re.findall(r"<\w+>|list\[|\{|x>=|JSON object a(?! line)", text) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_narrow_terminal_breaks_all_but_examples(
    signed_out: Command, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    text = signed_out(*filter(None, [name]), "--help").out
    long = {line.strip() for line in text.splitlines() if len(line) > 50}
    assert long <= set(examples(text))


@pytest.mark.parametrize("name", COMMANDS)
def test_its_examples_are_commands(signed_out: Command, name: str) -> None:
    shown = [line for line in examples(signed_out(*filter(None, [name]), "--help").out) if line]
    assert shown or name == "logout"
    for line in shown:
        words = shlex.split(re.split(r" [|<] | {2,}", line)[0])
        assert words[0] == "transfer"
        GROUP.commands[words[1]].make_context(words[1], words[2:])  # raises where it does not take them


def test_every_first_line_is_one_line_of_the_list(signed_out: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = signed_out("--help").out.partition("Commands:\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in shown.splitlines()] == list(GROUP.commands)


@pytest.mark.parametrize("locale", [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
                                    {"PYTHONIOENCODING": "latin-1"}], ids=["ascii", "latin-1"])  # fmt: skip
def test_a_locale_without_unicode_ends_no_command(transfer: Command, locale: dict[str, str]) -> None:
    transfer.service.files["caf\u00e9 \u65e5\u672c"] = b""
    done = subprocess.run([*START, "ls"], env=environment(**locale), capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b" \\u65e5\\u672c\n")


def test_nobody_reads_the_help_to_its_end() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*START, "--help"], env=environment(), stdout=writer, stderr=subprocess.PIPE, check=False, timeout=60
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
