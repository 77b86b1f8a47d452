"""How fast do files come in, and what do they cost the server? Beside a peer, in the same run.

Chunks go over four keep-alive connections from processes of their own, which hold their frames ready; whole files are
sent by the kernel. Every result is checked by its SHA-256. One row after the other, ours and the peer's by turns.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.connection import Connection
from benchmarks.floor import bare_receive_cpu_seconds
from benchmarks.measure import (
    GIBIBYTE,
    MEBIBYTE,
    Cost,
    median_cost,
    progress,
    say,
    say_goal,
    say_table,
    sha256_cpu_seconds,
)
from benchmarks.payload import Payload, chunk_requests, make_payload
from benchmarks.processes import Start, together
from benchmarks.servers import Server, fastapi_peer, service

CONNECTIONS = 4
NAME = "payload.bin"
BOUNDARY = "a-boundary-that-does-not-occur"
COLUMNS = ["", "MiB", "ours MiB/s", "peer MiB/s", "ratio", "ours CPU s/GiB", "peer CPU s/GiB", "ratio"]


@dataclass(frozen=True)
class Row:
    """One line of the table: how `payload` is sent to a server, and the wall-clock seconds that takes."""

    title: str
    payload: Payload
    send: Callable[[Server, Payload], float]


@dataclass(frozen=True)
class Floor:
    """CPU seconds per GiB on this machine, in the same run: of SHA-256 alone, and of receiving, hashing and writing."""

    sha256: float
    receive: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    group = parser.add_argument_group("uploads")
    group.add_argument(
        "--durability", choices=["process", "complete", "ack"], default="complete", help="of our service (complete)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        large = make_payload(Path(folder) / "large", (arguments.mebibytes or 1024) * MEBIBYTE)
        small = make_payload(Path(folder) / "small", (arguments.mebibytes or 256) * MEBIBYTE)
        rows = [
            Row("64 KiB chunks", small, partial(_send_chunks, chunk_bytes=64 * 1024)),
            Row("1 MiB chunks", large, partial(_send_chunks, chunk_bytes=MEBIBYTE)),
            Row("8 MiB chunks", large, partial(_send_chunks, chunk_bytes=8 * MEBIBYTE)),
            Row("whole file, raw", large, _send_raw),
            Row("whole file, form", large, _send_form),
        ]
        with service(TRANSFER_DURABILITY=arguments.durability) as ours, fastapi_peer() as peer:
            costs: dict[tuple[str, str], list[Cost]] = {}
            hashing, receiving = [], []
            for number in range(arguments.runs):
                hashing.append(sha256_cpu_seconds(large.view) * GIBIBYTE / len(large.view))
                receiving.append(bare_receive_cpu_seconds(large.path) * GIBIBYTE / len(large.view))
                for row in rows:
                    for server in (ours, peer) if number % 2 == 0 else (peer, ours):
                        progress(f"run {number + 1} of {arguments.runs}: {row.title}, {server.name}")
                        costs.setdefault((row.title, server.name), []).append(_measure(row, server))
    medians = {key: median_cost(each) for key, each in costs.items()}
    _report(rows, medians, Floor(median(hashing), median(receiving)), arguments)


def _measure(row: Row, server: Server) -> Cost:
    """Send a row's file, see that it has arrived whole, and delete it."""
    before = server.cpu_seconds()
    wall_seconds = row.send(server, row.payload)
    cpu_seconds = server.cpu_seconds() - before
    with Connection(server.port, server.token) as connection:
        stored = connection.request("GET", f"/api/files/status/{NAME}").expect(200).json()
        if stored["sha256"] != row.payload.sha256:
            raise RuntimeError(f"{server.name} stored other bytes than were sent: {stored}")
        connection.request("DELETE", f"/api/files/{NAME}").expect(200)
    return Cost(wall_seconds, cpu_seconds)


def _send_chunks(server: Server, payload: Payload, *, chunk_bytes: int) -> float:
    senders = [partial(_send_every_fourth, server, payload, chunk_bytes, number) for number in range(CONNECTIONS)]
    times = together(senders)
    return max(stop for _, stop in times) - min(start for start, _ in times)


