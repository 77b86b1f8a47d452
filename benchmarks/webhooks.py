"""What uploads feel of a webhook whose receiver is dead or silent: nothing, they should."""

import argparse
import os
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import psutil

from benchmarks.connection import Connection
from benchmarks.measure import KIBIBYTE, MEBIBYTE, progress, say_goal, say_table
from benchmarks.previews import WORKER
from benchmarks.servers import Server, clean_environment, run_flask, service, started

RATIO = 1.01
ROUNDS, WARM_UPS = 20, 3
SIZES = {"16 KiB": (16 * KIBIBYTE, 100), "1 MiB": (MEBIBYTE, 30), "16 MiB": (16 * MEBIBYTE, 4)}
NONE, DEAD, SILENT = "no webhook", "dead receiver", "silent receiver"
SETTINGS = {"TRANSFER_ALLOW_PRIVATE_SOURCES": "true", "TRANSFER_PREVIEWS": "false"}


@dataclass
class Site:
    """A service with its worker, and what uploads have cost it."""

    server: Server
    worker_pid: int
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    worker_cpu: list[float] = field(default_factory=list)

    def worker_seconds(self) -> float:
        """User and system seconds of the worker so far."""
        times = psutil.Process(self.worker_pid).cpu_times()
        return times.user + times.system


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    rounds = 3 if arguments.quick else ROUNDS
    with ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
        urls = {NONE: None, DEAD: "http://127.0.0.1:1/", SILENT: f"http://127.0.0.1:{silent.getsockname()[1]}/"}
        sites = {name: stack.enter_context(_serving(url)) for name, url in urls.items()}
        for what, (length, count) in SIZES.items():
            _compare(what, lambda length=length: os.urandom(length), count, sites, rounds)  # type: ignore[misc]


@contextmanager
def _serving(url: str | None) -> Iterator[Site]:
    with service("ours", prepare=None, **SETTINGS) as server:
        environment = clean_environment(TRANSFER_DATA_DIR=str(server.folder / "data"), **SETTINGS)
        if url is not None:
            run_flask(server.folder, environment, "webhooks", "add", url)
        with started(server.folder, environment, WORKER) as worker:
            yield Site(server, worker.pid)


def _compare(what: str, make: Callable[[], bytes], count: int, sites: dict[str, Site], rounds: int) -> None:
    """The cost of uploads, in turns, so that all see the same machine: the first round warms up."""
    for site in sites.values():
        site.seconds, site.cpu, site.worker_cpu = [], [], []
    names = list(sites)
    for number in range(rounds + 1):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            _send_some(sites[name], [make() for _ in range(count)], counts=number > 0)
        progress(f"{what}: {number} of {rounds} rounds")
    rows = []
    for name, site in sites.items():
        costs = (site.seconds, site.cpu, site.worker_cpu)
        rows.append([name, *(f"{1000 * statistics.median(each):.3f} ms" for each in costs)])
    say_table(f"One upload of {what}", ["", "time", "CPU of the service", "CPU of the worker"], rows)
    for name in (DEAD, SILENT):
        for kind in ("seconds", "cpu"):
            ours, bare = getattr(sites[name], kind), getattr(sites[NONE], kind)
            # The clock of CPU time has ticks of 10 ms, so only the sum of all rounds says something.
            pairs = [one / other for one, other in zip(ours, bare, strict=True)] if kind == "seconds" else []
            ratio = statistics.median(pairs) if pairs else sum(ours) / sum(bare)
            word = "time" if kind == "seconds" else "CPU"
            say_goal(f"{word} of an upload of {what}, {name}: at most {RATIO} times", f"{ratio:.3f}", ratio <= RATIO)


def _send_some(site: Site, sent: list[bytes], *, counts: bool) -> None:
    """One round of uploads: the median of their times, and the CPU that each has cost."""
    seconds = []
    with Connection(site.server.port, site.server.token) as connection:
        before, worker_before = site.server.cpu_seconds(), site.worker_seconds()
        for place, data in enumerate(sent):
            began = time.monotonic()
            connection.request("POST", "/api/files?filename=a.bin", data, media_type="application/octet-stream").expect(
                201
            )
            if place >= WARM_UPS or len(sent) <= WARM_UPS:
                seconds.append(time.monotonic() - began)
    if counts:
        site.seconds.append(statistics.median(seconds))
        site.cpu.append((site.server.cpu_seconds() - before) / len(sent))
        site.worker_cpu.append((site.worker_seconds() - worker_before) / len(sent))
