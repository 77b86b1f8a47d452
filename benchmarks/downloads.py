"""What does it cost to send files, whole, in ranges, and small ones? Beside peers, in the same run, by turns.

Large ones come over one connection, whose client throws away what it gets and so costs next to nothing
(`benchmarks.fetch`); small ones go to keep-alive connections of as many processes. Each server has one process (nginx
a worker); gunicorn's own worker closes the connection after every answer. Ours, behind nginx or not, authenticates
every request; the others let everybody in. Length and status of every answer are checked, the bytes once per server and
kind, before anything is measured.
"""

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.contenders import BEHIND_NGINX, FASTAPI_FILES, FLASK_FILES, FLASK_GEVENT, NGINX, OURS, Contenders
from benchmarks.fetch import Fetcher, Wanted, sha256_of, wanted
from benchmarks.lines import Line, Side, Spent, compare, size_of, spend, timed
from benchmarks.measure import GIBIBYTE, KIBIBYTE, MEBIBYTE
from benchmarks.payload import Payload, make_payload, store
from benchmarks.processes import Start, together
from benchmarks.servers import Server
from transfer_service.wire.ranges import Span

CONNECTIONS = 4
RANGE_BYTES = 64 * MEBIBYTE
REPEATS = 4  # a large file takes a fraction of a second, of which CPU times show hundredths

_PREFIXES = {FASTAPI_FILES: "/files/", FLASK_FILES: "/files/", FLASK_GEVENT: "/files/", NGINX: "/"}
Kind = Callable[[Server, str, Payload], list[Wanted]]


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        sites = _Sites(Contenders(stack, Path(name)))
        large = make_payload(Path(name) / "large", arguments.mebibytes * MEBIBYTE)
        small = [make_payload(Path(name) / f"small-{size}", size * KIBIBYTE) for size in (16, 64)]
        lines = [
            _small_line(sites, small[0], arguments.seconds, FLASK_FILES, FLASK_GEVENT, FASTAPI_FILES, cpu_goal=1),
            _small_line(sites, small[1], arguments.seconds, FASTAPI_FILES, FLASK_GEVENT, rate_goal=1.3),
            _large_line(sites, f"{size_of(large)} down", large, _whole, cpu_goal=0.7),
            _large_line(sites, f"{size_of(large)} down in ranges of 64 MiB", large, _ranges, cpu_goal=0.9),
        ]
        compare("Downloads", lines, arguments)


class _Sites:
    """Where each server has its files; what it sends is looked at before it counts."""

    def __init__(self, contenders: Contenders) -> None:
        self._contenders = contenders
        self._found: dict[tuple[str, str, Kind], tuple[Server, list[Wanted]]] = {}
        self._paths: dict[tuple[str, str], str] = {}

    def files(self, name: str, payload: Payload, kind: Kind) -> tuple[Server, list[Wanted]]:
        """What to ask a server for. Raises NotInstalled, RuntimeError where it sends other bytes than it has got."""
        key = name, payload.path.name, kind
        if key not in self._found:
            server = self._contenders[name]
            files = kind(server, self._path(name, server, payload), payload)
            skipped = len(payload.view) - sum(file.length for file in files)
            if sha256_of(server, files) != hashlib.sha256(payload.view[skipped:]).hexdigest():
                raise RuntimeError(f"{name} sent other bytes than are stored")
            self._found[key] = server, files
        return self._found[key]

    def _path(self, name: str, server: Server, payload: Payload) -> str:
        key = name, payload.path.name
        if key not in self._paths:
            prefix = _PREFIXES.get(name)
            self._paths[key] = store(server, payload) if prefix is None else f"{prefix}{payload.path.name}"
        return self._paths[key]


def _whole(server: Server, path: str, payload: Payload) -> list[Wanted]:
    return [wanted(server, path, len(payload.view))]


def _ranges(server: Server, path: str, payload: Payload) -> list[Wanted]:
    """The file but for its first byte, in pieces that begin at odd places."""
    length = len(payload.view)
    spans = [Span(start, min(start + RANGE_BYTES, length)) for start in range(1, length, RANGE_BYTES)]
    return [wanted(server, path, length, span) for span in spans]


def _small_line(sites: _Sites, payload: Payload, seconds: float, *peers: str, **goals: float) -> Line:
    def side(name: str) -> Side:
        return Side(name, "", lambda: fetch_small(*sites.files(name, payload, _whole), seconds))

    title = f"{len(payload.view) // KIBIBYTE} KiB down"
    return Line(title, "file", side(OURS), [side(peers[0])], [side(name) for name in peers[1:]], **goals)


def _large_line(sites: _Sites, title: str, payload: Payload, kind: Kind, **goals: float) -> Line:
    def side(name: str) -> Side:
        return Side(name, "", lambda: fetch(*sites.files(name, payload, kind)))

    others = [side(name) for name in (BEHIND_NGINX, FASTAPI_FILES, FLASK_GEVENT)]
    return Line(title, "GiB", side(OURS), [side(NGINX)], others, **goals)


def fetch(server: Server, files: list[Wanted], *, repeats: int = REPEATS) -> Spent:
    """What it costs to fetch them one after the other, so often. A unit is a GiB."""

    def fetch_all() -> None:
        for _ in range(repeats):
            for file in files:
                fetcher.fetch(file)

    with Fetcher(server.port) as fetcher:
        gibibytes = repeats * sum(file.length for file in files) / GIBIBYTE
        return spend(server, lambda: timed(fetch_all, units=gibibytes))


def fetch_small(server: Server, files: list[Wanted], seconds: float) -> Spent:
    """What it costs to fetch a small one again and again. A unit is a file."""

    def fetch_all() -> tuple[float, float]:
        results = together([partial(_fetch_for, server.port, files[0], seconds)] * CONNECTIONS)
        took = max(stop for _, _, stop in results) - min(start for _, start, _ in results)
        return sum(count for count, _, _ in results), took

    return spend(server, fetch_all)


def _fetch_for(port: int, file: Wanted, seconds: float, start_together: Start) -> tuple[int, float, float]:
    """In a process of its own: fetch it again and again; how often, and when that began and ended."""
    with ExitStack() as stack:
        fetcher = stack.enter_context(Fetcher(port))
        start_together()
        began, count = time.monotonic(), 0
        while time.monotonic() < began + seconds:
            fetcher.fetch(file)
            count += 1
            if fetcher.is_closing:
                stack.close()
                fetcher = stack.enter_context(Fetcher(port))
        return count, began, time.monotonic()
