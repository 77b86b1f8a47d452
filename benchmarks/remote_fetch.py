"""What the service takes to fetch a large archive from a local nginx, beside curl and sha256sum."""

from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.measure import MEBIBYTE, Cost, median_cost, progress, say, say_goal, say_table
from benchmarks.nginx import nginx_static
from benchmarks.payload import Payload
from benchmarks.plain_fetch import PlainFetch, fetch_plainly
from benchmarks.remote_service import RemoteService, remote_service
from benchmarks.servers import temporary_folder

RATIO_GOAL, GROWTH_GOAL_MIB = 1.6, 16
COLUMNS = ["", "wall s", "CPU s", "worker RSS +MiB"]


@dataclass(frozen=True)
class Fetched:
    """A fetch by the service. CPU is the worker's; the growth is over its peak at a small fetch before."""

    cost: Cost
    service_cpu_seconds: float
    growth_bytes: int


@dataclass(frozen=True)
class Round:
    """The two ways, one after the other."""

    ours: Fetched
    plain: PlainFetch

    @property
    def ratio(self) -> float:
        """Of the wall times."""
        return self.ours.cost.wall_seconds / self.plain.cost.wall_seconds

    @property
    def hard_ratio(self) -> float:
        """The same where sha256sum would be as quick as Python is. Ours has flushed the file, and curl has not."""
        return self.ours.cost.wall_seconds / (self.plain.curl_seconds + self.plain.hashlib_seconds)


@dataclass(frozen=True)
class Fetches:
    """All of them. The small archive tells what does not depend on the size."""

    small_seconds: float
    rounds: list[Round]


def measure(files: Path, small: Payload, large: Payload, *, rounds: int) -> Fetches:
    """Fetch the large file so often by both ways, each first in every other round."""
    with (
        nginx_static(files) as source,
        temporary_folder() as folder,
        remote_service(source, [small, small, *[large] * rounds]) as ours,
    ):
        url = f"http://127.0.0.1:{source.port}/{large.sha256}"
        progress("small archives, to begin with")
        ours.fetch(1)
        ours.worker.forget_peak_memory()  # its start has taken more than it has kept
        small_seconds = ours.fetch(2)
        idle_bytes = ours.worker.peak_memory_bytes()
        done = []
        for number in range(rounds):
            progress(f"round {number + 1} of {rounds}: the service and curl")
            if number % 2 == 0:
                fetched = _fetch(ours, number + 3, idle_bytes)
            plain = fetch_plainly(url, folder / "file", large.sha256)
            if number % 2:
                fetched = _fetch(ours, number + 3, idle_bytes)
            done.append(Round(fetched, plain))
        return Fetches(small_seconds, done)


def _fetch(ours: RemoteService, archive_id: int, idle_bytes: int) -> Fetched:
    ours.worker.forget_peak_memory()
    worker_cpu, service_cpu = ours.worker.cpu_seconds(), ours.server.cpu_seconds()
    seconds = ours.fetch(archive_id)
    fetched = Fetched(
        cost=Cost(seconds, ours.worker.cpu_seconds() - worker_cpu),
        service_cpu_seconds=ours.server.cpu_seconds() - service_cpu,
        growth_bytes=ours.worker.peak_memory_bytes() - idle_bytes,
    )
    ours.delete_archive(archive_id)
    return fetched


def report(fetches: Fetches, *, mebibytes: int) -> None:
    """Print the medians."""
    rounds = fetches.rounds
    ours, plain = [each.ours for each in rounds], [each.plain for each in rounds]
    growth = max(each.growth_bytes for each in ours) / MEBIBYTE
    curl, sha256sum = median(each.curl_seconds for each in plain), median(each.sha256sum_seconds for each in plain)
    rows = [
        ["service and worker", *_cells(median_cost([each.cost for each in ours])), f"{growth:.1f}"],
        ["curl, then sha256sum", *_cells(median_cost([each.cost for each in plain])), ""],
        ["  curl", f"{curl:.2f}", "", ""],
        ["  sha256sum", f"{sha256sum:.2f}", "", ""],
        ["the same by hashlib", f"{median(each.hashlib_seconds for each in plain):.2f}", "", ""],
        ["fsync after curl", f"{median(each.sync_seconds for each in plain):.2f}", "", ""],
    ]
    say_table(f"{mebibytes} MiB from a local nginx, medians of {len(rounds)} rounds (RSS: worst)", COLUMNS, rows)
    say()
    hard = median(each.hard_ratio for each in rounds)
    hard_ratios = ", ".join(f"{each.hard_ratio:.2f}" for each in rounds)
    say(f"Of curl and hashlib, which is quicker than sha256sum, it is {hard:.2f} times the time ({hard_ratios}).")
    say(f"A small archive takes {fetches.small_seconds:.2f} s, from the request until it is listed as completed.")
    say(f"The service itself took {median(each.service_cpu_seconds for each in ours):.2f} s CPU, asked every 50 ms.")
    ratio = median(each.ratio for each in rounds)
    each_ratio = ", ".join(f"{each.ratio:.2f}" for each in rounds)
    goal = f"wall time of curl and sha256sum: at most {RATIO_GOAL:g} times"
    say_goal(goal, f"{ratio:.2f} ({each_ratio})", ratio <= RATIO_GOAL)
    goal = f"memory of the worker, over that for a small archive: under {GROWTH_GOAL_MIB} MiB"
    say_goal(goal, f"{growth:.1f} MiB", growth < GROWTH_GOAL_MIB)


def _cells(cost: Cost) -> list[str]:
    return [f"{cost.wall_seconds:.2f}", f"{cost.cpu_seconds:.2f}"]
