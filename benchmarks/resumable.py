"""What do uploads by tus-js-client on node cost? Beside peers, in the same run, by turns; and on a long line.

Ours flushes and hashes what it finishes, the peers do neither. Every upload is checked by HEAD, and by its bytes where
they lie. What a server costs with a client that costs nothing is a question of `benchmarks.uploads`.

On the long line 200 small files go over 8 connections, each in one request that takes a round trip: at most so fast
can anybody be.
"""

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.connection import Connection
from benchmarks.contenders import NODE_TUS, OURS, OURS_ACK, PYTHON_TUS, Contenders
from benchmarks.lines import Line, Side, Spent, compare, size_of, spend
from benchmarks.measure import GIBIBYTE, KIBIBYTE, MEBIBYTE, say
from benchmarks.payload import Payload, make_payload
from benchmarks.resumable_client import Way, client, is_installed
from benchmarks.servers import Server
from benchmarks.uploads import FLUSHED, UNFLUSHED, check_and_empty
from tests.live.slow_line import slow_line

PARALLEL = 8
SMALL_FILES, SMALL_BYTES = 200, 16 * KIBIBYTE
MEDIUM_BYTES = 64 * KIBIBYTE
ROUND_TRIP_SECONDS = 0.1


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    if not is_installed():
        say("There is no node or no npm here: tus-js-client is left out")
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        contenders = Contenders(stack, Path(name))
        large = make_payload(Path(name) / "large", arguments.mebibytes * MEBIBYTE)
        medium = make_payload(Path(name) / "medium", SMALL_FILES * MEDIUM_BYTES)
        small = make_payload(Path(name) / "small", SMALL_FILES * SMALL_BYTES)
        one_by_one = Way(piece_bytes=MEDIUM_BYTES, parallel=PARALLEL)
        lines = [
            _line(contenders, f"{size_of(large)} in chunks of 5 MiB", large, Way(chunk_bytes=5 * MEBIBYTE)),
            _line(contenders, f"{size_of(large)} in chunks of 50 MiB", large, Way(chunk_bytes=50 * MEBIBYTE)),
            _line(contenders, f"{SMALL_FILES} of 64 KiB, {PARALLEL} at a time", medium, one_by_one),
            _long_line(contenders, small),
        ]
        compare("tus-js-client", lines, arguments)


def _line(contenders: Contenders, title: str, payload: Payload, way: Way) -> Line:
    uploads = len(payload.view) / GIBIBYTE if way.piece_bytes is None else SMALL_FILES

    def side(name: str, flushes: str) -> Side:
        return Side(name, flushes, lambda: _measure(contenders[name], payload, way, uploads))

    peers = [side(name, UNFLUSHED) for name in (NODE_TUS, PYTHON_TUS)]
    unit = "GiB" if way.piece_bytes is None else "upload"
    return Line(title, unit, side(OURS, FLUSHED), peers, [side(OURS_ACK, "each PATCH")], rate_goal=1.3)


def _long_line(contenders: Contenders, payload: Payload) -> Line:
    way = Way(piece_bytes=SMALL_BYTES, parallel=PARALLEL, in_creation=True)

    def side(name: str, flushes: str) -> Side:
        return Side(name, flushes, lambda: _measure(contenders[name], payload, way, 1, ROUND_TRIP_SECONDS))

    floor = Spent(SMALL_FILES / PARALLEL * ROUND_TRIP_SECONDS, 0)
    title = f"{SMALL_FILES} of 16 KiB, {PARALLEL} at a time, {ROUND_TRIP_SECONDS * 1000:.0f} ms away"
    peers = [Side("a round trip for each", "", lambda: floor)]
    return Line(title, "all", side(OURS, FLUSHED), peers, [side(NODE_TUS, UNFLUSHED)], rate_goal=1 / 1.4)


def _measure(server: Server, payload: Payload, way: Way, units: float, round_trip_seconds: float = 0) -> Spent:
    """Send a file, see that it has arrived whole, and remove it."""
    path = "/files" if server.name in (NODE_TUS, PYTHON_TUS) else "/api/uploads"
    with ExitStack() as stack:
        port = server.port
        if round_trip_seconds:
            port = stack.enter_context(slow_line(server.port, round_trip_seconds=round_trip_seconds))
        sender = stack.enter_context(client(f"http://127.0.0.1:{port}{path}", server.token, payload.path, way))
        spent = spend(server, lambda: (units, sender.upload().wall_seconds))
        uploads = sender.verify()
    if server.name in (NODE_TUS, PYTHON_TUS):
        check_and_empty(server, payload)
        return spent
    with Connection(server.port, server.token) as connection:
        for upload in uploads:
            connection.request("DELETE", f"/api/files/{upload.name}").expect(200)
    return spent
