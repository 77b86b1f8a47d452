"""Tab: names of the service in a line of a real bash, and what any shell is told of them."""

import json
import os
import pty
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from transfer_service_client.cli.completing import Line, quoted
from transfer_service_client.cli.completion_scripts import SCRIPTS, SECONDS
from transfer_service_client.connection.credentials import CredentialFile, Key, SignIn, Tokens

from tests.client.account_service import KEY, AccountService
from tests.client.commands import Command
from tests.live.server import wait_until

CLIENT = Path(__file__).parents[2] / "client"
NASTY = "n é'\"$(touch hacked)`touch hacked`;&|<x>!!*?[y]{z}~#:=@%^,\U0001f600"
PATIENT = SCRIPTS["bash"].replace(f" {SECONDS} ", " 30 ")  # this machine may have other things to do
HIDDEN = ("h\x1b]0;title\x07", "h\u202eodd", "h\nline", "h\ttab")
COMMAND = """#!/bin/sh
if [ "$1" = --complete ]; then exec "{python}" -P -m transfer_service_client "$@"; fi
"{python}" -c 'import json, sys; open("said.new", "w").write(json.dumps(sys.argv[1:]))' "$@" && mv said.new said
"""


def signed_in_at(url: str) -> None:
    CredentialFile().write(SignIn(url, Key(KEY)))


def ask(*words: str, seconds: float = 30) -> list[str]:
    """What a shell is told; it may not be told of faults."""
    command = [
        sys.executable,
        "-P",
        "-m",
        "transfer_service_client",
        "--complete",
        *words[:1],
        str(seconds),
        *words[1:],
    ]
    environment = {**os.environ, "PYTHONPATH": str(CLIENT), "LC_ALL": "C"}
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().splitlines()


class Bash:
    """A bash that people type into; `transfer` there writes down what it was called with."""

    def __init__(self, here: Path) -> None:
        self._said = here / "said"
        home = here / "home"
        home.mkdir()
        (home / "transfer").write_text(COMMAND.format(python=sys.executable))
        (home / "transfer").chmod(0o755)
        (home / "rc").write_text(f"PS1=ready; bind 'set bell-style none'\n{PATIENT}")
        self._terminal, end = pty.openpty()
        environment = {**os.environ, "PATH": f"{home}:{os.environ['PATH']}", "PYTHONPATH": str(CLIENT), "TERM": "dumb"}
        environment |= {"HISTFILE": "", "LC_ALL": "C.UTF-8"}
        command = ["bash", "--noprofile", "--rcfile", str(home / "rc"), "-i"]
        self._process = subprocess.Popen(
            command, cwd=here, env=environment, stdin=end, stdout=end, stderr=end, start_new_session=True
        )
        os.close(end)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while os.read(self._terminal, 65536):
                pass
        except OSError:  # it has ended
            pass

    def said(self, keys: str) -> list[str]:
        """What `transfer` is called with once these keys and Enter are pressed."""
        self._said.unlink(missing_ok=True)
        os.write(self._terminal, f"{keys}\r".encode())
        wait_until(self._said.exists)
        words: list[str] = json.loads(self._said.read_text())
        return words

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)


@pytest.fixture
def files(signed_out: Command) -> dict[str, bytes]:
    """Names at a service that somebody is signed in to."""
    signed_in_at(signed_out.service.url)
    return signed_out.service.files


@pytest.fixture
def bash(files: dict[str, bytes]) -> Iterator[Bash]:  # noqa: ARG001 # it starts in its folder
    shell = Bash(Path.cwd())
    try:
        yield shell
    finally:
        shell.close()


@pytest.mark.parametrize("mark", ["", '"', "'", "My'"], ids=["bare", "double", "single", "within"])
def test_bash_gets_a_name_as_it_is_whatever_it_holds(bash: Bash, files: dict[str, bytes], mark: str) -> None:
    files[f"My {NASTY}"] = b""
    begin = "My\\ n" if not mark else f"{mark} n" if mark == "My'" else f"{mark}My n"
    assert bash.said(f"transfer get {begin}\t") == ["get", f"My {NASTY}"]
    assert not Path("hacked").exists()


