"""What do uploads cost, small and large, in one request or in chunks? Beside peers, in the same run, by turns.

Small files and chunks go over four keep-alive connections from processes of their own; large whole files are sent by
the kernel. What arrived is checked by its bytes or its SHA-256. Ours flushes and hashes what it finishes.
"""

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.connection import Connection
from benchmarks.contenders import COPYPARTY, FASTAPI, NODE_TUS, OURS, POCKETBASE, PYTHON_TUS, Contenders
from benchmarks.floor import bare_receive_cpu_seconds
from benchmarks.lines import Line, Side, Spent, compare, size_of, spend, timed
from benchmarks.measure import GIBIBYTE, KIBIBYTE, MEBIBYTE
from benchmarks.payload import Payload, chunk_requests, make_payload
from benchmarks.processes import Start, together
from benchmarks.servers import Server
from benchmarks.small_uploads import BOUNDARY, FRAME, OCTETS, PEER_TUS, PUT, RAW, RECORD, TUS, TUS_OCTETS, small_side

CONNECTIONS = 4
NAME = "payload.bin"
SMALL_BYTES = 16 * KIBIBYTE
FLUSHED, UNFLUSHED = "each file", "nothing"


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        folder = Path(name)
        contenders = Contenders(stack, folder)
        large = make_payload(folder / "large", arguments.mebibytes * MEBIBYTE)
        lines = [*_small_lines(contenders, make_payload(folder / "small", SMALL_BYTES), arguments.seconds)]
        chunked = make_payload(folder / "chunked", arguments.mebibytes // 4 * MEBIBYTE)
        lines += [*_chunk_lines(contenders, chunked, large), *_large_lines(contenders, large)]
        compare("Uploads", lines, arguments)


def _small_lines(contenders: Contenders, payload: Payload, seconds: float) -> list[Line]:
    ours = partial(small_side, contenders, OURS, payload=payload, seconds=seconds, flushes=FLUSHED)
    peer = partial(small_side, contenders, payload=payload, seconds=seconds, flushes=UNFLUSHED)
    raw = ours(way=RAW)
    return [
        Line(
            "16 KiB up raw",
            "upload",
            raw,
            [peer(POCKETBASE, RECORD)],
            [peer(COPYPARTY, PUT)],
            cpu_goal=2,
            rate_goal=0.5,
        ),
        Line("16 KiB up by tus", "upload", ours(way=TUS), [peer(NODE_TUS, PEER_TUS)], cpu_goal=0.9),
        Line("16 KiB in one 17-byte frame", "upload", ours(way=FRAME), [_named("ours, raw", raw)], cpu_goal=1.1),
    ]


def _chunk_lines(contenders: Contenders, small: Payload, large: Payload) -> list[Line]:
    def line(
        title: str,
        payload: Payload,
        chunk_bytes: int,
        *,
        cpu_goal: float | None = None,
        rate_goal: float | None = None,
    ) -> Line:
        def side(name: str, flushes: str) -> Side:
            return Side(name, flushes, lambda: _measure_chunks(contenders[name], payload, chunk_bytes))

        return Line(
            title, "chunk", side(OURS, FLUSHED), [side(FASTAPI, UNFLUSHED)], cpu_goal=cpu_goal, rate_goal=rate_goal
        )

    return [
        line("64 KiB chunks", small, 64 * KIBIBYTE, cpu_goal=0.8),
        line("1 MiB chunks", large, MEBIBYTE, rate_goal=4),
        line("8 MiB chunks", large, 8 * MEBIBYTE),
    ]


def _large_lines(contenders: Contenders, payload: Payload) -> list[Line]:
    size = size_of(payload)

    def side(name: str, flushes: str, send: Callable[[Server, Payload], None]) -> Side:
        return Side(name, flushes, lambda: _send_whole(contenders[name], payload, send))

    raw, by_tus = side(OURS, FLUSHED, _send_raw), side(OURS, FLUSHED, partial(send_by_tus, "/api/uploads"))
    peers = [side(name, UNFLUSHED, partial(send_by_tus, "/files")) for name in (NODE_TUS, PYTHON_TUS)]
    bare = Side("bare loop that receives, hashes, writes", UNFLUSHED, lambda: _receive_barely(payload))
    return [
        Line(
            f"{size} up raw",
            "GiB",
            raw,
            [_named("ours, by tus", by_tus)],
            [side(FASTAPI, UNFLUSHED, _send_raw), bare],
            cpu_goal=1.1,
        ),
        Line(f"{size} up by tus, one PATCH", "GiB", by_tus, peers, cpu_goal=0.61),
        Line(
            f"{size} up in a form",
            "GiB",
            side(OURS, FLUSHED, _send_form),
            [_named("ours, raw", raw)],
            [side(FASTAPI, UNFLUSHED, _send_form)],
            cpu_goal=2,
        ),
    ]


def _named(name: str, side: Side) -> Side:
    return Side(name, side.flushes, side.measure)


def _measure_chunks(server: Server, payload: Payload, chunk_bytes: int) -> Spent:
    """Send a file in chunks, see that it has arrived whole, and delete it."""
    spent = spend(server, lambda: send_chunks(server, payload, chunk_bytes))
    check_and_delete(server, payload)
    return spent


def send_chunks(server: Server, payload: Payload, chunk_bytes: int) -> tuple[float, float]:
    """Send a file in chunks over four connections; how many those were, and the seconds that it took."""
    senders = [partial(_send_every_fourth, server, payload, chunk_bytes, number) for number in range(CONNECTIONS)]
    times = together(senders)
    took = max(stop for _, stop in times) - min(start for start, _ in times)
    return len(payload.view) / chunk_bytes, took


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


def check_and_delete(server: Server, payload: Payload) -> None:
    """See that a file has arrived whole. Raises RuntimeError."""
    with Connection(server.port, server.token) as connection:
        stored = connection.request("GET", f"/api/files/status/{NAME}").expect(200).json()
        if stored["sha256"] != payload.sha256:
            raise RuntimeError(f"{server.name} stored other bytes than were sent: {stored}")
        connection.request("DELETE", f"/api/files/{NAME}").expect(200)


def _send_whole(server: Server, payload: Payload, send: Callable[[Server, Payload], None]) -> Spent:
    """Send a file by one request, see that it has arrived whole, and delete it."""
    gibibytes = len(payload.view) / GIBIBYTE
    spent = spend(server, lambda: timed(lambda: send(server, payload), units=gibibytes))
    if server.name in (NODE_TUS, PYTHON_TUS):
        check_and_empty(server, payload)
    else:
        check_and_delete(server, payload)
    return spent


def check_and_empty(server: Server, payload: Payload) -> None:
    """Of a peer that keeps each upload as a file, and facts about it in files beside. Raises RuntimeError."""
    for path in [path for path in server.folder.rglob("*") if path.is_file() and path.suffix != ".log"]:
        if path.stat().st_size == len(payload.view):
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != payload.sha256:
                    raise RuntimeError(f"{server.name} stored other bytes than were sent")
        path.unlink()


def _send_raw(server: Server, payload: Payload) -> None:
    with Connection(server.port, server.token) as connection, payload.path.open("rb") as file:
        head = connection.head("POST", f"/api/files?filename={NAME}", len(payload.view), OCTETS)
        connection.exchange_file(head, file).expect(201)


def _send_form(server: Server, payload: Payload) -> None:
    with Connection(server.port, server.token) as connection, payload.path.open("rb") as file:
        disposition = f'Content-Disposition: form-data; name="file"; filename="{NAME}"'
        opening = f"--{BOUNDARY}\r\n{disposition}\r\nContent-Type: {OCTETS}\r\n\r\n".encode()
        closing = f"\r\n--{BOUNDARY}--\r\n".encode()
        length = len(opening) + len(payload.view) + len(closing)
        media_type = f"multipart/form-data; boundary={BOUNDARY}"
        head = connection.head("POST", f"/api/files?filename={NAME}", length, media_type)
        connection.exchange_file(head + opening, file, closing).expect(201)


def send_by_tus(path: str, server: Server, payload: Payload) -> None:
    """Send a file in one PATCH, to an upload that is created at `path`."""
    length = len(payload.view)
    version = "Tus-Resumable: 1.0.0\r\n"
    metadata = "Upload-Metadata: filename cGF5bG9hZC5iaW4=\r\n"  # NAME in base64
    with Connection(server.port, server.token) as connection, payload.path.open("rb") as file:
        creation = f"{version}Upload-Length: {length}\r\n{metadata}"
        created = connection.exchange(connection.head("POST", path, 0, OCTETS, creation)).expect(201)
        target = created.field("Location").split("/", 3)[3]
        head = connection.head("PATCH", f"/{target}", length, TUS_OCTETS, f"{version}Upload-Offset: 0\r\n")
        connection.exchange_file(head, file).expect(204)


def _receive_barely(payload: Payload) -> Spent:
    gibibytes, began = len(payload.view) / GIBIBYTE, time.monotonic()
    cpu_seconds = bare_receive_cpu_seconds(payload.path)
    return Spent((time.monotonic() - began) / gibibytes, cpu_seconds / gibibytes)
