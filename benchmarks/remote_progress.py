"""What it costs the service that hundreds follow a download, who read or never do: CPU and memory.

What is left unread is a few KiB in this time, which the kernel's buffers hold: so the service hardly notices that some
never read, and what a stream costs whose buffers are full is not in these figures. Memory is the growth of the peak.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.chat_accounts import Accounts
from benchmarks.measure import say, say_goal, say_table
from benchmarks.nginx import nginx_static
from benchmarks.payload import Payload
from benchmarks.progress_readers import SMALL_BUFFER_BYTES, Readers
from benchmarks.remote_service import PATH, RemoteService, remote_service

READERS = 500
BYTES_PER_SECOND = 256 * 1024  # of the source: so the download outlasts what is measured
SETTLE_SECONDS = 3.0
CPU_GOAL = 0.10
COLUMNS = ["", "server CPU", "KiB a reader", "fewest events/s"]


@dataclass(frozen=True)
class Phase:
    """Shares of one core: those of the phase, and of the service without readers right before. A rate of None: nobody
    reads.
    """

    idle_cpu: float
    cpu: float
    bytes_per_reader: float
    fewest_events_per_second: float | None

    @property
    def added_cpu(self) -> float:
        """What the readers cost."""
        return self.cpu - self.idle_cpu


@dataclass(frozen=True)
class Run:
    """Both kinds of readers, each with a service of its own: memory once taken would not be seen again."""

    reading: Phase
    silent: Phase


def measure(files: Path, large: Payload, *, seconds: float) -> Run:
    """Follow a slow download for so long. Raises ConnectionError or RuntimeError where a stream ends."""
    with nginx_static(files, bytes_per_second=BYTES_PER_SECOND) as source:
        phases = []
        for reads in (True, False):
            accounts = Accounts(READERS)
            with remote_service(source, [large], accounts) as ours, ours.fetching(1):
                phases.append(_follow(ours, accounts.tokens, seconds=seconds, reads=reads))
    return Run(*phases)


def _follow(ours: RemoteService, tokens: Sequence[str], *, seconds: float, reads: bool) -> Phase:
    server = ours.server
    with Readers(server, tokens[:1], PATH + "/progress") as first:
        first.read(SETTLE_SECONDS)  # what the first one of all costs is not a reader's price
    time.sleep(SETTLE_SECONDS)
    cpu = server.cpu_seconds()
    time.sleep(seconds)
    idle_cpu = (server.cpu_seconds() - cpu) / seconds
    server.forget_peak_memory()  # RSS: pages that cease to be shared with gunicorn's master are not the readers'
    memory = server.peak_memory_bytes()
    buffer_bytes = 0 if reads else SMALL_BUFFER_BYTES
    with Readers(server, tokens, PATH + "/progress", receive_buffer_bytes=buffer_bytes) as readers:
        if reads:
            readers.read(SETTLE_SECONDS)
        else:
            time.sleep(SETTLE_SECONDS)
        cpu, began = server.cpu_seconds(), time.monotonic()
        if reads:
            events = readers.read(seconds)
        else:
            time.sleep(seconds)
        took = time.monotonic() - began
        phase = Phase(
            idle_cpu=idle_cpu,
            cpu=(server.cpu_seconds() - cpu) / took,
            bytes_per_reader=(server.peak_memory_bytes() - memory) / len(tokens),
            fewest_events_per_second=events / took if reads else None,
        )
        readers.check_connected()
    return phase


def report(runs: Sequence[Run]) -> None:
    """Print the medians."""
    reading, silent = [each.reading for each in runs], [each.silent for each in runs]
    idle = median(each.idle_cpu for each in (*reading, *silent))
    rows = [
        ["nobody", f"{idle:.1%}", "", ""],
        _row(f"{READERS} read", reading),
        _row(f"{READERS} never read", silent),
    ]
    say_table(f"Following a download, medians of {len(runs)} runs (CPU: of one core)", COLUMNS, rows)
    say()
    for title, phases in ((f"{READERS} readers", reading), (f"{READERS} who never read", silent)):
        added = median(each.added_cpu for each in phases)
        say_goal(f"{title}: under {CPU_GOAL:.0%} of one core more", f"{added:.1%}", added < CPU_GOAL)


def _row(title: str, phases: Sequence[Phase]) -> list[str]:
    rates = [each.fewest_events_per_second for each in phases if each.fewest_events_per_second is not None]
    return [
        title,
        f"{median(each.cpu for each in phases):.1%}",
        f"{median(each.bytes_per_reader for each in phases) / 1024:.1f}",
        f"{median(rates):.2f}" if rates else "",
    ]
