"""The numbers as Prometheus reads them (https://prometheus.io/docs/instrumenting/exposition_formats)."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from transfer_service.telemetry.folder import FolderBusy, MetricsFolder, Series, merge
from transfer_service.telemetry.meters import METERS, NANOSECONDS, Kind, Meter
from transfer_service.telemetry.numbers import SEPARATOR
from transfer_service.version import VERSION

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ROLES = ("service", "worker")
JobCounts: TypeAlias = dict[tuple[str, str], int]
"""How many jobs there are, by kind and state."""


class Collector:
    """Collects all there is when Prometheus asks. `find_jobs` gives None where the database does not answer."""

    def __init__(self, folder: MetricsFolder, find_jobs: Callable[[], JobCounts | None]) -> None:
        self._folder = folder
        self._find_jobs = find_jobs

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry would collect everything to find the names."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every metric, of all processes together. Raises OSError, FolderBusy."""
        reading = self._folder.read()
        alive: Series = {}
        for _, series in reading.alive:
            merge(alive, series)
        for meter in METERS:
            yield _family(meter, alive if meter.kind is Kind.GAUGE else reading.ever)
        jobs = self._find_jobs()
        if jobs is not None:
            family = GaugeMetricFamily("transfer_jobs", "Jobs that wait or run.", labels=("kind", "state"))
            for labels, number in sorted(jobs.items()):
                family.add_metric(labels, number)
            yield family
        roles = Counter(role for role, _ in reading.alive)
        processes = GaugeMetricFamily("transfer_processes", "Processes that count.", labels=("role",))
        for role in ROLES:
            processes.add_metric((role,), roles[role])
        yield processes
        build = GaugeMetricFamily("transfer_build_info", "What runs.", labels=("version",))
        build.add_metric((VERSION,), 1)
        yield build


def _family(meter: Meter, series: Series) -> Metric:
    found = {
        tuple(key.split(SEPARATOR)[1:]): numbers
        for key, numbers in series.items()
        if key.split(SEPARATOR, 1)[0] == meter.name
    }
    if meter.kind is Kind.HISTOGRAM:
        return _histogram(meter, found)
    of_kind = CounterMetricFamily if meter.kind is Kind.COUNTER else GaugeMetricFamily
    family = of_kind(meter.name, meter.text, labels=meter.labels)
    for labels, numbers in sorted(found.items()):
        if len(labels) == len(meter.labels):
            family.add_metric(labels, numbers[0])
    return family


def _histogram(meter: Meter, found: Series | dict[tuple[str, ...], tuple[int, ...]]) -> Metric:
    family = HistogramMetricFamily(meter.name, meter.text)
    for numbers in found.values():
        buckets, count = [], 0
        for bound, number in zip((*meter.bounds, float("inf")), numbers, strict=False):
            count += number
            buckets.append(("+Inf" if bound == float("inf") else str(bound), float(count)))
        family.add_metric((), buckets, numbers[-1] / NANOSECONDS)
    return family


def make_application(
    collector: Collector,
) -> "Callable[[WSGIEnvironment, StartResponse], list[bytes]]":
    """A WSGI application that has `/metrics`, and nothing else."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        if environ.get("PATH_INFO") != "/metrics":
            return _plain(start_response, "404 Not Found")
        if environ.get("REQUEST_METHOD") not in {"GET", "HEAD"}:
            return _plain(start_response, "405 Method Not Allowed", ("Allow", "GET, HEAD"))
        encode, content_type = choose_encoder(environ.get("HTTP_ACCEPT", ""))
        try:
            body = encode(registry)
        except (FolderBusy, OSError):
            return _plain(start_response, "503 Service Unavailable")
        start_response("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(body)))])
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]

    return application


def _plain(start_response: "StartResponse", status: str, *headers: tuple[str, str]) -> list[bytes]:
    body = f"{status}\n".encode()
    common = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response(status, [*common, *headers])
    return [body]