def test_bash_goes_down_one_folder_at_a_time(bash: Bash, files: dict[str, bytes]) -> None:
    files |= {"My Photos/2026 June/a b.jpg": b"", "notes": b"", "a:b=c": b"", "a:b=d": b"", "Photos": b""}
    Path("Photos elsewhere").mkdir()
    assert bash.said("transfer get My\t") == ["get", "My Photos/"]
    assert bash.said("transfer get My\t\t\t --json") == ["get", "My Photos/2026 June/a b.jpg", "--json"]
    assert bash.said('transfer get "My\t2\ta\t') == ["get", "My Photos/2026 June/a b.jpg"]
    assert bash.said("LANG=C transfer rm a:\tc not\t") == ["rm", "a:b=c", "notes"]
    assert bash.said("transfer put $PWD/Pho\t") == ["put", f"{Path.cwd()}/Photos elsewhere/"]
    assert bash.said("transfer put --to=My\t Pho\t") == ["put", "--to=My Photos/", "Photos elsewhere/"]


def test_a_name_that_looks_like_an_option_is_a_path(bash: Bash, files: dict[str, bytes]) -> None:
    files["-r"] = b""
    assert bash.said("transfer rm \t") == ["rm", "./-r"]
    assert bash.said("transfer rm -- -\t") == ["rm", "--", "-r"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("get", "Pho"), ["names", "Photos/", "Phone"]),
        (("get", "Photos/"), ["names", "Photos/a", "Photos/b/"]),
        (("get", "/Photos/b/"), ["names", "/Photos/b/c"]),
        (("get", '"Pho'), ["names", "Phone", "Photos/"]),
        (("get", "none"), ["names"]),
        (("get", "$(x)Pho"), ["names"]),
        (("put", "$HOME/Pho"), ["files"]),
        (("ls", "Pho"), ["names", "Photos/", "Phone"]),
        (("rm", "-r", "x", "Pho"), ["names", "Photos/", "Phone"]),
        (("mv", "Phone", "Pho"), ["names", "Photos/", "Phone"]),
        (("share", "Pho"), ["names", "Photos/", "Phone"]),
        (("sync", "Pho"), ["files"]),
        (("sync", "here", "Pho"), ["names", "Photos/"]),
        (("verify", "here", "Photos/"), ["names", "Photos/b/"]),
        (("put", "Pho"), ["files"]),
        (("put", "Phone", "--to", "Pho"), ["names", "Photos/"]),
        (("put", "Phone", "--to=Pho"), ["names", "--to=Photos/"]),
        (("send", "b"), ["names", "bob"]),
        (("send", "S"), ["names", "Summer trip"]),
        (("send", "bob", "f"), ["files"]),
        (("get", "--qui"), ["names", "--quiet"]),
        (("shar",), ["names", "share"]),
    ],
    ids=" ".join,
)
def test_each_argument_gets_what_fits(
    signed_out: Command, files: dict[str, bytes], words: tuple[str, ...], told: list[str]
) -> None:
    files |= {"Phone": b"", "Photos/a": b"", "Photos/b/c": b""}
    talks = [
        {"type": "dm", "participants": ["alice", "bob"]},
        {"type": "group", "participants": ["alice", "bob"], "group_name": "Summer trip"},
    ]
    signed_out.service.answers["GET", "/conversations"] = 200, {"conversations": talks, "next_cursor": None}
    assert sorted(ask("zsh", *words)) == sorted(told)


def test_what_would_steer_a_terminal_is_not_offered(files: dict[str, bytes]) -> None:
    files |= {**dict.fromkeys(HIDDEN, b""), "harmless é": b""}
    assert ask("fish", "get", "h") == ["names", "harmless é"]


