"""How large files go up and down at instances that share an object store."""

import base64
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from benchmarks import downloads, uploads
from benchmarks.connection import Connection
from benchmarks.fetch import Fetcher, Wanted, wanted
from benchmarks.growing_site import Site
from benchmarks.lines import Spent, spend, timed
from benchmarks.measure import GIBIBYTE, KIBIBYTE, MEBIBYTE
from benchmarks.payload import Payload, store
from benchmarks.servers import Server
from benchmarks.small_uploads import OCTETS, TUS_OCTETS
from transfer_service.wire.ranges import Span

CHUNK_BYTES = 64 * KIBIBYTE
PATCH_BYTES = 5 * MEBIBYTE
RANGE_BYTES = 64 * MEBIBYTE
REDIRECTED = 307
HASHING_SECONDS, POLL_SECONDS = 120.0, 0.02
VERSION = "Tus-Resumable: 1.0.0\r\n"

Send = Callable[[Server, Payload], tuple[float, float]]
"""Sends a file whole; how many GiB that were, and the seconds that it took."""


def up(server: Server, payload: Payload, send: Send) -> Spent:
    """Send a file, see that it has arrived whole, and delete it. A unit is a GiB."""
    spent = spend(server, lambda: finished(server, payload, send))
    uploads.check_and_delete(server, payload)
    return spent


def finished(server: Server, payload: Payload, send: Send) -> tuple[float, float]:
    """Like `send`, and wait until the file is complete: the last answer may come before."""
    units, seconds = send(server, payload)
    return units, seconds + timed(lambda: wait_until_complete(server))[1]


def wait_until_complete(server: Server) -> None:
    """Until the file is hashed and counts. Raises RuntimeError where that takes too long."""
    deadline = time.monotonic() + HASHING_SECONDS
    with Connection(server.port, server.token) as connection:
        while time.monotonic() < deadline:
            if connection.request("GET", f"/api/files/status/{uploads.NAME}").json()["status"] == "complete":
                return
            time.sleep(POLL_SECONDS)
    raise RuntimeError(f"The file was not complete after {HASHING_SECONDS:.0f} s")


def _by_chunks(server: Server, payload: Payload) -> tuple[float, float]:
    """In frames of 64 KiB, over four connections, in any order."""
    chunks, seconds = uploads.send_chunks(server, payload, CHUNK_BYTES)
    return chunks * CHUNK_BYTES / GIBIBYTE, seconds


def _timed(send: Callable[[Server, Payload], None], server: Server, payload: Payload) -> tuple[float, float]:
    return timed(lambda: send(server, payload), units=len(payload.view) / GIBIBYTE)


def _in_patches(server: Server, payload: Payload) -> None:
    """By tus, over one connection, 5 MiB at a time."""
    with Connection(server.port, server.token) as connection:
        target = create(connection, len(payload.view))
        for start in range(0, len(payload.view), PATCH_BYTES):
            send_patch(connection, target, payload, start)


def create(connection: Connection, length: int, name: str = uploads.NAME) -> str:
    """Begin an upload by tus; its path."""
    metadata = f"Upload-Metadata: filename {base64.b64encode(name.encode()).decode()}\r\n"
    fields = f"{VERSION}Upload-Length: {length}\r\n{metadata}"
    created = connection.exchange(connection.head("POST", "/api/uploads", 0, OCTETS, fields)).expect(201)
    return urlsplit(created.field("Location")).path


def send_patch(connection: Connection, target: str, payload: Payload, start: int, size: int = PATCH_BYTES) -> None:
    """Append the bytes from `start` on."""
    data = payload.view[start : start + size]
    head = connection.head("PATCH", target, len(data), TUS_OCTETS, f"{VERSION}Upload-Offset: {start}\r\n")
    connection.exchange(head, data).expect(204)


UP: dict[str, Send] = {
    "by tus in one PATCH": partial(_timed, partial(uploads.send_by_tus, "/api/uploads")),
    "by tus in PATCHes of 5 MiB": partial(_timed, _in_patches),
    "in chunks of 64 KiB": _by_chunks,
}


class Downloads:
    """Files at the instances, each sent once, made one object, and fetched as often as it takes."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._paths: dict[str, str] = {}

    def path(self, server: Server, payload: Payload) -> str:
        """Where the file is found, at whichever instance."""
        if payload.sha256 not in self._paths:
            self._paths[payload.sha256] = store(server, payload)
            with self._site.worker():
                self._site.wait_for_compaction()
        return self._paths[payload.sha256]

    def whole(self, server: Server, payload: Payload) -> Spent:
        """In one answer. A unit is a GiB."""
        return downloads.fetch(server, [wanted(server, self.path(server, payload), len(payload.view))], repeats=1)

    def ranges(self, server: Server, payload: Payload) -> Spent:
        """64 MiB at a time, one after the other, from odd places on. A unit is a GiB."""
        length, path = len(payload.view), self.path(server, payload)
        spans = [Span(start, min(start + RANGE_BYTES, length)) for start in range(1, length, RANGE_BYTES)]
        return downloads.fetch(server, [wanted(server, path, length, span) for span in spans], repeats=1)

    def redirected(self, server: Server, payload: Payload) -> Spent:
        """By the address that the service gives. A unit is a GiB."""
        path, gibibytes = self.path(server, payload), len(payload.view) / GIBIBYTE
        return spend(server, lambda: timed(lambda: self._follow(server, path, payload), units=gibibytes))

    def _follow(self, server: Server, path: str, payload: Payload) -> None:
        with Connection(server.port, server.token) as connection:
            request = connection.head("GET", path, 0, OCTETS)
            answer = connection.exchange_head(request).expect(REDIRECTED)
        address = urlsplit(answer.field("Location"))
        request = f"GET {address.path}?{address.query} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode()
        with Fetcher(address.port or 80) as fetcher:
            fetcher.fetch(Wanted(request, 200, len(payload.view)))
