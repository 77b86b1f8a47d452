"""What does it cost to have several instances on an object store? Beside boto3 at the same store, in the same run.

The store is SeaweedFS, beside PostgreSQL and Redis, all on this machine: so everybody, boto3 too, shares its
processors with the store, and only ratios say anything. CPU times are with those of the store and the database. boto3
sends and fetches as it does by itself, ten parts at once, and neither hashes what it has sent nor knows whose it is.
Uploads are measured until they are complete: hashed, and there for all instances. The worker, which makes one object of
pieces, does not run while that is timed; what it asks the store for is counted after it, by the store itself.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks import downloads, growing_peer, small_uploads
from benchmarks.connection import Connection
from benchmarks.fetch import wanted
from benchmarks.growing_cost import say_hashing, say_memory, say_requests
from benchmarks.growing_site import Site, site
from benchmarks.growing_ways import UP, VERSION, Downloads, create, up
from benchmarks.lines import Line, Side, Spent, compare, size_of, spend
from benchmarks.measure import KIBIBYTE, MEBIBYTE, say
from benchmarks.payload import Payload, make_payload
from benchmarks.processes import Start, together
from benchmarks.servers import NotInstalled, Server

CONNECTIONS = 4
SMALL_BYTES = 16 * KIBIBYTE
UP_GOAL, DOWN_GOAL, ACCELERATED_GOAL = 0.8, 0.9, 1.0
BOTO3 = "boto3"


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        try:
            found = stack.enter_context(site())
        except NotInstalled as error:
            say(f"Left out: {error}")
            return
        large = make_payload(Path(name) / "large", arguments.mebibytes * MEBIBYTE)
        small = make_payload(Path(name) / "small", SMALL_BYTES)
        growing = _Growing(found, large, small, arguments.seconds)
        lines = [*growing.up_lines(), *growing.down_lines(), *growing.small_lines()]
        compare("Instances on an object store", lines, arguments)
        for title, tell in (("requests", say_requests), ("hashing", say_hashing), ("memory", say_memory)):
            if arguments.only.lower() in title:
                found.free_deleted()
                tell(found, large, small)


class _Growing:
    """The lines."""

    def __init__(self, found: Site, large: Payload, small: Payload, seconds: float) -> None:
        self._site, self._large, self._small, self._seconds = found, large, small, seconds
        self._downloads = Downloads(found)

    def up_lines(self) -> list[Line]:
        """Large files up, through one instance and through three."""
        peer = Side(BOTO3, "", lambda: growing_peer.upload(self._site.store, self._large))
        return [
            Line(
                f"{size_of(self._large)} up {way}, {count} instance{'s' * (count > 1)}",
                "GiB",
                Side("ours", "each file", partial(self._up, way, count)),
                [peer],
                rate_goal=UP_GOAL,
            )
            for way in UP
            for count in (1, 3)
        ]

    def _up(self, way: str, count: int) -> Spent:
        spent = up(self._site.one if count == 1 else self._site.three, self._large, UP[way])
        self._site.free_deleted()
        return spent

    def down_lines(self) -> list[Line]:
        """Large files down."""
        peer = Side(BOTO3, "", lambda: growing_peer.download(self._site.store, self._large))

        whole, ranges = self._downloads.whole, self._downloads.ranges
        sides: list[tuple[str, Callable[[], Spent], float]] = [
            ("whole, 1 instance", lambda: whole(self._site.one, self._large), DOWN_GOAL),
            ("in ranges of 64 MiB, 1 instance", lambda: ranges(self._site.one, self._large), DOWN_GOAL),
            ("in ranges of 64 MiB, 3 instances", lambda: ranges(self._site.three, self._large), DOWN_GOAL),
            ("whole, X-Accel", lambda: whole(self._site.accelerated, self._large), ACCELERATED_GOAL),
            ("in ranges of 64 MiB, X-Accel", lambda: ranges(self._site.accelerated, self._large), ACCELERATED_GOAL),
            ("whole, 307", lambda: self._downloads.redirected(self._site.redirecting, self._large), ACCELERATED_GOAL),
        ]
        return [
            Line(f"{size_of(self._large)} down {title}", "GiB", Side("ours", "", fetch), [peer], rate_goal=goal)
            for title, fetch, goal in sides
        ]

    def small_lines(self) -> list[Line]:
        """Small files, and HEAD; on four connections, beside four processes with boto3."""

        def peer(name: str, work: growing_peer.SmallWork) -> Side:
            return Side(name, "", lambda: work(self._site.store, self._small, self._seconds, processes=CONNECTIONS))

        def up(way: small_uploads.Way) -> Side:
            data = bytes(self._small.view)
            return Side("ours", "each file", lambda: small_uploads.measure(self._site.one, way, data, self._seconds))

        put, get, head = (
            peer("put_object", growing_peer.put_small),
            peer("get_object", growing_peer.get_small),
            peer("head_object", growing_peer.head_small),
        )
        return [
            Line("16 KiB up raw", "file", up(small_uploads.RAW), [put]),
            Line("16 KiB up by tus", "file", up(small_uploads.TUS), [put]),
            Line("16 KiB down", "file", Side("ours", "", self._down), [get]),
            Line("HEAD of a file", "request", Side("ours", "", self._head_of_file), [head]),
            Line("HEAD of an upload", "request", Side("ours", "", self._head_of_upload), [head]),
        ]

    def _down(self) -> Spent:
        server = self._site.one
        return downloads.fetch_small(
            server, [wanted(server, self._downloads.path(server, self._small), SMALL_BYTES)], self._seconds
        )

    def _head_of_file(self) -> Spent:
        server = self._site.one
        with Connection(server.port, server.token) as connection:
            head = connection.head("HEAD", self._downloads.path(server, self._small), 0, "text/plain")
        return self._heads(server, head)

    def _head_of_upload(self) -> Spent:
        server = self._site.one
        with Connection(server.port, server.token) as connection:
            target = create(connection, SMALL_BYTES)
            spent = self._heads(server, connection.head("HEAD", target, 0, "text/plain", VERSION))
            connection.exchange(connection.head("DELETE", target, 0, "text/plain", VERSION)).expect(204)
        return spent

    def _heads(self, server: Server, head: bytes) -> Spent:
        def ask_all() -> tuple[float, float]:
            results = together([partial(_ask_for, server.port, head, self._seconds)] * CONNECTIONS)
            took = max(stop for _, _, stop in results) - min(start for _, start, _ in results)
            return sum(count for count, _, _ in results), took

        return spend(server, ask_all)


def _ask_for(port: int, head: bytes, seconds: float, start_together: Start) -> tuple[int, float, float]:
    with Connection(port) as connection:
        start_together()
        began, count = time.monotonic(), 0
        while time.monotonic() < began + seconds:
            if connection.exchange_head(head).status not in {200, 204}:
                raise RuntimeError("A HEAD was refused")
            count += 1
        return count, began, time.monotonic()
