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

START_SECONDS = 300.0  # a clean clone installs its packages first
URL = "http://127.0.0.1:8000"  # as the README prints it


@dataclass
class Clone:
    """A clean copy in which scripts/serve runs."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        return (self.folder.parent / "serve.log").read_text()

    def start(self) -> None:
        """Run scripts/serve and wait until it is ready."""
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("TRANSFER_", "COV_", "COVERAGE"))
        }
        with (self.folder.parent / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["scripts/serve"], cwd=self.folder, env=clean, stdout=log, stderr=log, start_new_session=True
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

    def run(self, script: str) -> str:
        """What a script prints in the folder."""
        command = ["bash", "-euo", "pipefail", "-c", script]
        result = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def processes(self) -> list[psutil.Process]:
        """Everything that still runs in the folder."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if Path(process.cwd()) == self.folder:
                    found.append(process)
        return found


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """The tracked and new files of this tree in another folder, served."""
    folder = tmp_path_factory.mktemp("readme") / "clone"
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True)
    for name in filter(None, listing.stdout.decode().split("\0")):
        source, target = REPOSITORY / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode)
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
def test_the_tour_works_as_it_is_printed(clone: Clone) -> None:
    tour = (REPOSITORY / "README.md").read_text().partition("## Tour")[2].partition("## Read on")[0]
    examples = re.findall(r"```sh\n(.*?)```", tour, flags=re.DOTALL)
    (restart,) = (number for number, example in enumerate(examples) if "scripts/serve" in example)
    before = clone.run("\n".join([*examples[:restart], 'echo "TOKEN=$TOKEN"']))
    clone.interrupt()
    clone.run(examples[restart].replace("scripts/serve\n", ""))
    clone.start()
    after = clone.run("\n".join([before.splitlines()[-1], *examples[restart + 1 :]]))
    assert before.count("identical") == 3
    assert "\nbroken\n" in before
    assert '"missing":[{"end":199999,"start":100000}]' in before
    assert '"status":"completed","progress":100,' in after
    assert "<h1>The lake</h1>" in after


@pytest.mark.alone
def test_control_c_stops_all_of_it(clone: Clone) -> None:
    assert clone.interrupt() in {0, -signal.SIGINT, 130}
    assert not _is_ready()
    wait_until(lambda: not clone.processes())
