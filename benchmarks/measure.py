"""Medians, goals, and the tables that show them."""

import hashlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

KIBIBYTE = 1024
MEBIBYTE = 1024**2
GIBIBYTE = 1024**3


def say(line: str = "") -> None:
    """Write one line to standard output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def progress(line: str) -> None:
    """Write one line to standard error: what is being measured."""
    sys.stderr.write(f"  {line}\n")
    sys.stderr.flush()


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took: wall-clock time, and the CPU time of the server."""

    wall_seconds: float
    cpu_seconds: float


def median_cost(costs: Sequence[Cost]) -> Cost:
    """The medians of both, each by itself."""
    return Cost(median(cost.wall_seconds for cost in costs), median(cost.cpu_seconds for cost in costs))


def sha256_cpu_seconds(data: memoryview, block_bytes: int = MEBIBYTE) -> float:
    """CPU seconds that hashing `data` in blocks takes on this machine, now."""
    hasher = hashlib.sha256()
    before = time.process_time()
    for start in range(0, len(data), block_bytes):
        hasher.update(data[start : start + block_bytes])
    return time.process_time() - before


def say_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: the first column to the left, the others to the right."""
    widths = [max(len(row[index]) for row in (columns, *rows)) for index in range(len(columns))]
    say()
    say(title)
    say()
    for row in (columns, ["-" * width for width in widths], *rows):
        cells: list[Callable[[int], str]] = [row[0].ljust, *(cell.rjust for cell in row[1:])]
        say("  ".join(align(width) for align, width in zip(cells, widths, strict=True)).rstrip())


def say_goal(goal: str, measured: str, is_met: bool) -> None:
    """Print a goal, what was measured, and whether that is enough."""
    say(f"{'met    ' if is_met else 'NOT MET'}  {goal}: {measured}")
