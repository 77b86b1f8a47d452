"""How long `scripts/serve` takes to its first answer, and what all its processes hold in memory."""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

import psutil

from benchmarks.measure import MEBIBYTE, progress, say, say_goal, say_table
from transfer_service.wire.chunk_frames import LONG_FRAME

REPOSITORY = Path(__file__).parents[1]
START_SECONDS, STOP_SECONDS, LOOK_SECONDS, REST_SECONDS = 120.0, 60.0, 0.01, 2.0
GOAL_SECONDS, GOAL_MEBIBYTES = 1.2, 150


@dataclass
class Started:
    """A running scripts/serve."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """One request on a connection of its own: status and body of the answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def processes(self) -> Iterator[psutil.Process]:
        """All that it has started and that lives."""
        for each in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, OSError):
                if os.getsid(each.pid) == self.process.pid:
                    yield each

    def memory(self) -> dict[str, float]:
        """PSS in MiB of the service's two processes and of the worker."""
        found = {"service": 0.0, "worker": 0.0}
        for each in self.processes():
            comm = Path(f"/proc/{each.pid}/comm").read_text().strip()
            kind = comm.removeprefix("transfer-") if comm.startswith("transfer-") else "service"
            found[kind] += each.memory_full_info().pss / MEBIBYTE
        return found


@contextmanager
def started(folder: Path) -> Iterator[Started]:
    """Start it on a data folder, wait for its first 200, and stop it as Ctrl-C does."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"TRANSFER_DATA_DIR": str(folder / "data"), "TRANSFER_BIND": f"127.0.0.1:{port}"}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRANSFER_")}
    log = folder / "serve.log"
    with log.open("ab") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            ["scripts/serve"],
            cwd=REPOSITORY, env={**clean, **settings}, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    served = Started(process, port, log)
    try:
        while not _is_ready(served):
            if process.poll() is not None or time.monotonic() > began + START_SECONDS:
                raise RuntimeError(log.read_text())
            time.sleep(LOOK_SECONDS)
        served.seconds = time.monotonic() - began
        served.cpu_seconds = sum(sum(each.cpu_times()[:4]) for each in served.processes())
        yield served
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(STOP_SECONDS)


def _is_ready(served: Started) -> bool:
    try:
        return served.ask("GET", "/readyz")[0] == 200
    except OSError:
        return False


def _use(served: Started) -> None:
    """Sign in, and send a file in one chunk."""
    password = re.findall(r"password: (\S+)", served.log.read_text())[0]
    credentials = json.dumps({"username": "admin", "password": password}).encode()
    token = json.loads(served.ask("POST", "/token", credentials, content_type="application/json")[1])["access_token"]
    data = os.urandom(64 * 1024)
    status, answer = served.ask(
        "POST", f"/api/files/upload?filename=bench-{time.time_ns()}&total_size={len(data)}", LONG_FRAME.format(0, data),
        content_type="application/octet-stream", authorization=f"Bearer {token}",
    )  # fmt: skip
    if status != 200:
        raise RuntimeError(answer.decode())


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Nothing of its own can be chosen."""


def run(arguments: argparse.Namespace) -> None:
    """Measure, and print."""
    seconds: list[float] = []
    cpu_seconds: list[float] = []
    rests: list[dict[str, float]] = []
    uses: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name:
        with started(Path(name)):  # installed and migrated from here on
            pass
        for number in range(arguments.runs):
            progress(f"start {number + 1} of {arguments.runs}")
            with started(Path(name)) as served:
                while "worker_started" not in served.log.read_text().rpartition("Starting gunicorn")[2]:
                    time.sleep(LOOK_SECONDS)
                time.sleep(REST_SECONDS)
                seconds.append(served.seconds)
                cpu_seconds.append(served.cpu_seconds)
                rests.append(served.memory())
                _use(served)
                uses.append(served.memory())
    rows = [
        (kind, *(f"{median(each[kind] for each in found):.1f} MiB" for found in (rests, uses)))
        for kind in ("service", "worker")
    ]
    at_rest, in_use = (median(sum(each.values()) for each in found) for found in (rests, uses))
    rows.append(("together", f"{at_rest:.1f} MiB", f"{in_use:.1f} MiB"))
    say_table("Memory (PSS) of scripts/serve", ["", "at rest", "after a sign-in and a chunk"], rows)
    say()
    starts = ", ".join(f"{each:.2f}" for each in seconds)
    say(f"From the start of scripts/serve to the first 200, on an installed and migrated tree: {starts} s")
    say(f"CPU of all processes until then: {median(cpu_seconds):.2f} s")
    say_goal(f"median at most {GOAL_SECONDS} s", f"{median(seconds):.2f} s", median(seconds) <= GOAL_SECONDS)
    say_goal(f"at rest at most {GOAL_MEBIBYTES} MiB", f"{at_rest:.1f} MiB", at_rest <= GOAL_MEBIBYTES)
