"""What do metrics and traces cost? CPU of the service with them and without, in turns, on small chunks and downloads.

It is one process that is told by signals what to do: two processes of the same program differ by more than what is
looked for. The CPU time is that of the process by the kernel's own clock, in nanoseconds, and a slice of work is so
short that all of them see the same machine. The collector of traces is in this process, and does nothing with what it
gets.
"""

import argparse
import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil

from benchmarks.connection import Connection
from benchmarks.measure import KIBIBYTE, progress, say, say_goal, say_table
from benchmarks.servers import REPOSITORY, SERVE, Server, service, temporary_folder
from tests.ports import free_port
from transfer_service.telemetry import meters
from transfer_service.telemetry.folder import MetricsFolder
from transfer_service.wire.chunk_frames import LONG_FRAME

GOAL = 1.01
SLICES = 100
CHUNK_BYTES, CHUNKS, DOWNLOADS = 16 * KIBIBYTE, 16, 40
OFF, AGAIN, METRICS, SAMPLED, TRACES = "off", "off, again", "metrics", "traces of 1 %", "traces of all"
STATES = (OFF, AGAIN, METRICS, SAMPLED, TRACES)
SETTLE_SECONDS = 0.02
_CPU_CLOCK = 2  # of a process: CPUCLOCK_SCHED, see clock_getcpuclockid(3)
_CONFIG = """
__file__ = {shipped!r}
exec(compile(open(__file__).read(), __file__, "exec"))
_shipped = post_worker_init


def post_worker_init(worker):
    _shipped(worker)
    import signal
    import gevent
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, TraceIdRatioBased
    from transfer_service.telemetry import meters, traces

    numbers, otel, some = meters._numbers, traces._otel, ParentBased(TraceIdRatioBased(0.01))
    off = (None, None, some)
    states = [off, off, (numbers, None, some), (None, otel, some), (None, otel, ALWAYS_ON)]

    def become(state):
        meters._numbers, traces._otel, otel.sampler = state

    for number, state in enumerate(states):
        gevent.signal_handler(signal.SIGRTMIN + number, become, state)
"""


@dataclass
class Measured:
    """The service, and the CPU nanoseconds that slices of work have cost it in each state."""

    server: Server
    pid: int
    file_path: str
    nanoseconds: dict[str, list[int]] = field(default_factory=dict)


class _Sink(BaseHTTPRequestHandler):
    """A collector that is content with everything."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read, and say 200."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line says about it."""
    parser.add_argument("--slices", type=int, default=SLICES, help=f"telemetry: slices of work (default: {SLICES})")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    slices = 5 if arguments.quick else arguments.slices
    _say_prices()
    with ExitStack() as stack:
        measured = stack.enter_context(_serving(stack))
        for what, work in (("16 KiB chunk up", _send_chunks), ("16 KiB file down", _download)):
            _compare(what, work, measured, slices)


@contextmanager
def _serving(stack: ExitStack) -> Iterator[Measured]:
    sink = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    stack.callback(sink.shutdown)
    config = stack.enter_context(temporary_folder()) / "gunicorn.conf.py"
    config.write_text(_CONFIG.format(shipped=str(REPOSITORY / "gunicorn.conf.py")))
    settings = {
        "TRANSFER_METRICS_BIND": f"127.0.0.1:{free_port()}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{sink.server_port}",
    }
    command = [*SERVE[:-1], str(config)]
    with service("ours", prepare=None, command=command, **settings) as server:
        (worker,) = psutil.Process(server.roots[0]).children()
        with Connection(server.port, server.token) as connection:
            stored = connection.request("POST", "/api/files?filename=down.bin", os.urandom(CHUNK_BYTES)).expect(201)
        yield Measured(server, worker.pid, stored.field("Location"))