def test_of_a_large_folder_those_that_begin_so_are_asked_for(signed_out: Command, files: dict[str, bytes]) -> None:
    files |= {"in/film": b"", "in/first": b"", "in/zoo": b""}
    first_page = {"folders": [], "files": [{"filename": "in/a"}], "next_cursor": "more"}
    answer = signed_out.service.answer

    def cut(method: str, target: str, body: bytes, shown: str) -> tuple[int, object]:
        is_page = target.startswith("/api/files?") and "prefix" not in target
        return (200, first_page) if is_page else answer(method, target, body, shown)

    signed_out.service.answer = cut  # type: ignore[method-assign]
    assert ask("fish", "get", "in/fi") == ["names", "in/film", "in/first"]


@pytest.mark.usefixtures("signed_out")
def test_nothing_is_said_where_nobody_is_signed_in() -> None:
    assert ask("bash", "transfer get Pho", "Pho") == ["names"]
    assert ask("bash") == []


@pytest.mark.usefixtures("signed_out")
@pytest.mark.parametrize("is_there", [True, False], ids=["silent", "away"])
def test_a_service_that_does_not_answer_keeps_nobody_waiting(is_there: bool) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if is_there:
            silent.listen()
        signed_in_at(f"http://127.0.0.1:{silent.getsockname()[1]}")
        began_at = time.monotonic()
        assert ask("bash", "transfer get Pho", "Pho", seconds=SECONDS) == ["names"]
        assert time.monotonic() - began_at < 10  # a request waits for 90 seconds; here other tests run meanwhile


def test_tab_does_not_end_a_sign_in_that_is_renewed_slowly(
    signed_out: Command, service: AccountService, files: dict[str, bytes]
) -> None:
    """A refresh token counts once: what came for it has to be kept, though nobody waits any more."""
    CredentialFile().write(SignIn(service.url, Tokens("old", "r-old", 0.0)))
    may_answer, answer = threading.Event(), signed_out.service.answer
    service.tokens.add("new")
    files["Phone"] = b""

    def slowly(method: str, target: str, body: bytes, shown: str) -> tuple[int, object]:
        if target != "/auth/refresh":
            return answer(method, target, body, shown)
        assert may_answer.wait(60)
        return 200, {"access_token": "new", "refresh_token": "r-new", "expires_in": 900, "token_type": "bearer"}

    service.answer = slowly  # type: ignore[method-assign]
    assert ask("zsh", "get", "Pho", seconds=0.1) == ["names"]
    may_answer.set()
    wait_until(lambda: isinstance(kept := CredentialFile().read().credentials, Tokens) and kept.access == "new")
    assert ask("zsh", "get", "Pho") == ["names", "Phone"]


@pytest.mark.parametrize("state", ["", '"', "'"])
def test_what_is_quoted_is_read_as_it_was(state: str) -> None:
    line = Line(f"transfer get {state}{quoted(NASTY, state)}")
    assert (line.words, line.current, line.quote) == (["transfer", "get"], NASTY, state)


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_evaluates_nothing_that_it_is_told(transfer: Command, shell: str) -> None:
    shown = transfer("--show-completion", shell)
    assert (shown.code, shown.out) == (0, SCRIPTS[shell])
    assert not {"eval", "iex", "Invoke-Expression", "source"} & set(shown.out.replace("(", " ").split())
    program = shutil.which({"powershell": "pwsh"}.get(shell, shell))
    if program is not None and shell != "powershell":
        subprocess.run([program, "-n"], input=shown.out, text=True, check=True)


@pytest.mark.parametrize(("shell", "rc"), [("bash", ".bashrc"), ("zsh", ".zshrc")])
def test_it_is_installed_once_for_the_shell_that_somebody_has(
    transfer: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: str, rc: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    monkeypatch.delenv("ZDOTDIR", raising=False)
    (tmp_path / rc).write_text("mine")
    assert [transfer("--install-completion").code for _ in range(2)] == [0, 0]
    place = tmp_path / f"config/transfer-service/completion.{shell}"
    assert (tmp_path / rc).read_text() == f"mine\n. {place}\n"
    assert place.read_text() == SCRIPTS[shell]


def test_a_shell_that_is_not_known_is_told(transfer: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    result = transfer("--install-completion")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "tcsh" in result.err
