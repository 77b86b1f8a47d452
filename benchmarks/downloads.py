"""How fast do files go out, and what do they cost the server? Beside nginx and the usual Python ways, in the same run.

Whole files and ranges come over one connection, whose client throws away what it gets and so costs next to nothing
(`benchmarks.fetch`); small files go to eight keep-alive connections of as many processes. Each server has one process
(nginx a worker). Ours, behind nginx or not, authenticates every request; the others let everybody in. CPU is that of
all processes of a server, nginx and gunicorn together. A large file takes a fraction of a second, of which CPU times
show hundredths: so a run fetches it several times. Length and status of every answer are checked, the bytes once per
server and kind, before anything is measured.
"""

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.downloads_report import Kind, report
from benchmarks.fetch import Fetcher, Wanted, sha256_of, wanted
from benchmarks.measure import GIBIBYTE, MEBIBYTE, Cost, median_cost, progress, say
from benchmarks.nginx import is_installed, nginx_static, service_behind_nginx
from benchmarks.payload import Payload, make_payload, store
from benchmarks.processes import Start, together
from benchmarks.servers import Server, fastapi_peer, flask_peer, service
from transfer_service.wire.ranges import Span

CONNECTIONS = 8
SMALL_BYTES = 64 * 1024
RANGE_BYTES = 64 * MEBIBYTE
STREAMED_PART = 8  # the slow peer gets a file so many times smaller, once a run


@dataclass(frozen=True)
class Site:
    """A server, and the files that it has at `large_path` and `small_path`."""

    title: str
    server: Server
    large: Payload
    large_path: str
    small: Payload
    small_path: str
    repeats: int
    has_ranges: bool = True

    def whole(self) -> list[Wanted]:
        """The large file."""
        return [wanted(self.server, self.large_path, len(self.large.view))]

    def ranges(self) -> list[Wanted]:
        """The large file but for its first byte, in pieces of 64 MiB that begin at odd places."""
        length = len(self.large.view)
        spans = [Span(start, min(start + RANGE_BYTES, length)) for start in range(1, length, RANGE_BYTES)]
        return [wanted(self.server, self.large_path, length, span) for span in spans]

    def few(self) -> list[Wanted]:
        """The small file."""
        return [wanted(self.server, self.small_path, len(self.small.view))]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    group = parser.add_argument_group("downloads")
    group.add_argument("--repeats", type=int, default=5, help="how often a run fetches the large file (default: 5)")
    group.add_argument("--small-seconds", type=float, default=4, help="how long a run fetches small files (default: 4)")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as stack:
        sites = _open_sites(stack, Path(folder), (arguments.mebibytes or 1024) * MEBIBYTE, arguments.repeats)
        for site in sites:
            progress(f"looking at the bytes: {site.title}")
            _check_bytes(site)
        measures: dict[Kind, Callable[[Site], Cost]] = {
            Kind.WHOLE: lambda site: _fetch(site, site.whole()),
            Kind.RANGES: lambda site: _fetch(site, site.ranges()),
            Kind.SMALL: lambda site: _fetch_small(site, arguments.small_seconds),
        }
        costs: dict[tuple[str, Kind], list[Cost]] = {}
        for number in range(arguments.runs):
            for kind, measure in measures.items():
                for site in _turned(sites, number):
                    if kind is Kind.RANGES and not site.has_ranges:
                        continue
                    progress(f"run {number + 1} of {arguments.runs}: {kind.value}, {site.title}")
                    costs.setdefault((site.title, kind), []).append(measure(site))
    medians = {key: median_cost(each) for key, each in costs.items()}
    report([site.title for site in sites], medians, runs=arguments.runs)


def _turned(sites: Sequence[Site], number: int) -> list[Site]:
    """All of them, beginning with another one in each run."""
    first = number % len(sites)
    return [*sites[first:], *sites[:first]]


def _open_sites(stack: ExitStack, folder: Path, large_bytes: int, repeats: int) -> list[Site]:
    """Start every server, with its files."""
    large, small = make_payload(folder / "large", large_bytes), make_payload(folder / "small", SMALL_BYTES)
    medium = make_payload(folder / "medium", large_bytes // STREAMED_PART)

    def ours(title: str, server: Server, direct: Server) -> Site:
        paths = [store(direct, large), store(direct, small)]
        return Site(title, server, large, paths[0], small, paths[1], repeats)

    def peer(title: str, server: Server, prefix: str) -> Site:
        return Site(title, server, large, f"{prefix}/large", small, f"{prefix}/small", repeats)

    direct = stack.enter_context(service())
    sites = [ours("ours", direct, direct)]
    if is_installed():
        front, behind = stack.enter_context(service_behind_nginx())
        sites.append(ours("ours behind nginx", front, behind))
        sites.append(peer("nginx static", stack.enter_context(nginx_static(folder)), ""))
    else:
        say("There is no nginx here: what is compared with it is left out")
    fastapi = stack.enter_context(fastapi_peer("fastapi_downloads", data_dir=folder))
    sites.append(peer("FileResponse", fastapi, "/files"))
    streamed = ("/streamed/medium", small, "/streamed/small")
    sites.append(Site("StreamingResponse", fastapi, medium, *streamed, repeats=1, has_ranges=False))
    flask = stack.enter_context(flask_peer("flask_downloads", PEER_DATA_DIR=str(folder)))
    sites.append(peer("gevent send_file", flask, "/files"))
    return sites


def _check_bytes(site: Site) -> None:
    """Raises RuntimeError where a server sends other bytes than it has got."""
    expected = [(site.whole(), site.large.sha256), (site.few(), site.small.sha256)]
    if site.has_ranges:
        expected.append((site.ranges(), hashlib.sha256(site.large.view[1:]).hexdigest()))
    for files, digest in expected:
        if sha256_of(site.server, files) != digest:
            raise RuntimeError(f"{site.title} sent other bytes than are stored")


def _fetch(site: Site, files: list[Wanted]) -> Cost:
    """What a GiB costs."""
    with Fetcher(site.server.port) as fetcher:
        before, began = site.server.cpu_seconds(), time.monotonic()
        for _ in range(site.repeats):
            for file in files:
                fetcher.fetch(file)
        wall_seconds, cpu_seconds = time.monotonic() - began, site.server.cpu_seconds() - before
    gibibytes = site.repeats * sum(file.length for file in files) / GIBIBYTE
    return Cost(wall_seconds / gibibytes, cpu_seconds / gibibytes)


def _fetch_small(site: Site, seconds: float) -> Cost:
    """What a request costs."""
    (file,) = site.few()
    before = site.server.cpu_seconds()
    results = together([partial(_fetch_for, site.server.port, file, seconds)] * CONNECTIONS)
    cpu_seconds = site.server.cpu_seconds() - before
    requests = sum(count for count, _, _ in results)
    wall_seconds = max(stop for _, _, stop in results) - min(start for _, start, _ in results)
    return Cost(wall_seconds / requests, cpu_seconds / requests)


def _fetch_for(port: int, file: Wanted, seconds: float, start_together: Start) -> tuple[int, float, float]:
    """In a process of its own: fetch it again and again; how often, and when that began and ended."""
    with Fetcher(port) as fetcher:
        fetcher.fetch(file)
        start_together()
        began, count = time.monotonic(), 0
        while time.monotonic() < began + seconds:
            fetcher.fetch(file)
            count += 1
        return count, began, time.monotonic()
