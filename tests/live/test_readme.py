"""The README in a clean clone: one command starts the service, and the tour works as it is printed."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.live.server import REPOSITORY

START_SECONDS = 300.0  # a clean clone installs its packages first
URL = "http://127.0.0.1:8000"  # as the README prints it


@dataclass
class Clone:
    """A clean copy in which scripts/serve runs."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def output(self) -> str:
        return (self.folder.parent / "serve.log").read_text()


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
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("TRANSFER_", "COV_", "COVERAGE"))
    }
    with (folder.parent / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            ["scripts/serve"], cwd=folder, env=clean, stdout=log, stderr=log, start_new_session=True
        )
    clone = Clone(folder, process)
    deadline = time.monotonic() + START_SECONDS
    while not _is_ready():
        assert process.poll() is None, clone.output
        assert time.monotonic() < deadline, clone.output
        time.sleep(0.2)
    yield clone
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


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
    script = "\n".join(re.findall(r"```sh\n(.*?)```", tour, flags=re.DOTALL))
    result = subprocess.run(["bash", "-e", "-c", script], cwd=clone.folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("identical") == 2
    assert '"missing":[{"end":199999,"start":100000}]' in result.stdout


@pytest.mark.alone
def test_control_c_stops_all_of_it(clone: Clone) -> None:
    os.killpg(clone.process.pid, signal.SIGINT)
    assert clone.process.wait(timeout=30) in {0, -signal.SIGINT, 130}
    assert not _is_ready()
