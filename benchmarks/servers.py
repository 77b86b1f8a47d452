"""Starting and stopping the service and its peers, each on a free port with a temporary folder."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.connection import Connection
from tests.ports import free_port

REPOSITORY = Path(__file__).parents[1]
ACCOUNT, PASSWORD = "bench", "only for this benchmark"
START_SECONDS = 60.0
STOP_SECONDS = 20.0
SERVE = [sys.executable, "-m", "gunicorn", "--config", str(REPOSITORY / "gunicorn.conf.py")]


class NotInstalled(Exception):
    """A server that this machine does not have; the text says why."""


@dataclass(frozen=True)
class Server:
    """A running server: its processes have these for ancestors. `token` is empty where it wants none.

    `others` work for it: their CPU time is its too, but not their memory.
    """

    name: str
    port: int
    token: str
    folder: Path
    roots: tuple[int, ...]
    others: tuple[int, ...] = ()

    def cpu_seconds(self) -> float:
        """User and system seconds of its processes so far, and of those that work for it."""
        times = [process.cpu_times() for process in (*self._processes(), *_with_children(self.others))]
        return sum(each.user + each.system for each in times)

    def memory_bytes(self) -> int:
        """The memory that its processes have for themselves (USS)."""
        return sum(int(process.memory_full_info().uss) for process in self._processes())

    def forget_peak_memory(self) -> None:
        """Let `peak_memory_bytes` begin anew (proc(5), clear_refs)."""
        for process in self._processes():
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")

    def shared_memory_bytes(self) -> int:
        """The memory that its processes have, where several share some each its part of that (PSS)."""
        return sum(int(process.memory_full_info().pss) for process in self._processes())

    def peak_memory_bytes(self) -> int:
        """The most memory that its processes have had resident (RSS)."""
        statuses = [Path(f"/proc/{process.pid}/status").read_text() for process in self._processes()]
        return sum(int(status.partition("VmHWM:")[2].split()[0]) * 1024 for status in statuses)

    def _processes(self) -> list[psutil.Process]:
        return _with_children(self.roots)


def _with_children(pids: Iterable[int]) -> list[psutil.Process]:
    roots = [psutil.Process(pid) for pid in pids]
    return [process for root in roots for process in (root, *root.children(recursive=True))]


@contextmanager
def service(
    name: str = "service",
    *,
    prepare: Callable[[Path], None] | None = None,
    command: Sequence[str] = SERVE,
    **settings: str,
) -> Iterator[Server]:
    """Our service with an account. `prepare` gets the data folder once the database is migrated; `settings` are
    environment variables.
    """
    with temporary_folder() as folder:
        port, data_dir = free_port(), folder / "data"
        environment = _environment(port, data_dir, settings)
        run_flask(folder, environment, "database", "upgrade")
        run_flask(folder, environment, "accounts", "create", ACCOUNT, "--password-stdin", stdin=PASSWORD)
        if prepare is not None:
            prepare(data_dir)
        with running(folder, environment, list(command), port) as pid:
            yield Server(name, port, _sign_in(port), folder, (pid,))


@contextmanager
def another_instance(name: str, settings: Mapping[str, str]) -> Iterator[Server]:
    """One more of an installation whose database and account are there, and not in a folder."""
    with temporary_folder() as folder:
        port = free_port()
        with running(folder, _environment(port, folder / "data", settings), SERVE, port) as pid:
            yield Server(name, port, _sign_in(port), folder, (pid,))


def _environment(port: int, data_dir: Path, settings: Mapping[str, str]) -> dict[str, str]:
    own = {"TRANSFER_DATA_DIR": str(data_dir), "TRANSFER_BIND": f"127.0.0.1:{port}"}
    return clean_environment(**own, ACCESS_TOKEN_EXPIRE_MINUTES="600", **settings)


@contextmanager
def fastapi_peer(module: str = "fastapi_chunks", *, data_dir: Path | None = None) -> Iterator[Server]:
    """A reference service of `benchmarks.peers` on uvicorn; without `data_dir` its data are in its folder."""
    with temporary_folder() as folder:
        port = free_port()
        # TMPDIR: a form's file is spooled beside the data, so that both servers write to the same disk.
        environment = clean_environment(PEER_DATA_DIR=str(data_dir or folder), TMPDIR=str(folder))
        command = [sys.executable, "-m", "uvicorn", f"benchmarks.peers.{module}:app"]
        command += ["--host", "127.0.0.1", "--port", str(port), "--no-access-log", "--log-level", "warning"]
        command += ["--loop", "uvloop", "--http", "httptools"]
        with running(folder, environment, command, port) as pid:
            yield Server("peer", port, "", folder, (pid,))


@contextmanager
def flask_peer(module: str, *, worker: str = "gevent", **environment: str) -> Iterator[Server]:
    """A program of `benchmarks.peers` on gunicorn with one worker of its own."""
    with temporary_folder() as folder:
        port = free_port()
        command = [sys.executable, "-m", "gunicorn", "-k", worker, "--bind", f"127.0.0.1:{port}"]
        command += ["--workers", "1", "--no-control-socket", f"benchmarks.peers.{module}:app"]
        with running(folder, clean_environment(**environment), command, port) as pid:
            yield Server("flask peer", port, "", folder, (pid,))


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield Path(name)


def clean_environment(**own: str) -> dict[str, str]:
    """The caller's environment without settings of a service that may be configured there."""
    foreign = ("TRANSFER_", "SECRET_KEY", "ACCESS_TOKEN_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**clean, "PYTHONPATH": str(REPOSITORY), **own}


def run_flask(folder: Path, environment: Mapping[str, str], *arguments: str, stdin: str = "") -> None:
    """Run a command of the service in an empty folder. Raises RuntimeError where it fails."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]
    # In the empty folder, so that no .env is read.
    result = subprocess.run(
        command, cwd=folder, env=environment, input=stdin, capture_output=True, text=True, check=False
    )  # fmt: skip
    if result.returncode:
        raise RuntimeError(f"flask {' '.join(arguments)}: {result.stderr}")


@contextmanager
def running(folder: Path, environment: Mapping[str, str], command: list[str], port: int) -> Iterator[int]:
    """A server that `command` starts, from when it answers on; the id of its process."""
    with started(folder, environment, command) as process:
        if not _answers(process, port):
            raise RuntimeError("The server did not start")
        yield process.pid


@contextmanager
def started(folder: Path, environment: Mapping[str, str], command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is stopped in the end. Where it has ended before, errors tell its last words."""
    log_path = folder / f"{len(list(folder.glob('*.log')))}.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    except Exception as error:
        if process.poll() is not None:
            error.add_note(f"The process ended with {process.returncode}: {log_path.read_text()[-2000:]}")
        raise
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with Connection(port) as connection:
                connection.request("GET", "/healthz")
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


def _sign_in(port: int) -> str:
    body = json.dumps({"username": ACCOUNT, "password": PASSWORD}).encode()
    with Connection(port) as connection:
        answer = connection.request("POST", "/auth/token", body, media_type="application/json")
    return str(answer.expect(200).json()["access_token"])
