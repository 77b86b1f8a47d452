"""How long a small request takes, asked again and again."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from benchmarks.connection import Connection
from benchmarks.servers import Server

PACE_SECONDS = 0.020


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from the request to its answer."""

    median_seconds: float
    p99_seconds: float
    max_seconds: float


def median_latency(each: Sequence[Latency]) -> Latency:
    """The medians of several measurements, but the maximum of all."""
    return Latency(
        median(latency.median_seconds for latency in each),
        median(latency.p99_seconds for latency in each),
        max(latency.max_seconds for latency in each),
    )


def probe(server: Server, path: str, seconds: float) -> Latency:
    """GET a path every 20 ms, or later where the answer before took longer, on one connection."""
    times = []
    with Connection(server.port, server.token) as connection:
        request = connection.head("GET", path, 0, "text/plain")
        connection.exchange(request).expect(200)
        end = time.monotonic() + seconds
        while (began := time.monotonic()) < end:
            answer = connection.exchange(request)
            took = time.monotonic() - began
            answer.expect(200)
            times.append(took)
            time.sleep(max(0.0, PACE_SECONDS - took))
    return Latency(median(times), quantiles(times, n=100, method="inclusive")[98], max(times))
