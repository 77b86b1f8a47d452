"""Does a request cost more where there is much? Every operation of openapi.yaml, to a small and to a large service.

Both get the same requests by turns, and differ only in the rows around what is asked for (`scale_data`).
"""

import argparse
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import psutil
import yaml

from benchmarks.measure import Cost, progress, say, say_goal, say_table
from benchmarks.object_store import CREDENTIALS, ObjectStoreServer, object_store
from benchmarks.postgres import Postgresql, postgresql
from benchmarks.scale_cases import Case, Steps
from benchmarks.scale_client import Client, cpu_nanoseconds
from benchmarks.scale_data import LARGE, SMALL, Size, fill, scaled
from benchmarks.scale_requests import all_cases
from benchmarks.scale_store import fill_objects, fill_pieces
from benchmarks.servers import REPOSITORY, Server, service

GOAL = 1.5
SECRET = "only for this benchmark, thirty-two bytes"
WARM_UP, MOST, TURN_SECONDS = 3, 20, 0.05
COLUMNS = ["", "small ms", "large ms", "ratio", "small CPU ms", "large CPU ms", "ratio"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    group = parser.add_argument_group("scale")
    group.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite", help="default: sqlite")
    group.add_argument("--store", choices=["disk", "s3"], default="disk", help="where the bytes are (default: disk)")
    group.add_argument(
        "--objects", type=int, default=20_000, help="of the files in s3 so many are really there (default: 20000)"
    )
    group.add_argument("--share", type=float, default=1.0, help="how much of the large data (default: 1.0)")
    group.add_argument("--files", type=int, help="how many files the large one has, whatever its share")
    group.add_argument("--matching", default="", help="a regular expression: which requests (default: all)")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print. Raises RuntimeError where openapi.yaml has an operation that is not measured."""
    description = yaml.safe_load((REPOSITORY / "openapi.yaml").read_text())
    cases = [each for each in all_cases(description) if re.search(arguments.matching, each.title)]
    large = scaled(LARGE, arguments.share)
    large = replace(large, files=arguments.files or large.files)
    with (
        postgresql() if arguments.database == "postgresql" else nullcontext() as database,
        object_store() if arguments.store == "s3" else nullcontext() as store,
    ):
        _compare(cases, large, _Engines(database, store, arguments.objects), arguments)


@dataclass(frozen=True)
class _Engines:
    """What both installations stand on, and how many objects each of them has at most."""

    database: Postgresql | None
    store: ObjectStoreServer | None
    objects: int

    @property
    def name(self) -> str:
        """In words."""
        names = ["postgresql" if self.database else "sqlite"]
        return " and ".join([*names, *([f"s3 with at most {self.objects:,} objects"] if self.store else [])])

    @property
    def roots(self) -> list[int]:
        """Their processes."""
        store = self.store.process if self.store else None
        return [*([self.database.pid] if self.database else []), *([store.pid] if store else [])]


def _compare(cases: Sequence[Case], large: Size, engines: _Engines, arguments: argparse.Namespace) -> None:
    with _installation("small", SMALL, engines) as few, _installation("large", large, engines) as many:
        lines, ratios = [], {}
        for number, case in enumerate(cases, 1):
            small, much = _measure(case, (few, many), turns=arguments.runs)
            if _ratio(small, much) > GOAL:  # chance, perhaps
                small, much = _measure(case, (few, many), turns=3 * arguments.runs)
            ratios[case] = _ratio(small, much)
            lines.append(_line(case, small, much))
            progress(f"{number} of {len(cases)}: {' '.join(lines[-1])}")
    title = f"One request on {engines.name}, small ({few.rows:,} rows) and large ({many.rows:,} rows)"
    say_table(title, COLUMNS, lines)
    say()
    _judge(ratios)


@dataclass(frozen=True)
class _Installation:
    """A service with data in it, and all processes that work for it."""

    server: Server
    size: Size
    rows: int
    roots: Sequence[int]

    def pids(self) -> list[int]:
        """Its processes, and those of its engines."""
        roots = [psutil.Process(pid) for pid in self.roots]
        return [process.pid for root in roots for process in (root, *root.children(recursive=True))]


@contextmanager
def _installation(name: str, size: Size, engines: _Engines) -> Iterator[_Installation]:
    url = engines.database.create(name) if engines.database else None
    store_url = engines.store.new_url() if engines.store else None
    counts: list[int] = []

    def prepare(data_dir: Path) -> None:
        began = time.monotonic()
        database_url = url or f"sqlite:///{data_dir / 'transfer.sqlite3'}"
        counts.append(fill(database_url, data_dir, size, add_more=fill_pieces if store_url else None))
        progress(f"{name}: {counts[0]:,} rows in {time.monotonic() - began:.0f} s")
        if store_url:
            objects = fill_objects(store_url, data_dir, size, engines.objects)
            progress(f"{name}: {objects:,} objects after {time.monotonic() - began:.0f} s")

    settings = {
        "TRANSFER_MAX_FILE_BYTES": "2TiB",
        "TRANSFER_TRASH_DAYS": "30",
        **({"TRANSFER_DATABASE_URL": url} if url else {}),
        **({"TRANSFER_STORAGE_URL": store_url, "SECRET_KEY": SECRET, **CREDENTIALS} if store_url else {}),
    }
    with service(name, prepare=prepare, **settings) as server:
        yield _Installation(server, size, counts[0], (*server.roots, *engines.roots))


def _measure(case: Case, installations: tuple[_Installation, _Installation], *, turns: int) -> list[Cost]:
    """What one request costs each: of several turns the cheapest, of a turn the median."""
    players = [_Player(each, case) for each in installations]
    try:
        for number in range(turns):
            for player in players if number % 2 == 0 else reversed(players):
                player.play()
        return [player.cheapest() for player in players]
    finally:
        for player in players:
            player.client.close()


class _Player:
    """One case at one installation."""

    def __init__(self, installation: _Installation, case: Case) -> None:
        self.client = Client(installation.server.port, installation.server.token)
        self._installation = installation
        self._steps: Steps = case.steps(self.client, installation.size)
        self._request = next(self._steps)
        self._turns: list[Cost] = []
        self._count = WARM_UP
        walls = self._send(WARM_UP, [])
        self._count = max(3, min(MOST, round(TURN_SECONDS / min(walls)[0])))

    def play(self) -> None:
        """A turn."""
        costs = self._send(self._count, self._installation.pids())
        self._turns.append(Cost(median(wall for wall, _ in costs), median(cpu for _, cpu in costs)))

    def _send(self, count: int, pids: list[int]) -> list[tuple[float, float]]:
        costs = []
        for _ in range(count):
            before, began = cpu_nanoseconds(pids), time.perf_counter()
            answer = self.client(self._request)
            wall = time.perf_counter() - began
            costs.append((wall, (cpu_nanoseconds(pids) - before) / 1e9))
            self._request = self._steps.send(answer)
        return costs

    def cheapest(self) -> Cost:
        """The least of each."""
        return Cost(min(turn.wall_seconds for turn in self._turns), min(turn.cpu_seconds for turn in self._turns))


def _ratio(small: Cost, large: Cost) -> float:
    return max(large.wall_seconds / small.wall_seconds, large.cpu_seconds / small.cpu_seconds)


def _line(case: Case, small: Cost, large: Cost) -> list[str]:
    walls = [f"{cost.wall_seconds * 1000:.2f}" for cost in (small, large)]
    cpus = [f"{cost.cpu_seconds * 1000:.2f}" for cost in (small, large)]
    ratios = [large.wall_seconds / small.wall_seconds, large.cpu_seconds / small.cpu_seconds]
    return [case.title, *walls, f"{ratios[0]:.2f}", *cpus, f"{ratios[1]:.2f}"]


def _judge(ratios: Mapping[Case, float]) -> None:
    for case, ratio in sorted(ratios.items(), key=lambda each: -each[1]):
        if ratio > GOAL and case.reads_all is not None:
            say(f"grows    {case.title}: {ratio:.1f} times, because {case.reads_all}")
        elif ratio > GOAL:
            say_goal(f"{case.title}: at most {GOAL:g} times", f"{ratio:.2f} times", is_met=False)
    within = sum(ratio <= GOAL for ratio in ratios.values())
    say(f"{within} of {len(ratios)} requests cost at most {GOAL:g} times as much where there is much")
