"""The download worker as a process: started like an operator does, or forked by the dozen to be killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.growing.installations import settings_of
from tests.live.server import REPOSITORY

STOP_SECONDS = 60.0


def environment_of(data_dir: Path, **settings: str) -> dict[str, str]:
    """What a process of this installation gets; `settings` are environment variables."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRANSFER_")}
    return {**clean, "TRANSFER_DATA_DIR": str(data_dir), **settings_of(data_dir), **settings}


@contextmanager
def working(data_dir: Path, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker on a prepared data folder, started by the command."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "worker"]
    with (data_dir.parent / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment_of(data_dir, **settings), stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        finally:
            process.kill()


ZYGOTE = """
from gevent import monkey
monkey.patch_all()
import os, sys
from datetime import timedelta
from transfer_service.config import load_settings
from transfer_service.logs import configure_logging
from transfer_service.worker import build_worker
configure_logging()
settings = load_settings()
for line in iter(sys.stdin.readline, ""):
    if line == "fork\\n":
        pid = os.fork()
        if pid == 0:
            os.dup2(2, 1)
            pace = {"lease": timedelta(seconds=0.4), "beat_seconds": 0.05, "look_seconds": 0.1}
            pace["webhook_lease"] = timedelta(seconds=5)
            build_worker(settings, **pace).run()
            os._exit(0)
        print(pid, flush=True)
    else:
        print(os.waitpid(int(line), 0)[1], flush=True)
"""


@dataclass
class Zygote:
    """A process that has imported the worker, and forks one at once wherever one is wanted. Its leases are short."""

    process: subprocess.Popen[str]

    def fork(self) -> int:
        """Start a worker and give the id of its process."""
        return int(self._ask("fork"))

    def kill(self, pid: int) -> None:
        """`kill -9`, and return when it is gone."""
        os.kill(pid, signal.SIGKILL)
        self._ask(str(pid))

    def stop(self, pid: int) -> int:
        """Stop in order; 0 is a good end."""
        os.kill(pid, signal.SIGTERM)
        return int(self._ask(str(pid)))

    def _ask(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()


@contextmanager
def zygote(data_dir: Path, **settings: str) -> Iterator[Zygote]:
    """Workers to be killed, on a prepared data folder."""
    with zygote_in(data_dir.parent, environment_of(data_dir, **settings)) as made:
        yield made


@contextmanager
def zygote_in(folder: Path, environment: Mapping[str, str]) -> Iterator[Zygote]:
    """The same with these variables, and its log in a folder."""
    environment = {**environment, "PYTHONPATH": str(REPOSITORY)}
    environment.pop("COVERAGE_PROCESS_START", None)
    with (folder / "workers.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", ZYGOTE], cwd=folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
        )  # fmt: skip
    try:
        yield Zygote(process)
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        process.kill()
        process.wait()
