"""The README in a clean clone: one command starts the service, and the tour works as it is printed."""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests

from tests.live.server import REPOSITORY, wait_until

pytestmark = pytest.mark.one_machine("it tells of the default, in a clone of its own")

START_SECONDS = 300.0  # a clean clone installs its packages first
URL = "http://127.0.0.1:8000"  # as the README prints it
PATIENCE_SECONDS = 120.0
END = "the end of an example"
COMMIT = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message=The clone"]


@dataclass
class Clone:
    """A clean copy in which scripts/serve runs."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        return (self.folder.parent / "serve.log").read_text()

    def start(self, command: str = "scripts/serve") -> None:
        """Run a command that serves, and wait until it is ready."""
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("TRANSFER_", "COV_", "COVERAGE"))
        }
        with (self.folder.parent / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", f"exec env {command}"],
                cwd=self.folder,
                env=clean,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not _is_ready():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.2)

    def interrupt(self) -> int:
        """Press Ctrl-C and give the status that it ends with."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(timeout=30)

    def status(self) -> str:
        """Every file that git sees or ignores here and that did not come with the clone.

        Without compiled modules: Python writes them beside whatever is run for the first time, where it may.
        """
        command = ["git", "status", "--ignored", "--porcelain"]
        seen = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=True).stdout
        return "\n".join(line for line in seen.splitlines() if not line.endswith("__pycache__/"))

    def processes(self) -> list[psutil.Process]:
        """Everything that still runs in the folder."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if Path(process.cwd()) == self.folder:
                    found.append(process)
        return found


@dataclass
class Terminal:
    """A shell in which one example is run after the other."""

    shell: subprocess.Popen[bytes]
    output: Path

    def run(self, script: str) -> str:
        """What a script prints."""
        assert self.shell.stdin is not None
        before = len(self.output.read_text())
        self.shell.stdin.write(f"{script}\necho {END}\n".encode())
        self.shell.stdin.flush()
        wait_until(lambda: END in self._printed(before) or self.shell.poll() is not None, seconds=PATIENCE_SECONDS)
        assert self.shell.poll() is None, self._printed(before)
        return self._printed(before).partition(END)[0]

    def _printed(self, before: int) -> str:
        return self.output.read_text()[before:]


@contextlib.contextmanager
def terminal(folder: Path, temporary: Path) -> Iterator[Terminal]:
    """A shell in `folder` that ends with the first command that fails; what its programs keep is in `temporary`."""
    output = temporary / "terminal.log"
    command = ["bash", "-euo", "pipefail"]
    keeps = {f"XDG_{name}_HOME": str(temporary / name.lower()) for name in ("CONFIG", "STATE")}
    environment = {**os.environ, "TMPDIR": str(temporary), **keeps}
    with output.open("wb") as log:
        shell = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
        )
    with shell:
        try:
            yield Terminal(shell, output)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """The tracked and new files of this tree in another folder, served."""
    folder = tmp_path_factory.mktemp("readme") / "clone"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, check=True)
    for name in filter(None, listing.stdout.decode().split("\0")):
        source, target = REPOSITORY / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode)
    for command in (["git", "init", "--quiet"], ["git", "add", "--all"], COMMIT):
        subprocess.run(command, cwd=folder, check=True)
    clone = Clone(folder)
    clone.start()
    yield clone
    if clone.process is not None and clone.process.poll() is None:
        os.killpg(clone.process.pid, signal.SIGKILL)
        clone.process.wait()


def _is_ready() -> bool:
    try:
        return requests.get(f"{URL}/readyz", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


@pytest.mark.alone
def test_the_first_start_prints_the_administrators_password_which_works(clone: Clone) -> None:
    (password,) = re.findall(r"Account admin created, password: (\S+)", clone.output)
    answer = requests.post(f"{URL}/token", json={"username": "admin", "password": password}, timeout=30)
    assert answer.status_code == 200


@pytest.mark.alone
def test_the_tour_works_as_it_is_printed_and_leaves_no_litter(clone: Clone, tmp_path: Path) -> None:
    tour = (REPOSITORY / "README.md").read_text().partition("## Tour")[2].partition("## Read on")[0]
    examples = re.findall(r"```sh\n(.*?)```", tour, flags=re.DOTALL)
    (restart,) = (number for number, example in enumerate(examples) if "scripts/serve" in example)
    left_before = clone.status()
    with terminal(clone.folder, tmp_path) as second:
        before = "".join(second.run(example) for example in examples[:restart])
        clone.interrupt()
        clone.start(examples[restart])
        after = "".join(second.run(example) for example in examples[restart + 1 :])
    assert before.count("identical") == 4
    assert "\n2 files sent (30.0 MB in " in before
    assert "Signed out" in before
    assert not (tmp_path / "config/transfer-service/credentials.json").exists()
    assert "\nbroken\n" in before
    assert ('"max_downloads":3' in before, '"kind":"upload"' in before, "Done testing" in before) == (True,) * 3
    assert '"name":"film.mp4"' in before
    assert '"missing":[{"end":199999,"start":100000}]' in before
    assert '"status":"completed","progress":100,' in after
    assert '"pagination":{"limit":50,"page":1,"total":1,' in after
    assert "<h1>The lake</h1>" in after
    assert (clone.status(), clone.status().count(".env")) == (left_before, 0)


@pytest.mark.alone
def test_control_c_stops_all_of_it(clone: Clone) -> None:
    assert clone.interrupt() in {0, -signal.SIGINT, 130}
    assert not _is_ready()
    wait_until(lambda: not clone.processes())
