"""What `benchmarks.downloads` prints."""

from collections.abc import Mapping, Sequence
from enum import Enum

from benchmarks.measure import Cost, say, say_goal, say_table

COLUMNS = ["", "whole MiB/s", "CPU s/GiB", "Range MiB/s", "CPU s/GiB", "64 KiB /s", "CPU ms each"]
DIRECT_GOAL, BEHIND_GOAL, FILE_RESPONSE_GOAL, RATE_GOAL = 1.2, 1.15, 3.0, 1.3


class Kind(Enum):
    """What is fetched."""

    WHOLE = "whole file"
    RANGES = "ranges"
    SMALL = "small files"


def report(titles: Sequence[str], medians: Mapping[tuple[str, Kind], Cost], *, runs: int) -> None:
    """Print the table and the goals; `medians` are costs of a GiB, or of a request for small files."""
    say_table(f"Downloads, medians of {runs} runs", COLUMNS, [_line(title, medians) for title in titles])
    say()
    say("64 KiB: clients and server share the CPUs; where the server is nginx, the clients are the limit.")
    say()
    cpu = {key: cost.cpu_seconds for key, cost in medians.items()}
    large = (Kind.WHOLE, Kind.RANGES)
    if "nginx static" in titles:
        for title, limit in (("ours", DIRECT_GOAL), ("ours behind nginx", BEHIND_GOAL)):
            for kind in large:
                ratio = cpu[title, kind] / cpu["nginx static", kind]
                goal = f"{title}, {kind.value}: at most {limit:g} times nginx's CPU per GiB"
                say_goal(goal, f"{ratio:.2f} times", ratio <= limit)
    for kind in large:
        ratio = cpu["FileResponse", kind] / cpu["ours", kind]
        goal = f"ours, {kind.value}: at least {FILE_RESPONSE_GOAL:g} times less CPU than FileResponse"
        say_goal(goal, f"{ratio:.1f} times", ratio >= FILE_RESPONSE_GOAL)
    ratio = medians["FileResponse", Kind.SMALL].wall_seconds / medians["ours", Kind.SMALL].wall_seconds
    goal = f"ours, 64 KiB: at least {RATE_GOAL:g} times FileResponse's requests a second"
    say_goal(goal, f"{ratio:.2f} times", ratio >= RATE_GOAL)


def _line(title: str, medians: Mapping[tuple[str, Kind], Cost]) -> list[str]:
    cells = [title]
    for kind in (Kind.WHOLE, Kind.RANGES):
        cost = medians.get((title, kind))
        cells += [f"{1024 / cost.wall_seconds:.0f}", f"{cost.cpu_seconds:.3f}"] if cost else ["-", "-"]
    small = medians[title, Kind.SMALL]
    return [*cells, f"{1 / small.wall_seconds:.0f}", f"{small.cpu_seconds * 1000:.3f}"]
