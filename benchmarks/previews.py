"""How long a preview takes, and whether uploads feel it."""

import argparse
import io
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from PIL import Image

from benchmarks.connection import Connection
from benchmarks.measure import progress, say, say_goal, say_table
from benchmarks.servers import Server, clean_environment, service, started

SHOWN_MS, RATIO = 300.0, 1.05
PICTURES, ROUNDS, UPLOADS = 40, 12, 40
WARM_UPS = 3
POLL_SECONDS = 0.01
WORKER = [sys.executable, "-m", "gevent.monkey", "--module", "transfer_service.worker"]
Send = Callable[[Connection], float]


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    data = photograph(4000, 3000)
    with _serving("true") as server:
        _measure_pictures(server, data, PICTURES // (4 if arguments.quick else 1))
    rounds, small = 2 if arguments.quick else ROUNDS, photograph(900, 600)
    for what, make in (
        ("64 KiB of no picture", lambda: os.urandom(64 * 1024)),
        ("pictures of 200 KiB", lambda: _different(small)),
        ("1 MiB of no picture", lambda: os.urandom(1024 * 1024)),
    ):
        _compare(what, make, rounds)


def photograph(width: int, height: int) -> bytes:
    """Something as hard to compress as what a camera sees."""
    noise = Image.effect_noise((width, height), 60).convert("RGB")
    shapes = Image.effect_mandelbrot((width, height), (-2, -1.5, 1, 1.5), 100).convert("RGB")
    target = io.BytesIO()
    Image.blend(shapes, noise, 0.3).save(target, "JPEG", quality=88)
    return target.getvalue()


def _different(data: bytes) -> bytes:
    """The same picture in other bytes."""
    return data + os.urandom(16)


@contextmanager
def _serving(previews: str) -> Iterator[Server]:
    """A service with its worker."""
    with service("ours", TRANSFER_PREVIEWS=previews) as server:
        data_dir = str(server.folder / "data")
        with started(server.folder, clean_environment(TRANSFER_DATA_DIR=data_dir, TRANSFER_PREVIEWS=previews), WORKER):
            yield server


def _measure_pictures(server: Server, data: bytes, count: int) -> None:
    asked: list[float] = []
    alone: list[float] = []
    with Connection(server.port, server.token) as connection:
        _watch(connection, _upload(connection, data))  # the worker is there
        for number in range(-WARM_UPS, count):
            for seconds, wait in ((asked, _ask), (alone, _watch)):
                file_id = _upload(connection, _different(data))
                began = time.monotonic()
                wait(connection, file_id)
                if number >= 0:
                    seconds.append(time.monotonic() - began)
            progress(f"{number + 1} of {count}")
    rows = [
        [name, *(f"{1000 * value:.0f} ms" for value in (statistics.median(seconds), _p95(seconds), max(seconds)))]
        for name, seconds in (("asked for at once, seen", asked), ("not asked for, made", alone))
    ]
    say_table(
        f"A JPEG of 12 megapixels, {len(data) / 2**20:.1f} MiB", ["from the upload's end", "p50", "p95", "max"], rows
    )
    p95 = 1000 * _p95(asked)
    say_goal(f"the preview of 12 megapixels: p95 at most {SHOWN_MS:.0f} ms", f"{p95:.0f} ms", p95 <= SHOWN_MS)


def _p95(seconds: Sequence[float]) -> float:
    return sorted(seconds)[int(0.95 * (len(seconds) - 1))]


def _upload(connection: Connection, data: bytes) -> str:
    answer = connection.request("POST", "/api/files?filename=a.jpg", data, media_type="application/octet-stream")
    return str(answer.expect(201).json()["file_id"])


def _ask(connection: Connection, file_id: str) -> None:
    connection.request("GET", f"/api/files/{file_id}/thumbnail?size=480").expect(200)


def _watch(connection: Connection, file_id: str) -> None:
    while connection.request("GET", f"/api/files/{file_id}").expect(200).json()["width"] is None:
        time.sleep(POLL_SECONDS)


def _compare(what: str, make: Callable[[], bytes], rounds: int) -> None:
    """The time of uploads with previews and without, in turns, so that both see the same machine."""
    seconds: dict[str, list[float]] = {"true": [], "false": []}
    cpu = dict.fromkeys(seconds, 0.0)
    with ExitStack() as stack:
        servers = {setting: stack.enter_context(_serving(setting)) for setting in seconds}
        for number in range(rounds):
            for setting, server in servers.items() if number % 2 else reversed(servers.items()):
                with Connection(server.port, server.token) as connection:
                    sent, before = [make() for _ in range(UPLOADS)], server.cpu_seconds()
                    for place, data in enumerate(sent):
                        began = time.monotonic()
                        file_id = _upload(connection, data)
                        if number and place >= WARM_UPS:
                            seconds[setting].append(time.monotonic() - began)
                    cpu[setting] += (server.cpu_seconds() - before) / (rounds * UPLOADS) if number else 0.0
                    if setting == "true" and "no picture" not in what:
                        _watch(connection, file_id)
            progress(f"{number + 1} of {rounds} rounds")
    on, off = (statistics.median(seconds[setting]) for setting in ("true", "false"))
    spent = ", ".join(f"{1000 * each:.2f}" for each in cpu.values())
    say(f"{what}: {1000 * on:.2f} ms with previews, {1000 * off:.2f} ms without; ms of the service's CPU: {spent}")
    say_goal(f"an upload with previews, of {what}: at most {RATIO} times", f"{on / off:.2f} times", on / off <= RATIO)