def _send_every_fourth(
    server: Server, payload: Payload, chunk_bytes: int, number: int, start_together: Start
) -> tuple[float, float]:
    """In a process of its own: send every fourth chunk, and tell when that began and ended."""
    with Connection(server.port, server.token) as connection:
        starts = range(number * chunk_bytes, len(payload.view), CONNECTIONS * chunk_bytes)
        requests = chunk_requests(connection, NAME, payload, starts, chunk_bytes=chunk_bytes)
        start_together()
        began = time.monotonic()
        for head, data in requests:
            connection.exchange(head, data).expect(200)
        return began, time.monotonic()


def _send_raw(server: Server, payload: Payload) -> float:
    with Connection(server.port, server.token) as connection, payload.path.open("rb") as file:
        path = f"/api/files?filename={NAME}"
        head = connection.head("POST", path, len(payload.view), "application/octet-stream")
        began = time.monotonic()
        connection.exchange_file(head, file).expect(201)
        return time.monotonic() - began


def _send_form(server: Server, payload: Payload) -> float:
    with Connection(server.port, server.token) as connection, payload.path.open("rb") as file:
        disposition = f'Content-Disposition: form-data; name="file"; filename="{NAME}"'
        opening = f"--{BOUNDARY}\r\n{disposition}\r\nContent-Type: application/octet-stream\r\n\r\n".encode()
        closing = f"\r\n--{BOUNDARY}--\r\n".encode()
        length = len(opening) + len(payload.view) + len(closing)
        media_type = f"multipart/form-data; boundary={BOUNDARY}"
        head = connection.head("POST", f"/api/files?filename={NAME}", length, media_type)
        began = time.monotonic()
        connection.exchange_file(head + opening, file, closing).expect(201)
        return time.monotonic() - began


def _report(rows: list[Row], medians: dict[tuple[str, str], Cost], floor: Floor, arguments: argparse.Namespace) -> None:
    lines, throughput_ratio, cpu_per_gibibyte = [], {}, {}
    for row in rows:
        size = len(row.payload.view)
        ours, peer = medians[row.title, "service"], medians[row.title, "peer"]
        throughput_ratio[row.title] = peer.wall_seconds / ours.wall_seconds
        cpu_per_gibibyte[row.title] = ours.cpu_seconds * GIBIBYTE / size
        lines.append(
            [
                row.title,
                f"{size // MEBIBYTE}",
                f"{size / MEBIBYTE / ours.wall_seconds:.0f}",
                f"{size / MEBIBYTE / peer.wall_seconds:.0f}",
                f"{throughput_ratio[row.title]:.2f}",
                f"{cpu_per_gibibyte[row.title]:.2f}",
                f"{peer.cpu_seconds * GIBIBYTE / size:.2f}",
                f"{ours.cpu_seconds / peer.cpu_seconds:.2f}",
            ]
        )
    title = f"Uploads, medians of {arguments.runs} runs, durability {arguments.durability} (the peer flushes nothing)"
    say_table(title, COLUMNS, lines)
    raw, form = cpu_per_gibibyte["whole file, raw"], cpu_per_gibibyte["whole file, form"]
    chunks = throughput_ratio["1 MiB chunks"]
    say()
    say(f"SHA-256 alone: {floor.sha256:.2f} CPU s/GiB. Raw upload without it: {raw - floor.sha256:.2f} CPU s/GiB")
    say(f"Without HTTP, a bare loop that receives, hashes and writes: {floor.receive:.2f} CPU s/GiB")
    say()
    say_goal("1 MiB chunks at least 4 times as fast as the peer", f"{chunks:.2f} times", chunks >= 4)
    limit = 0.45 + floor.sha256
    say_goal("raw upload at most 0.45 CPU s/GiB and SHA-256's", f"{raw:.2f} of {limit:.2f}", raw <= limit)
    say_goal("form upload at most twice the CPU of a raw one", f"{form / raw:.2f} times", form <= 2 * raw)
