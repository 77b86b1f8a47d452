"""Many clients who do little: does the service still answer, and what does each cost?

Each of the idle ones has made a request and keeps its connection; each of the stalled ones has asked for a large file
and reads nothing of it. The service drops those after a minute, so all is measured before. Memory is what the server's
processes have for themselves; what the kernel keeps for each socket is not in it. Half of the slow ones send a file in
drips, the others read one so.
"""

import resource
import select
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.connection import Connection
from benchmarks.fetch import Fetcher, wanted
from benchmarks.measure import KIBIBYTE, say
from benchmarks.payload import Payload, store
from benchmarks.probe import Latency, probe
from benchmarks.processes import Count
from benchmarks.servers import Server

IDLE, STALLED = 2_000, 500
OPEN_FILES = 8_192  # a stalled download has a socket and a file in the server
WARM_UP = 200
SMALL_BUFFER_BYTES = 4096
WAIT_SECONDS = 30.0
SLOW_IDLE, SLOW = 1_000, 200
DRIP_SECONDS, DRIP_BYTES, DRINK_BYTES = 0.5, 4 * KIBIBYTE, 16 * KIBIBYTE
MOST_PROBE_SECONDS = 20.0  # the first of the stalled clients must not be dropped meanwhile


@dataclass(frozen=True)
class Crowd:
    """How long a small request took meanwhile, and the memory of the server for each connection."""

    latency: Latency
    bytes_per_connection: float


def allow_open_files() -> bool:
    """Let this process and the servers that it starts open enough files; say so where that is not allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < OPEN_FILES:
        if hard != resource.RLIM_INFINITY and hard < OPEN_FILES:
            say(f"Only {hard} files may be open here, and {OPEN_FILES} are needed: idle clients are left out")
            return False
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, hard))
    return True


def measure_crowd(server: Server, payload: Payload, seconds: float) -> Crowd:
    """Connect them all, ask, and look whether they are still connected. Raises RuntimeError where one is not."""
    path, status = store(server, payload), f"/api/files/status/{payload.path.name}"
    with ExitStack() as stack:
        warm = stack.enter_context(Connection(server.port, server.token))
        for _ in range(WARM_UP):
            warm.request("GET", status).expect(200)
        before = server.memory_bytes()
        idle = idle_connections(stack, server, IDLE, status)
        stalled = [stack.enter_context(Fetcher(server.port, SMALL_BUFFER_BYTES)) for _ in range(STALLED)]
        for fetcher in stalled:
            fetcher.ask(wanted(server, path, len(payload.view)))
        _wait_for_bytes(stalled)
        latency = probe(server, status, min(seconds, MOST_PROBE_SECONDS))
        bytes_per_connection = (server.memory_bytes() - before) / (IDLE + STALLED)
        _check_unread(stalled)
        for connection in idle:
            connection.request("GET", status).expect(200)
    return Crowd(latency, bytes_per_connection)


def idle_connections(stack: ExitStack, server: Server, number: int, path: str) -> list[Connection]:
    """Connections that have made a request each, and stay."""
    idle = [stack.enter_context(Connection(server.port, server.token)) for _ in range(number)]
    for connection in idle:
        connection.request("GET", path).expect(200)
    return idle


def go_slowly(server: Server, path: str, length: int, count: Count) -> None:
    """In a process of its own: be all the slow clients, for ever. `path` is that of a download of `length` bytes."""
    with ExitStack() as stack:
        fetchers = [stack.enter_context(Fetcher(server.port, SMALL_BUFFER_BYTES)) for _ in range(SLOW // 2)]
        for fetcher in fetchers:
            fetcher.ask(wanted(server, path, length))
        senders = [stack.enter_context(Connection(server.port, server.token)) for _ in range(SLOW // 2)]
        for number, sender in enumerate(senders):
            target = f"/api/files?filename=slow-{number}.bin&overwrite=true"
            sender.send(sender.head("POST", target, length, "application/octet-stream"))
        while True:
            for fetcher, sender in zip(fetchers, senders, strict=True):
                sender.send(bytes(DRIP_BYTES))
                count(DRIP_BYTES + fetcher.drink(DRINK_BYTES))
                time.sleep(DRIP_SECONDS / len(senders))


def _wait_for_bytes(stalled: Sequence[Fetcher]) -> None:
    """Until the server has begun to answer each of them."""
    deadline = time.monotonic() + WAIT_SECONDS
    for fetcher in stalled:
        poll = select.poll()
        poll.register(fetcher, select.POLLIN)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise RuntimeError("The server has left a download without an answer")


def _check_unread(stalled: Sequence[Fetcher]) -> None:
    """None of them has been hung up on."""
    poll = select.poll()
    for fetcher in stalled:
        poll.register(fetcher, select.POLLRDHUP)
    if poll.poll(0):
        raise RuntimeError("The server has dropped a stalled download too early")
