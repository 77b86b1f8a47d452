"""What `benchmarks.resumable` prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.measure import GIBIBYTE, MEBIBYTE, say, say_goal, say_table
from benchmarks.payload import Payload
from benchmarks.resumable_client import Way
from benchmarks.resumable_servers import CONTENDERS, OURS, OURS_ACK, PEERS, SINK

SPEED_GOAL = 1.3
CPU_GOAL = 0.5
BUSY_CLIENT = 0.85


@dataclass(frozen=True)
class Row:
    """A table: what is sent, and how."""

    title: str
    payload: Payload
    way: Way

    @property
    def uploads(self) -> int:
        """How many uploads the file is sent in."""
        size = len(self.payload.view)
        return -(-size // (self.way.piece_bytes or size))


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one run took: time by the clock, CPU time of server and client, and the server's peak memory."""

    wall_seconds: float
    cpu_seconds: float
    client_cpu_seconds: float
    peak_bytes: int

    @property
    def client_share(self) -> float:
        """The client's CPU time as a share of the clock's."""
        return self.client_cpu_seconds / self.wall_seconds


@dataclass(frozen=True, slots=True)
class Floor:
    """Of a GiB on this machine, in the same run: CPU seconds of SHA-256, and seconds until it is on the disk."""

    sha256_cpu_seconds: float
    flush_seconds: float


def report(
    rows: Sequence[Row],
    results: Mapping[tuple[str, str], Sequence[Measurement]],
    floors: Sequence[Floor],
    *,
    runs: int,
) -> None:
    """Print the tables and the goals."""
    hashing = median(floor.sha256_cpu_seconds for floor in floors)
    flushing = median(floor.flush_seconds for floor in floors)
    medians = {key: _median(each) for key, each in results.items()}
    for row in rows:
        costs = {name: medians[row.title, name] for name in CONTENDERS if (row.title, name) in medians}
        _say_row(row, costs, runs=runs)
    say()
    say("Throughput and CPU beside the better peer's: the fastest one's, and that of the one with the least.")
    say(f"Ours: TRANSFER_DURABILITY=complete, the default, flushes a finished file; '{OURS_ACK}' flushes every PATCH.")
    say(f"{' and '.join(PEERS)} flush nothing and hash nothing; ours has the SHA-256 of every finished file.")
    say(f"SHA-256 alone: {hashing:.2f} CPU s/GiB. Flushing alone, of what is written: {flushing:.2f} s/GiB.")
    say(f"'{SINK}' throws everything away: it shows what the client can do.")
    say()
    for row in rows:
        costs = {name: medians[row.title, name] for name in CONTENDERS if (row.title, name) in medians}
        if OURS in costs and any(name in costs for name in PEERS):
            _say_goal(row, costs, hashing * len(row.payload.view) / GIBIBYTE)


def _median(measurements: Sequence[Measurement]) -> Measurement:
    """The medians, each by itself."""
    return Measurement(
        median(each.wall_seconds for each in measurements),
        median(each.cpu_seconds for each in measurements),
        median(each.client_cpu_seconds for each in measurements),
        int(median(each.peak_bytes for each in measurements)),
    )


def _say_row(row: Row, costs: Mapping[str, Measurement], *, runs: int) -> None:
    size = len(row.payload.view)
    columns = ["", "wall s", "MiB/s", "uploads/s", "CPU s/GiB", "CPU ms/upload", "peak RSS MiB", "client CPU"]
    lines = []
    for name, cost in costs.items():
        line = [
            name,
            f"{cost.wall_seconds:.2f}",
            f"{size / MEBIBYTE / cost.wall_seconds:.0f}",
            f"{row.uploads / cost.wall_seconds:.1f}",
            f"{cost.cpu_seconds * GIBIBYTE / size:.2f}",
            f"{cost.cpu_seconds * 1000 / row.uploads:.1f}",
            f"{cost.peak_bytes / MEBIBYTE:.0f}",
            f"{cost.client_share:.0%}",
        ]
        is_compared = name in (OURS, OURS_ACK) and any(peer in costs for peer in PEERS)
        speed, cpu = _ratios(cost, costs) if is_compared else (None, None)
        lines.append([*line, *("" if ratio is None else f"{ratio:.2f}" for ratio in (speed, cpu))])
    say_table(f"{row.title}, medians of {runs} runs", [*columns, "throughput", "CPU"], lines)


def _ratios(cost: Measurement, costs: Mapping[str, Measurement]) -> tuple[float, float]:
    """Throughput and CPU, each as a multiple of the better peer's."""
    peers = [costs[name] for name in PEERS if name in costs]
    fastest = min(peer.wall_seconds for peer in peers)
    return fastest / cost.wall_seconds, cost.cpu_seconds / min(peer.cpu_seconds for peer in peers)


def _say_goal(row: Row, costs: Mapping[str, Measurement], hashing_seconds: float) -> None:
    """The goal is about throughput, and about CPU where no server could reach that, for the client is the limit."""
    speed, cpu = _ratios(costs[OURS], costs)
    goal = f"{row.title}: at least {SPEED_GOAL:g} times the better peer's throughput"
    share = costs[OURS].client_share
    most = _ratios(costs[SINK], costs)[0] if SINK in costs else float("inf")
    is_client_the_limit = share > BUSY_CLIENT or most < SPEED_GOAL
    if speed >= SPEED_GOAL or not is_client_the_limit:
        say_goal(goal, f"{speed:.2f} times (client CPU {share:.0%}, sink {most:.2f} times)", speed >= SPEED_GOAL)
        return
    goal = f"{row.title}: the client is the limit (its CPU {share:.0%}, sink {most:.2f} times the better peer), so"
    without = cpu * (1 - hashing_seconds / costs[OURS].cpu_seconds)
    measured = f"{cpu:.2f} times, {without:.2f} less SHA-256"
    say_goal(f"{goal} at most {CPU_GOAL:g} times the better peer's CPU", measured, cpu <= CPU_GOAL)
