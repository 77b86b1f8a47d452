"""Bars, on a terminal of a given size."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import pytest
from transfer_service_client.cli.bars import Bars
from transfer_service_client.cli.listeners import READ
from transfer_service_client.cli.output import Options, Output

from tests.client.commands import Command

MIB = 1024 * 1024
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
CLIENT = Path(__file__).parents[2] / "client"


class Terminal:
    """A pty, and all that was written to it."""

    def __init__(self, columns: int, lines: int) -> None:
        self._master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._blocks: list[bytes] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while block := os.read(self._master, 65536):
                self._blocks.append(block)
        except OSError:  # as Linux tells that nobody has the other end any more
            pass

    def wait_for(self, pattern: str) -> str:
        """All that was written until that is there."""
        ends_at = time.monotonic() + 60
        while time.monotonic() < ends_at:
            written = b"".join(self._blocks).decode(errors="replace")
            if re.search(pattern, written):
                return written
            time.sleep(0.05)
        raise AssertionError(written)

    def text(self) -> str:
        """All that was written, once every other end is closed."""
        os.close(self.slave)
        self._reader.join(30)
        assert not self._reader.is_alive()
        os.close(self._master)
        return b"".join(self._blocks).decode()


@pytest.fixture
def columns() -> int:
    return 100


@pytest.fixture
def terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", "12")
    monkeypatch.setenv("TERM", "xterm-256color")
    return Terminal(columns, 12)


@contextmanager
def _drawing(terminal: Terminal) -> Iterator[Bars]:
    with os.fdopen(os.dup(terminal.slave), "w", encoding="utf-8") as stream, redirect_stderr(stream):
        listener = Bars(Output(Options()), "sent")
        try:
            yield listener
        finally:
            listener.close()


def _draw(terminal: Terminal, name: str) -> str:
    with _drawing(terminal) as listener:
        listener.begin(name, 10 * MIB)
        listener.begin("small", 10)
        listener.begin("same", 5 * MIB)
        listener.restart(name, 2 * MIB)
        listener.advance(name, 3 * MIB)
        listener.done("same", was_moved=False)
        listener.print_line(sys.stderr, "small: No such file or directory")
        listener._progress.refresh()
        listener.done(name, was_moved=True)
    return terminal.text()


def test_each_large_file_has_a_bar_and_all_have_one(terminal: Terminal) -> None:
    text = _draw(terminal, "film.mp4")
    assert "film.mp4" in text
    assert "5.2 MB of 10.5 MB" in text
    assert "50 %" in text
    assert "left" in text
    assert "0 files sent, 1 there already" in text
    assert "small: No such file or directory\r\n" in text
    assert text.rindex(SHOW) > text.rindex(HIDE)


@pytest.mark.parametrize("columns", [200])
def test_the_whole_is_what_is_expected_not_what_has_begun(terminal: Terminal) -> None:
    with _drawing(terminal) as listener:
        listener.expect(3, 15 * MIB)
        listener.expect(2, 5 * MIB)
        listener.begin("film.mp4", 10 * MIB)
        listener.advance("film.mp4", 5 * MIB)
        listener.begin("same", 4 * MIB)
        listener.done("same", was_moved=False)
        listener.begin("broken", MIB)
        listener.failed("broken", OSError("broken"))
        listener.done("film.mp4", was_moved=True)
        listener._progress.refresh()
    text = terminal.text()
    assert "1 of 4 files sent, 1 there already" in text
    assert " 67 %  " in text  # 10 of 20 - 4 - 1
    assert "10.5 MB of 15.7 MB" in text


def test_more_may_come_than_was_expected(terminal: Terminal) -> None:
    with _drawing(terminal) as listener:
        listener.expect(1, MIB)
        for name in ("a", "b"):
            listener.begin(name, MIB)
        listener.done("a", was_moved=True)
        listener._progress.refresh()
    text = terminal.text()
    assert "1 of 2 files sent" in text
    assert " 50 %  " in text


def test_what_is_only_compared_is_counted_as_read(terminal: Terminal) -> None:
    with _drawing(terminal) as listener:
        listener.verb = READ
        listener.expect(2, 2 * MIB)
        listener.begin("a", MIB)
        listener.advance("a", MIB)
        listener.done("a", was_moved=False)
        listener._progress.refresh()
    text = terminal.text()
    assert "1 of 2 files read" in text
    assert " 50 %  " in text


@pytest.mark.parametrize(
    ("columns", "told"),
    [(100, r"50 %   5\.2 MB of 10\.5 MB    waiting  [3-9] s"), (50, r"50 %    waiting")],
    ids=["wide", "narrow"],
)
def test_a_line_that_is_silent_is_told_until_bytes_come_again(terminal: Terminal, told: str) -> None:
    with _drawing(terminal) as listener:
        listener.begin("film.mp4", 10 * MIB)
        listener.advance("film.mp4", 5 * MIB)
        before = terminal.wait_for(told)
        listener.advance("film.mp4", MIB)
        assert "waiting" not in before[: before.index("50 %")]
        assert terminal.wait_for(r"60 %[^\r\n]*B/s")


def test_one_file_has_one_bar(terminal: Terminal) -> None:
    with _drawing(terminal) as listener:
        listener.expect(1, 2 * MIB)
        listener.begin("film.mp4", 2 * MIB)
        listener.advance("film.mp4", MIB)
        listener._progress.refresh()
    drawn = [line for line in re.split(r"[\r\n]+", terminal.text()) if " 50 %" in line]
    assert drawn
    assert all("film.mp4" in line for line in drawn)


@pytest.mark.parametrize("columns", [80, 40, 20])
def test_no_line_is_longer_than_the_terminal(terminal: Terminal, columns: int) -> None:
    text = _draw(terminal, "a/very/long/name/of/a/film/that/has/no/room/here.mp4")
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    drawn = [line for line in re.split(r"[\r\n]+", plain) if "%" in line]
    assert drawn
    assert max(len(line) for line in drawn) <= columns


@pytest.mark.parametrize("columns", [200])
def test_what_a_name_holds_is_shown(terminal: Terminal) -> None:
    text = _draw(terminal, "[red]x\x1b]0;title\x07\u202e")
    assert "[red]x\\x1b]0;title\\x07\\u202e" in text
    assert "\x1b]" not in text


def test_no_colour_where_nobody_wants_it(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", _draw(terminal, "film.mp4"))


def test_a_file_of_a_thousand_at_once_takes_no_more_lines_than_there_are(terminal: Terminal) -> None:
    with _drawing(terminal) as listener:
        for number in range(1000):
            listener.begin(f"film-{number}", 2 * MIB)
        assert len(listener._progress.tasks) <= 12
    assert "film-0" in terminal.text()


@pytest.mark.parametrize("is_dumb", [False, True])
def test_the_command_draws_on_a_terminal_and_leaves_it_as_it_was(transfer: Command, is_dumb: bool) -> None:
    transfer.service.files = {"film.bin": os.urandom(2 * MIB), "b": b"b"}
    terminal = Terminal(80, 24)
    environment = {
        **{name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS", "LINES"}},
        "TERM": "dumb" if is_dumb else "xterm",
        "PYTHONPATH": str(CLIENT),
    }
    command = [sys.executable, "-m", "transfer_service_client", "get", "film.bin", "b", "none"]
    end = terminal.slave
    with subprocess.Popen(command, env=environment, stdin=end, stdout=end, stderr=end) as process:
        assert process.wait(120) == 1
    text = terminal.text()
    assert ("2 files fetched" in text, "1 failed" in text) == (True, True)
    assert "none: There is no file and no folder 'none'" in text
    assert (SHOW in text) != is_dumb
    assert is_dumb or text.rindex(SHOW) > text.rindex(HIDE)
    assert ("\x1b" in text) != is_dumb
