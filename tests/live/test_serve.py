"""`scripts/serve`: the service together with its download worker, and nothing of both when it ends."""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests

from tests.conftest import PASSWORD
from tests.live.bad_source import HONEST, BadSource
from tests.live.remote import GameEntry, Site, catalogue, game_bytes, sources_setting
from tests.live.server import REPOSITORY, LiveServer, wait_until
from tests.ports import free_port

pytestmark = pytest.mark.one_machine("scripts/serve starts one instance")

WORKER_NAME = "transfer-worker"
DATA = game_bytes(100_000)
START_SECONDS = 120.0  # it may have to install its packages first
STOP_SECONDS = 60.0


@dataclass
class Serve:
    """A running scripts/serve, in a session of its own."""

    data_dir: Path
    port: int
    environment: dict[str, str]
    process: subprocess.Popen[bytes]

    @property
    def output(self) -> str:
        return (self.data_dir.parent / "serve.log").read_text()

    def processes(self) -> list[psutil.Process]:
        """All that it has started and that lives."""
        return [each for each in psutil.process_iter() if self._is_ours(each)]

    def _is_ours(self, process: psutil.Process) -> bool:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            return os.getsid(process.pid) == self.process.pid and process.status() != psutil.STATUS_ZOMBIE
        return False

    def workers(self) -> list[int]:
        """The download workers: they have a name of their own a moment after their start."""
        found = []
        for process in self.processes():
            with suppress(psutil.NoSuchProcess, FileNotFoundError):
                if Path(f"/proc/{process.pid}/comm").read_text() == f"{WORKER_NAME}\n":
                    found.append(process.pid)
        return found

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.output
        with suppress(requests.ConnectionError):
            return requests.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5).status_code == 200
        return False

    def is_gone(self) -> bool:
        return self.process.poll() is not None and not self.processes()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Serve]]:
    """Starts it on a folder of its own; returns when service and worker are there."""
    made: list[Serve] = []

    def start(**settings: str) -> Serve:
        port, data_dir = free_port(), tmp_path / "data"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TRANSFER_")}
        own = {"TRANSFER_DATA_DIR": str(data_dir), "TRANSFER_BIND": f"127.0.0.1:{port}", **settings}
        with (tmp_path / "serve.log").open("wb") as log:
            process = subprocess.Popen(
                ["scripts/serve"], cwd=REPOSITORY, env={**clean, **own}, stdout=log, stderr=log, start_new_session=True
            )
        made.append(Serve(data_dir, port, settings, process))
        _wait_for(made[-1], made[-1].is_ready)
        _wait_for(made[-1], lambda: bool(made[-1].workers()))
        return made[-1]

    yield start
    for each in made:
        for process in each.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        each.process.wait()


def _wait_for(serve: Serve, condition: Callable[[], bool]) -> None:
    """Return when it is so; where it never is, what runs and what was printed tell why."""
    try:
        wait_until(condition, seconds=START_SECONDS)
    except AssertionError:
        running = [" ".join(each.cmdline()) for each in serve.processes()]
        raise AssertionError(f"{running}\n{serve.output}") from None


def interrupt(serve: Serve) -> None:
    """Ctrl-C reaches every process of the terminal."""
    os.killpg(serve.process.pid, signal.SIGINT)


def kill(serve: Serve) -> None:
    serve.process.kill()


@pytest.mark.parametrize("end", [interrupt, kill])
def test_nothing_is_left_of_it(serve: Callable[..., Serve], end: Callable[[Serve], None]) -> None:
    served = serve()
    end(served)
    wait_until(served.is_gone, seconds=STOP_SECONDS)
    assert not list(served.data_dir.glob("games/*.part"))
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{served.port}/healthz", timeout=5)


@pytest.mark.alone
def test_all_of_it_at_rest_takes_less_than_150_mebibytes(serve: Callable[..., Serve]) -> None:
    served = serve()
    wait_until(lambda: "worker_started" in served.output, seconds=START_SECONDS)
    assert sum(each.memory_full_info().pss for each in served.processes()) < 150 * 1024**2


def test_a_worker_that_dies_is_replaced_and_the_next_one_ends_with_the_service(serve: Callable[..., Serve]) -> None:
    game = GameEntry("7d0e8c57-6a7c-4f0e-9a1e-0d8f3c1b2a90", 1, DATA)
    with BadSource() as source:
        source.serve(game.path(), DATA, HONEST)
        setting = sources_setting(first=f"{source.url}/first/")
        served = serve(TRANSFER_GAME_DATA_SOURCES=setting, TRANSFER_ALLOW_PRIVATE_SOURCES="true")
        server = LiveServer(served.data_dir, served.environment, port=served.port)
        server.command("games", "import", "-", stdin=catalogue([game]))
        permissions = ["--permission", "games.download", "--permission", "activities.read"]
        server.command("accounts", "create", "carol", "--password-stdin", *permissions, stdin=f"{PASSWORD}\n")
        (first,) = served.workers()
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: bool(set(served.workers()) - {first}))
        site = Site(server, source, server.sign_in("carol"))
        site.start(game)
        site.wait_for(game, "completed")
        assert site.archive(game) == DATA
        assert len(served.workers()) == 1
        served.process.terminate()
        wait_until(served.is_gone, seconds=STOP_SECONDS)
    assert re.findall(r"Account admin created, password: \S+", served.output)
