"""What instances on an object store ask it for, how fast they read back what they have to hash, and their memory."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial

from benchmarks import growing_peer, uploads
from benchmarks.connection import Connection
from benchmarks.fetch import Fetcher, Wanted, wanted
from benchmarks.growing_site import INSTANCES, Site
from benchmarks.growing_ways import (
    CHUNK_BYTES,
    PATCH_BYTES,
    UP,
    VERSION,
    Downloads,
    create,
    finished,
    send_patch,
    wait_until_complete,
)
from benchmarks.measure import GIBIBYTE, MEBIBYTE, progress, say_goal, say_table
from benchmarks.payload import Payload, chunk_requests
from benchmarks.servers import Server, another_instance
from benchmarks.small_uploads import RAW

METHODS = ("PUT", "POST", "COPY", "GET", "DELETE", "LIST")
AGAIN = 20
FEW, MANY = 2, 8
MOST_PER_TRANSFER = 24 * MEBIBYTE
HASHED_PER_SECOND = 400 * MEBIBYTE
SAMPLE_SECONDS = 0.05


def say_requests(site: Site, large: Payload, small: Payload) -> None:
    """What a GiB asks of the store, and what a small request does."""
    asked = _Asked(site, GIBIBYTE / len(large.view))
    path = Downloads(site).path(site.one, large)
    with site.worker():
        for way, send in UP.items():
            for count in (1, INSTANCES):
                server = site.one if count == 1 else site.three
                asked.line(f"a GiB up {way}, {count} of us", partial(finished, server, large, send))
                asked.line("  and made one object", site.wait_for_compaction)
                asked.line("  and deleted", partial(uploads.check_and_delete, server, large))
    for title, server in (("through us", site.one), ("by X-Accel", site.accelerated)):
        file = wanted(server, path, len(large.view))
        asked.line(f"a GiB down {title}", partial(_fetch, server, file))
    asked.units = 1 / AGAIN
    _small_requests(asked, site, small)
    say_table("Requests to the store (a HEAD is a GET)", asked.columns, asked.rows)


class _Asked:
    """A table of what the store was asked. `units`: by what all is multiplied."""

    columns = ("", *METHODS, "MiB in", "MiB out", "store CPU ms")

    def __init__(self, site: Site, units: float) -> None:
        self.units = units
        self.rows: list[Sequence[str]] = []
        self._site = site

    def line(self, title: str, work: Callable[[], object]) -> None:
        """Do it, and note what the store was asked."""
        progress(f"requests: {title.strip()}")
        before, cpu = self._site.asked(), self._site.store_cpu_seconds()
        work()
        now, spent = self._site.asked(), self._site.store_cpu_seconds() - cpu
        counts = [f"{(now[method] - before[method]) * self.units:.4g}" for method in METHODS]
        moved = [f"{(now[way] - before[way]) * self.units / MEBIBYTE:.4g}" for way in ("received", "sent")]
        self.rows.append([title, *counts, *moved, f"{spent * self.units * 1000:.3g}"])


def _fetch(server: Server, file: Wanted) -> None:
    with Fetcher(server.port) as fetcher:
        fetcher.fetch(file)


def _small_requests(asked: _Asked, site: Site, small: Payload) -> None:
    path = Downloads(site).path(site.one, small)
    with Connection(site.one.port, site.one.token) as connection:
        names = iter(f"asked-{number}" for number in range(AGAIN))
        target = create(connection, len(small.view))
        head_of_file = connection.head("HEAD", path, 0, "text/plain")
        head_of_upload = connection.head("HEAD", target, 0, "text/plain", VERSION)
        for title, work in (
            ("16 KiB up", lambda: connection.exchange(RAW.request(connection, next(names), bytes(small.view)))),
            ("16 KiB down", lambda: connection.request("GET", path)),
            ("HEAD of a file", lambda: connection.exchange_head(head_of_file)),
            ("HEAD of an upload", lambda: connection.exchange_head(head_of_upload)),
        ):
            asked.line(title, partial(_often, work))


def _often(work: Callable[[], object]) -> None:
    for _ in range(AGAIN):
        work()


def say_hashing(site: Site, large: Payload, _small: Payload) -> None:
    """How long the last chunk waits until all that others have sent is hashed, beside a download of it by boto3."""
    fastest = min(growing_peer.download(site.store, large).wall_seconds for _ in range(2))
    goal = min(HASHED_PER_SECOND, GIBIBYTE / fastest)
    for title, send in (("chunks of 64 KiB", _all_but_one_chunk), ("PATCHes of 5 MiB", _all_but_one_patch)):
        progress(f"hashing: {title}")
        with send(site.three, large) as last:
            began = time.monotonic()
            last()
            wait_until_complete(site.three)
            took = time.monotonic() - began
        uploads.check_and_delete(site.three, large)
        pace = len(large.view) / took
        text = f"{pace / MEBIBYTE:.0f} MiB/s, the last answer took {took:.2f} s"
        text += f"; boto3 downloads {GIBIBYTE / fastest / MEBIBYTE:.0f} MiB/s"
        say_goal(f"{title} over {INSTANCES} instances are hashed at {goal / MEBIBYTE:.0f} MiB/s", text, pace >= goal)


@contextmanager
def _all_but_one_chunk(server: Server, payload: Payload) -> Iterator[Callable[[], object]]:
    starts = range(0, len(payload.view), CHUNK_BYTES)
    with Connection(server.port, server.token) as connection:
        *most, last = chunk_requests(connection, uploads.NAME, payload, starts, chunk_bytes=CHUNK_BYTES)
        for head, data in most:
            connection.exchange(head, data).expect(200)
        yield lambda: connection.exchange(*last).expect(200)


@contextmanager
def _all_but_one_patch(server: Server, payload: Payload) -> Iterator[Callable[[], object]]:
    with Connection(server.port, server.token) as connection:
        target = create(connection, len(payload.view))
        *most, last = range(0, len(payload.view), PATCH_BYTES)
        for start in most:
            send_patch(connection, target, payload, start)
        yield lambda: send_patch(connection, target, payload, last)


def say_memory(site: Site, large: Payload, _small: Payload) -> None:
    """How much more a process has while it takes or sends many large files, beside a few."""
    site.instances(1)
    with another_instance("memory", site.settings) as server:
        path = Downloads(site).path(server, large)
        file = wanted(server, path, len(large.view))
        for title, work in (("up", partial(_send, server, large)), ("down", lambda _number: _fetch(server, file))):
            peaks = [_peak(server, work, count) for count in (MANY, FEW, MANY)]  # the first one makes all clients
            per_transfer = (peaks[2] - peaks[1]) / (MANY - FEW)
            told = f"{per_transfer / MEBIBYTE:.1f} MiB (the process has {peaks[1] / MEBIBYTE:.0f} MiB with {FEW},"
            told += f" {peaks[2] / MEBIBYTE:.0f} MiB with {MANY})"
            goal = f"each large file {title} takes {MOST_PER_TRANSFER // MEBIBYTE} MiB of memory at most"
            say_goal(goal, told, per_transfer <= MOST_PER_TRANSFER)


def _send(server: Server, payload: Payload, number: int) -> None:
    name = f"large-{number}"
    with Connection(server.port, server.token) as connection:
        send_patch(connection, create(connection, len(payload.view), name), payload, 0, len(payload.view))
        connection.request("DELETE", f"/api/files/{name}").expect(200)


def _peak(server: Server, work: Callable[[int], None], count: int) -> int:
    """The most memory that the server's processes have while so many do that."""
    with ThreadPoolExecutor(count) as pool:
        waiting = {pool.submit(work, number) for number in range(count)}
        most = 0
        while waiting:
            most = max(most, server.shared_memory_bytes())
            done, waiting = wait(waiting, SAMPLE_SECONDS)
            for each in done:
                each.result()
    return most
