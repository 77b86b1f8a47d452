"""Does anybody wait for others? A small request while files go up and down, and among thousands who do nothing.

First part: eight clients download and eight upload (four whole files, four chunks of 1 MiB) as fast as they can, and
one asks for the status of a file every 20 ms, on one connection; beside it, the same without the others. Second part:
`benchmarks.crowd`, and a list of a hundred files among its idle and slow clients and one who sends and fetches a file
as fast as it can. The clients share the machine's CPUs with the server, which clients elsewhere would not: so the busy
ones have lower priority than the server and the one who measures. What they moved meanwhile is printed, too.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.connection import Connection
from benchmarks.crowd import (
    IDLE,
    SLOW,
    SLOW_IDLE,
    STALLED,
    Crowd,
    allow_open_files,
    go_slowly,
    idle_connections,
    measure_crowd,
)
from benchmarks.fetch import Fetcher, wanted
from benchmarks.measure import MEBIBYTE, progress, say, say_goal, say_table
from benchmarks.payload import Payload, chunk_requests, make_payload, store
from benchmarks.probe import Latency, median_latency, probe
from benchmarks.processes import Count, background
from benchmarks.servers import Server, service

DOWNLOADS, UPLOADS = 8, 8
FILE_BYTES, CHUNK_BYTES = 64 * MEBIBYTE, MEBIBYTE
OCTETS = "application/octet-stream"
RAMP_SECONDS = 2.0
LATENCY_GOAL_SECONDS, LIST_GOAL_SECONDS, MEMORY_GOAL_KIB = 0.050, 0.010, 100
LISTED, LIST = 100, "/api/files?limit=100"
COLUMNS = ["", "median ms", "p99 ms", "max ms", "down MiB/s", "up MiB/s"]


@dataclass(frozen=True)
class Busy:
    """How long the small request took among busy clients, and the MiB per second that these moved."""

    latency: Latency
    down: float
    up: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    group = parser.add_argument_group("fairness")
    group.add_argument("--probe-seconds", type=float, default=15, help="how long each part of a run asks (default: 15)")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    seconds = arguments.probe_seconds
    has_room = allow_open_files()
    idle, busy, crowds, lists = [], [], [], []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        payload = make_payload(Path(folder) / "payload", FILE_BYTES)
        with service() as server:
            path = store(server, payload)
            for number in range(arguments.runs):
                progress(f"run {number + 1} of {arguments.runs}: nobody else")
                idle.append(probe(server, f"/api/files/status/{payload.path.name}", seconds))
                progress(f"run {number + 1} of {arguments.runs}: among {DOWNLOADS} downloads and {UPLOADS} uploads")
                busy.append(_measure_busy(server, payload, path, seconds))
        for number in range(arguments.runs if has_room else 0):
            progress(f"run {number + 1} of {arguments.runs}: among {IDLE} idle connections and {STALLED} stalled ones")
            with service() as server:
                crowds.append(measure_crowd(server, payload, seconds))
            progress(f"run {number + 1} of {arguments.runs}: a list among {SLOW_IDLE} idle, {SLOW} slow and a fast one")
            with service() as server:
                lists.append(_measure_list(server, payload, seconds))
    _report(idle, busy, crowds, lists)


def _measure_list(server: Server, payload: Payload, seconds: float) -> Latency:
    path = store(server, payload)
    with Connection(server.port, server.token) as connection:
        for number in range(LISTED):
            connection.request("POST", f"/api/files?filename={number}.bin", b"listed").expect(201)
    slow = partial(go_slowly, server, path, FILE_BYTES)
    with ExitStack() as stack:
        idle = idle_connections(stack, server, SLOW_IDLE, LIST)
        with background([slow, partial(_go_fast, server, payload, path)]):
            time.sleep(RAMP_SECONDS)
            latency = probe(server, LIST, seconds)
        for connection in idle:
            connection.request("GET", LIST).expect(200)
    return latency


def _go_fast(server: Server, payload: Payload, path: str, count: Count) -> None:
    """In a process of its own: send a file and fetch one, for ever."""
    file = wanted(server, path, FILE_BYTES)
    with Connection(server.port, server.token) as connection, payload.path.open("rb") as body:
        head = connection.head("POST", "/api/files?filename=fast.bin&overwrite=true", FILE_BYTES, OCTETS)
        with Fetcher(server.port) as fetcher:
            while True:
                connection.exchange_file(head, body).expect(201)
                fetcher.fetch(file)
                count(2 * FILE_BYTES)


def _measure_busy(server: Server, payload: Payload, path: str, seconds: float) -> Busy:
    works: list[Callable[[Count], None]] = [partial(_download, server, path)] * DOWNLOADS
    for number in range(UPLOADS):
        upload = _upload_chunks if number % 2 else _upload_whole
        works.append(partial(upload, server, payload, f"busy-{number}.bin"))
    with background(works) as totals:
        time.sleep(RAMP_SECONDS)
        before, began = totals(), time.monotonic()
        latency = probe(server, f"/api/files/status/{payload.path.name}", seconds)
        took = time.monotonic() - began
        rates = [(now - then) / MEBIBYTE / took for now, then in zip(totals(), before, strict=True)]
    return Busy(latency, down=sum(rates[:DOWNLOADS]), up=sum(rates[DOWNLOADS:]))


def _download(server: Server, path: str, count: Count) -> None:
    """In a process of its own: fetch the file for ever."""
    file = wanted(server, path, FILE_BYTES)
    with Fetcher(server.port) as fetcher:
        while True:
            fetcher.fetch(file)
            count(FILE_BYTES)


def _upload_whole(server: Server, payload: Payload, name: str, count: Count) -> None:
    """In a process of its own: send the file for ever, each time in place of the one before."""
    with Connection(server.port, server.token) as connection, payload.path.open("rb") as file:
        target = f"/api/files?filename={name}&overwrite=true"
        head = connection.head("POST", target, FILE_BYTES, OCTETS)
        while True:
            connection.exchange_file(head, file).expect(201)
            count(FILE_BYTES)


def _upload_chunks(server: Server, payload: Payload, name: str, count: Count) -> None:
    """In a process of its own: send the file in chunks and delete it, for ever."""
    with Connection(server.port, server.token) as connection:
        starts = range(0, FILE_BYTES, CHUNK_BYTES)
        requests = chunk_requests(connection, name, payload, starts, chunk_bytes=CHUNK_BYTES)
        connection.request("DELETE", f"/api/files/{name}")  # the run before this one has left it
        while True:
            for head, data in requests:
                connection.exchange(head, data).expect(200)
                count(CHUNK_BYTES)
            connection.request("DELETE", f"/api/files/{name}").expect(200)


def _report(idle: Sequence[Latency], busy: Sequence[Busy], crowds: Sequence[Crowd], lists: Sequence[Latency]) -> None:
    among = median_latency([each.latency for each in busy])
    rates = [f"{median(each.down for each in busy):.0f}", f"{median(each.up for each in busy):.0f}"]
    rows = [
        ["nobody else", *_cells(median_latency(idle)), "", ""],
        [f"{DOWNLOADS} downloads, {UPLOADS} uploads", *_cells(among), *rates],
    ]
    limit = LATENCY_GOAL_SECONDS * 1000
    goals = [(f"among busy clients: p99 at most {limit:.0f} ms", among, LATENCY_GOAL_SECONDS)]
    if crowds:
        still = median_latency([each.latency for each in crowds])
        rows.append([f"{IDLE} idle, {STALLED} stalled", *_cells(still), "", ""])
        goals.append((f"among idle and stalled clients: p99 at most {limit:.0f} ms", still, LATENCY_GOAL_SECONDS))
        listed = median_latency(lists)
        rows.append([f"a list: {SLOW_IDLE} idle, {SLOW} slow, 1 fast", *_cells(listed), "", ""])
        goal = f"a list among idle, slow and a fast one: p99 at most {LIST_GOAL_SECONDS * 1000:.0f} ms"
        goals.append((goal, listed, LIST_GOAL_SECONDS))
    say_table(f"Time of a small request, medians of {len(idle)} runs (max: of all)", COLUMNS, rows)
    say()
    for goal, latency, seconds in goals:
        say_goal(goal, f"{latency.p99_seconds * 1000:.1f} ms", latency.p99_seconds <= seconds)
    if crowds:
        kibibytes = median(each.bytes_per_connection for each in crowds) / 1024
        goal = f"memory of the server, a connection: under {MEMORY_GOAL_KIB} KiB"
        say_goal(goal, f"{kibibytes:.1f} KiB", kibibytes < MEMORY_GOAL_KIB)


def _cells(latency: Latency) -> list[str]:
    times = (latency.median_seconds, latency.p99_seconds, latency.max_seconds)
    return [f"{seconds * 1000:.1f}" for seconds in times]