def _send_chunks(_site: Measured, connection: Connection) -> int:
    """A file in chunks; how many."""
    name, total = os.urandom(8).hex(), CHUNK_BYTES * CHUNKS
    for number in range(CHUNKS):
        frame = LONG_FRAME.format(number * CHUNK_BYTES, os.urandom(CHUNK_BYTES))
        connection.request("POST", f"/api/files/upload?filename={name}&total_size={total}", frame).expect(200)
    return CHUNKS


def _download(site: Measured, connection: Connection) -> int:
    """A file, some times; how often."""
    for _ in range(DOWNLOADS):
        connection.request("GET", site.file_path).expect(200)
    return DOWNLOADS


def _compare(what: str, work: Callable[[Measured, Connection], int], measured: Measured, slices: int) -> None:
    count, measured.nanoseconds = 1, {name: [] for name in STATES}
    for number in range(slices + 1):
        turn = number % len(STATES)
        for name in STATES[turn:] + STATES[:turn]:
            os.kill(measured.pid, signal.SIGRTMIN + STATES.index(name))
            time.sleep(SETTLE_SECONDS)
            with Connection(measured.server.port, measured.server.token) as connection:
                before = time.clock_gettime_ns((~measured.pid << 3) | _CPU_CLOCK)
                count = work(measured, connection)
                spent = time.clock_gettime_ns((~measured.pid << 3) | _CPU_CLOCK) - before
            if number:  # the first one warms up
                measured.nanoseconds[name].append(spent)
        if number % 20 == 0:
            progress(f"{what}: {number} of {slices} slices")
    _say(what, measured.nanoseconds, count)


def _say(what: str, nanoseconds: dict[str, list[int]], count: int) -> None:
    rows, ratios = [], {}
    for name, spent in nanoseconds.items():
        pairs = [one / other for one, other in zip(spent, nanoseconds[OFF], strict=True)]
        ratios[name], low, high = _middle(pairs)
        each = statistics.median(spent) / count / 1e6
        quiet = _quietest(spent) / _quietest(nanoseconds[OFF] + nanoseconds[AGAIN])
        rows.append([name, f"{each:.3f} ms", f"{ratios[name]:.3f}", f"{low:.3f} to {high:.3f}", f"{quiet:.3f}"])
    columns = ["", "each", "against off", "95 % sure", "of the quietest tenth"]
    say_table(f"{what}: CPU of the service", columns, rows)
    for name in (METRICS, SAMPLED):
        say_goal(f"{what}, {name}: at most {GOAL} times", f"{ratios[name]:.3f}", ratios[name] <= GOAL)


def _quietest(spent: list[int]) -> int:
    """What a tenth of the slices have not exceeded: others on the machine only ever add to it."""
    return sorted(spent)[len(spent) // 10]


def _middle(pairs: list[float]) -> tuple[float, float, float]:
    """The median of ratios, and between what it is for 95 % certain, by their order alone."""
    ordered, reach = sorted(pairs), 0.98 * len(pairs) ** 0.5
    low = max(int(len(ordered) / 2 - reach), 0)
    high = min(int(len(ordered) / 2 + reach), len(ordered) - 1)
    return statistics.median(ordered), ordered[low], ordered[high]


def _say_prices() -> None:
    """What one call costs: of it a request makes about a dozen."""
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        prices = {"nothing is counted": _price()}
        meters.begin(MetricsFolder(folder).open("service"))
        stack.callback(meters.begin, None)
        prices["counted"] = _price()
    say_table("One call", ["", "counter", "histogram"], [[name, *each] for name, each in prices.items()])
    say()


def _price() -> list[str]:
    def count() -> None:
        meters.count(meters.RECEIVED, amount=100)

    def observe() -> None:
        meters.observe(meters.DATABASE_WAIT, meters.now())

    return [f"{_fastest(call) * 1e6:.2f} µs" for call in (count, observe)]


def _fastest(call: Callable[[], None], times: int = 20_000) -> float:
    """The CPU seconds of one call, of the best of some runs: what others take from this machine is none of it."""
    best = 1.0
    for _ in range(7):
        began = time.process_time()
        for _ in range(times):
            call()
        best = min(best, (time.process_time() - began) / times)
    return best
