"""What do resumable uploads cost? tus-js-client on node sends to our service and to two peers, by turns in one run.

Ours flushes and hashes what it finishes, the peers do neither. A server on node that throws everything away shows what
the client can do at most. Every upload is checked by HEAD, and in the first round by the SHA-256 of what is stored.
Each round has new servers in new folders, which are gone after it.
"""

import argparse
import os
import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.measure import GIBIBYTE, MEBIBYTE, progress, say, sha256_cpu_seconds
from benchmarks.payload import Payload, make_payload
from benchmarks.resumable_client import Way, client, is_installed
from benchmarks.resumable_report import Floor, Measurement, Row, report
from benchmarks.resumable_servers import CONTENDERS, Contender

KIBIBYTE = 1024
SMALL_BYTES = 64 * KIBIBYTE
SMALL_PARALLEL = 8
WARM_UPS = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    group = parser.add_argument_group("resumable")
    group.add_argument("--small-uploads", type=int, default=200, help="how many of 64 KiB (default: 200)")
    group.add_argument(
        "--contender", action="append", choices=list(CONTENDERS), help="only this one; may be repeated (default: all)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    if not is_installed():
        say("There is no node or no npm here: resumable uploads are left out")
        return
    mebibytes = arguments.mebibytes or 1024
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        large = make_payload(folder / "large", mebibytes * MEBIBYTE)
        small = make_payload(folder / "small", arguments.small_uploads * SMALL_BYTES)
        warm_up = make_payload(folder / "warm-up", WARM_UPS * SMALL_BYTES)
        one_by_one = Way(piece_bytes=SMALL_BYTES, parallel=SMALL_PARALLEL)
        rows = [
            Row(f"{mebibytes} MiB in chunks of 5 MiB", large, Way(chunk_bytes=5 * MEBIBYTE)),
            Row(f"{mebibytes} MiB in chunks of 50 MiB", large, Way(chunk_bytes=50 * MEBIBYTE)),
            Row(f"{mebibytes} MiB in one PATCH", large, Way()),
            Row(f"{arguments.small_uploads} uploads of 64 KiB, {SMALL_PARALLEL} at a time", small, one_by_one),
        ]
        results: dict[tuple[str, str], list[Measurement]] = {}
        floors = []
        for number in range(arguments.runs):
            floors.append(_floor(large))
            _run_round(number, [Row("warm-up", warm_up, one_by_one), *rows], results, arguments)
    report(rows, results, floors, runs=arguments.runs)


def _floor(payload: Payload) -> Floor:
    """What hashing a file costs on this machine, and how long a disk takes that has nothing else to do."""
    os.sync()
    copy = payload.path.with_suffix(".copy")
    shutil.copyfile(payload.path, copy)
    began = time.monotonic()
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    flush_seconds = time.monotonic() - began
    copy.unlink()
    gibibytes = len(payload.view) / GIBIBYTE
    return Floor(sha256_cpu_seconds(payload.view) / gibibytes, flush_seconds / gibibytes)


def _run_round(
    number: int, rows: list[Row], results: dict[tuple[str, str], list[Measurement]], arguments: argparse.Namespace
) -> None:
    """Send each of `rows` to each server, and add what it took to `results`. Another server begins each round."""
    names = arguments.contender or list(CONTENDERS)
    turn = number % len(names)
    with ExitStack() as stack:
        contenders = [stack.enter_context(CONTENDERS[name]()) for name in (*names[turn:], *names[:turn])]
        for row in rows:
            for contender in contenders:
                progress(f"run {number + 1} of {arguments.runs}: {row.title}, {contender.name}")
                measurement = _measure(contender, row.payload, row.way, checks_bytes=number == 0)
                results.setdefault((row.title, contender.name), []).append(measurement)


def _measure(contender: Contender, payload: Payload, way: Way, *, checks_bytes: bool) -> Measurement:
    """Send a file, see that it has arrived whole, and remove it."""
    os.sync()  # so that nobody pays for what another has written
    server = contender.server
    with client(contender.endpoint, server.token, payload.path, way) as sender:
        server.forget_peak_memory()
        before = server.cpu_seconds()
        spent = sender.upload()
        cpu_seconds = server.cpu_seconds() - before
        peak_bytes = server.peak_memory_bytes()
        uploads = sender.verify()
    if checks_bytes and contender.digest is not None and contender.digest(uploads) != payload.sha256:
        raise RuntimeError(f"{contender.name} stored other bytes than were sent")
    contender.remove(uploads)
    return Measurement(spent.wall_seconds, cpu_seconds, spent.client_cpu_seconds, peak_bytes)
