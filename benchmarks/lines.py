"""A line of a table: what a unit of work costs our service and its peers, measured by turns in the same run."""

import argparse
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.measure import MEBIBYTE, progress, say, say_goal, say_table
from benchmarks.payload import Payload
from benchmarks.servers import NotInstalled, Server

COLUMNS = ["", "CPU ms", "rate /s", "of", "CPU ratio", "rate ratio", "peak MiB", "flushes"]


@dataclass(frozen=True, slots=True)
class Spent:
    """What one unit of work took: seconds by the clock, CPU seconds of all processes of the server, its peak memory."""

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Side:
    """One way to do the work. `flushes` says what has reached the disk when it is answered."""

    name: str
    flushes: str
    measure: Callable[[], Spent]


@dataclass(frozen=True, slots=True)
class Line:
    """What is compared. The goals are about the best of `peers`; `others` are only shown.

    `cpu_goal`: at most so many times its CPU; `rate_goal`: at least so many times its rate.
    """

    title: str
    unit: str
    ours: Side
    peers: Sequence[Side] = ()
    others: Sequence[Side] = ()
    cpu_goal: float | None = None
    rate_goal: float | None = None

    @property
    def sides(self) -> list[Side]:
        """All of them, ours first."""
        return [self.ours, *self.peers, *self.others]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of everything that is printed in lines."""
    parser.add_argument("--quick", action="store_true", help="one short run with smaller files: a first look")
    parser.add_argument("--only", default="", metavar="TEXT", help="only lines that have this in their title")
    parser.add_argument(
        "--seconds", type=float, default=3, help="how long a run sends or fetches small files (default: 3)"
    )


def size_of(payload: Payload) -> str:
    """The size of a large file in words."""
    mebibytes = len(payload.view) // MEBIBYTE
    return f"{mebibytes // 1024} GiB" if mebibytes % 1024 == 0 else f"{mebibytes} MiB"


def spend(server: Server, work: Callable[[], tuple[float, float]]) -> Spent:
    """What `work` costs a server; it tells how many units it has done, in how many seconds."""
    os.sync()  # so that nobody pays for what another has written
    server.forget_peak_memory()
    before = server.cpu_seconds()
    units, seconds = work()
    return Spent(seconds / units, (server.cpu_seconds() - before) / units, server.peak_memory_bytes())


def timed(work: Callable[[], object], *, units: float = 1) -> tuple[float, float]:
    """Do what is so many units of work; those, and the seconds that it took."""
    began = time.monotonic()
    work()
    return units, time.monotonic() - began


def compare(title: str, lines: Sequence[Line], arguments: argparse.Namespace) -> None:
    """Measure the lines that are asked for, and print them with their goals."""
    chosen = [line for line in lines if arguments.only.lower() in line.title.lower()]
    spent: dict[tuple[str, str], list[Spent]] = {}
    absent: dict[str, str] = {}
    for number in range(arguments.runs):
        for line in chosen:
            turn = number % len(line.sides)
            for side in (*line.sides[turn:], *line.sides[:turn]):
                if side.name in absent:
                    continue
                progress(f"run {number + 1} of {arguments.runs}: {line.title}, {side.name}")
                try:
                    spent.setdefault((line.title, side.name), []).append(side.measure())
                except NotInstalled as error:
                    absent[side.name] = str(error)
    if not chosen:
        return
    medians = {key: _median(each) for key, each in spent.items() if each}
    rows = [row for line in chosen for row in _rows(line, medians)]
    say_table(f"{title}, medians of {arguments.runs} runs; ratios to the best peer", COLUMNS, rows)
    say()
    for name, reason in absent.items():
        say(f"left out: {name}: {reason}")
    for line in chosen:
        _say_goals(line, medians)


def _median(each: Sequence[Spent]) -> Spent:
    return Spent(
        median(one.wall_seconds for one in each),
        median(one.cpu_seconds for one in each),
        int(median(one.peak_bytes for one in each)),
    )


def _ratios(line: Line, medians: Mapping[tuple[str, str], Spent], name: str) -> tuple[float, float] | None:
    """CPU and rate of a side, as multiples of the best peer's."""
    peers = [found for peer in line.peers if (found := medians.get((line.title, peer.name)))]
    own = medians.get((line.title, name))
    if not peers or own is None:
        return None
    least = min(peer.cpu_seconds for peer in peers)
    fastest = min(peer.wall_seconds for peer in peers)
    return own.cpu_seconds / least if least else 0.0, fastest / own.wall_seconds


def _rows(line: Line, medians: Mapping[tuple[str, str], Spent]) -> list[list[str]]:
    rows = [[line.title, *[""] * (len(COLUMNS) - 1)]]
    for side in line.sides:
        found = medians.get((line.title, side.name))
        if found is None:
            continue
        cells = [f"  {side.name}", f"{found.cpu_seconds * 1000:.2f}", f"{1 / found.wall_seconds:.3g}", line.unit]
        ratios = None if side in line.peers else _ratios(line, medians, side.name)
        cells += ["", ""] if ratios is None else [f"{ratio:.2f}" for ratio in ratios]
        rows.append([*cells, f"{found.peak_bytes / MEBIBYTE:.0f}" if found.peak_bytes else "", side.flushes])
    return rows


def _say_goals(line: Line, medians: Mapping[tuple[str, str], Spent]) -> None:
    ratios = _ratios(line, medians, line.ours.name)
    if ratios is None:
        return
    names = " and ".join(peer.name for peer in line.peers)
    cpu, rate = ratios
    if line.cpu_goal is not None:
        goal = f"{line.title}: at most {line.cpu_goal:g} times the CPU of {names}"
        say_goal(goal, f"{cpu:.2f} times", cpu <= line.cpu_goal)
    if line.rate_goal is not None:
        goal = f"{line.title}: at least {line.rate_goal:g} times the rate of {names}"
        say_goal(goal, f"{rate:.2f} times", rate >= line.rate_goal)
