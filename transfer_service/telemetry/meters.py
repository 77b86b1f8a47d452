"""Every number that is counted, and how: `count`, `add` and `observe` do nothing in a process that has no numbers.

Labels come from small sets that are known here or in the code that counts: never a name, an id, an address, or anything
else that a client chose.
"""

import os
import re
from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from time import perf_counter_ns

from transfer_service.telemetry.numbers import Numbers

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD, UNMATCHED = "other", "unmatched"
NANOSECONDS = 10**9
_CONVERTER = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")


class Kind(StrEnum):
    """What Prometheus does with a number."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, eq=False)
class Meter:
    """A number, or one for each combination of labels. `known` are those that are shown from the start, as 0.

    `bounds` are those of a histogram, in seconds.
    """

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...] = ()
    known: tuple[tuple[str, ...], ...] = ((),)
    bounds: tuple[float, ...] = ()

    @cached_property
    def limits(self) -> tuple[int, ...]:
        """The bounds in nanoseconds."""
        return tuple(round(each * NANOSECONDS) for each in self.bounds)


def _counter(name: str, text: str, label: str | None = None, *known: str) -> Meter:
    if label is None:
        return Meter(name, Kind.COUNTER, text)
    return Meter(name, Kind.COUNTER, text, (label,), tuple((each,) for each in known))


REASONS = (
    "attempts", "busy", "conflict", "crowded", "disk", "permission", "quota", "rate", "read_only", "size", "stalled",
    "unavailable", "used_up",
)  # fmt: skip
"""Why something is refused; docs/metrics.md says which errors these are."""
SIGN_IN_RESULTS = ("ok", "failed")
WEBHOOK_RESULTS = ("ok", "failed")
_FSYNC_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_WAIT_BOUNDS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS = Meter(
    "transfer_http_requests", Kind.COUNTER, "Requests that were answered.", ("route", "method", "status"), known=()
)
RECEIVED = _counter("transfer_received_bytes", "Bytes of request bodies.")
SENT = _counter("transfer_sent_bytes", "Bytes of answers' bodies that this service has sent itself.")
FINISHED = _counter("transfer_uploads_finished", "Files that became whole.")
TAKEOVERS = _counter("transfer_upload_takeovers", "Upload requests that were ended because another one took over.")
REFUSALS = _counter("transfer_refusals", "What was refused to clients.", "reason", *REASONS)
SIGN_INS = _counter("transfer_sign_ins", "Sign-ins.", "result", *SIGN_IN_RESULTS)
WEBHOOK_TRIES = _counter("transfer_webhook_tries", "Tries to deliver an event.", "result", *WEBHOOK_RESULTS)
IN_FLIGHT = Meter("transfer_uploads_in_flight", Kind.GAUGE, "Requests under way that bring bytes of uploads.")
STALLED = Meter("transfer_uploads_stalled", Kind.GAUGE, "Those of them of which nothing has come for five seconds.")
FSYNC = Meter(
    "transfer_fsync_seconds", Kind.HISTOGRAM, "How long a flush of stored bytes, or of their name, has taken.",
    bounds=_FSYNC_BOUNDS,
)  # fmt: skip
DATABASE_WAIT = Meter(
    "transfer_database_wait_seconds", Kind.HISTOGRAM,
    "How long a transaction has waited before it began: for its turn, a connection, a lock.",
    bounds=_WAIT_BOUNDS,
)  # fmt: skip
METERS = (
    REQUESTS, RECEIVED, SENT, FINISHED, TAKEOVERS, REFUSALS, SIGN_INS, WEBHOOK_TRIES, IN_FLIGHT, STALLED, FSYNC,
    DATABASE_WAIT,
)  # fmt: skip

_numbers: Numbers | None = None
_slots: dict[tuple[Meter, tuple[str, ...]], int] = {}


def begin(numbers: Numbers | None) -> None:
    """Count in `numbers` from now on; None: nowhere."""
    global _numbers
    _numbers = numbers
    _slots.clear()
    if numbers is not None:
        for meter in METERS:
            for labels in meter.known:
                if meter.kind is Kind.HISTOGRAM:
                    numbers.histogram(meter.name, len(meter.bounds))
                else:
                    numbers.slot(meter.name, *labels)


def count(meter: Meter, *labels: str, amount: int = 1) -> None:
    """Count `amount` more. Of a gauge it may be negative."""
    if _numbers is not None:
        slot = _slots.get((meter, labels))
        if slot is None:
            slot = _slots[meter, labels] = _numbers.slot(meter.name, *labels)
        _numbers.view[slot] += amount


def route_of(rule: str | None) -> str:
    """The path of openapi.yaml for one of Flask's rules."""
    return _CONVERTER.sub(r"{\1}", rule) if rule else UNMATCHED


def method_of(method: str) -> str:
    """A method as labels have it."""
    return method if method in METHODS else OTHER_METHOD


def count_request(method: str, rule: str | None, status: int) -> None:
    """Count a request that is answered. `rule` is Flask's, None where none matches."""
    if _numbers is not None:
        slot = _numbers.requests.get((rule, method, status))
        if slot is None:
            known_method = method_of(method)
            slot = _numbers.slot(REQUESTS.name, route_of(rule), known_method, str(status))
            if known_method == method:  # or a client's words would be kept
                _numbers.requests[rule, method, status] = slot
        _numbers.view[slot] += 1


def now() -> int:
    """The beginning of what `observe` measures; 0 where nobody asks."""
    return 0 if _numbers is None else perf_counter_ns()


def observe(meter: Meter, began: int) -> None:
    """Note how long something has taken that began at `now()`."""
    if _numbers is not None and began:
        taken = perf_counter_ns() - began
        first = _slots.get((meter, ()))
        if first is None:
            first = _slots[meter, ()] = _numbers.histogram(meter.name, len(meter.bounds))
        _numbers.view[first + bisect_left(meter.limits, taken)] += 1
        _numbers.view[first + len(meter.limits) + 1] += taken


def fsync(descriptor: int) -> None:
    """Flush a file or a folder, and note how long it took. Raises OSError."""
    began = now()
    os.fsync(descriptor)
    observe(FSYNC, began)
