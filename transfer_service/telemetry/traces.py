"""Traces by OpenTelemetry, where its packages are installed and OTEL_EXPORTER_OTLP_ENDPOINT is set (docs/metrics.md).

A span says how long a step took, of which kind it was, and whether it failed: never a name, a path, a query, an
address, a token or the text of an error. Only the few central places begin one; nothing is patched. In a process that
does not trace that costs a comparison, in a request that is not sampled a look at the present span.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import structlog

from transfer_service.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

    from transfer_service.telemetry.otlp import Queue

TRACE_KEY = "transfer.trace"
"""Where in the WSGI environ the trace of a request is, for who writes its line of the log."""
TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
PACKAGES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
MOST_STATE_CHARACTERS = 512  # W3C Trace Context, section 3.3.1.5
_PARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

_otel: Any = None
"""The parts of OpenTelemetry that are used here, in a process that traces."""
_present: ContextVar["Trace | None"] = ContextVar("present_trace", default=None)
_NOTHING: AbstractContextManager[None] = nullcontext()


class _OpenTelemetry:
    """The API, imported when it is needed.

    Whether a trace is sampled is asked before there is a span: one that records nothing costs ten times as much.
    """

    def __init__(self, processor: "SpanProcessor") -> None:
        from opentelemetry import context, trace
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        class Ids(RandomIdGenerator):
            """Gives a trace the id that it was sampled by."""

            chosen = 0

            def generate_trace_id(self) -> int:
                return self.chosen

        named = Resource.create({SERVICE_VERSION: VERSION})
        if str(named.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
            named = named.merge(Resource({SERVICE_NAME: "transfer-service"}))
        self.sampler = TracerProvider(shutdown_on_exit=False).sampler  # as the variables of OpenTelemetry say
        self.random, self.ids = RandomIdGenerator(), Ids()
        provider = TracerProvider(sampler=ALWAYS_ON, id_generator=self.ids, resource=named, shutdown_on_exit=False)
        provider.add_span_processor(processor)
        self.tracer = provider.get_tracer("transfer_service", VERSION)
        self.context, self.trace = context, trace
        self.propagator = TraceContextTextMapPropagator()


def begin_traces(endpoint: str | None, *, tells: bool = False) -> "Queue | None":
    """Trace in this process, which must be one that forks no more, if an endpoint is set and the packages are there.

    What comes back is to be shut down in the end. With `tells` the log says where the packages are missing.
    """
    if endpoint is None:
        return None
    if not are_installed():
        if tells:
            structlog.get_logger().warning("no_traces", requirements="requirements-telemetry.txt")
        return None
    from transfer_service.telemetry.otlp import begin_sending

    return begin_sending()


def are_installed() -> bool:
    """Whether the packages of requirements-telemetry.txt are there."""
    try:
        return all(find_spec(package) for package in PACKAGES)
    except ModuleNotFoundError:  # of a parent
        return False


def begin(processor: "SpanProcessor | None") -> None:
    """Trace in this process from now on, and give what has ended to `processor`; None: trace no more."""
    global _otel
    _otel = _OpenTelemetry(processor) if processor is not None else None
    _present.set(None)


class Trace:
    """The span of a request or a job, from its beginning to `end`."""

    def __init__(self, name: str, *, kind: str, parent: str, state: str) -> None:
        context = _otel.context.Context()
        match = _PARENT.fullmatch(parent)
        if match:
            context = _otel.propagator.extract(_carrier(parent, state), context=context)
        remote = _otel.trace.get_current_span(context).get_span_context() if match else None
        is_child = remote is not None and remote.is_valid
        self._id: int = remote.trace_id if remote is not None and is_child else _otel.random.generate_trace_id()
        self.trace_id = format(self._id, "032x")
        answer = _otel.sampler.should_sample(context if is_child else None, self._id, name)
        self.is_sampled: bool = answer.decision.is_sampled()
        self._span = self._token = None
        if self.is_sampled:
            _otel.ids.chosen = self._id
            self._span = _otel.tracer.start_span(name, context=context, kind=_otel.trace.SpanKind[kind])
            self._token = _otel.context.attach(_otel.trace.set_span_in_context(self._span, context))
        _present.set(self)

    def end(self, *, name: str | None = None, failed: bool = False, **attributes: str | int) -> None:
        """End it; only the first call counts."""
        if _present.get() is self:
            _present.set(None)
        span, self._span = self._span, None
        if span is None:
            return
        if name is not None:
            span.update_name(name)
        span.set_attributes(_dotted(attributes))
        if failed:
            span.set_status(_otel.trace.StatusCode.ERROR)
        span.end()
        if _otel.trace.get_current_span() is span:
            _otel.context.detach(self._token)

    def parent_of_more(self) -> str:
        """The `traceparent` for whoever goes on with it elsewhere."""
        if self.is_sampled:
            carrier: dict[str, str] = {}
            _otel.propagator.inject(carrier)
            return carrier[TRACEPARENT]
        return f"00-{self.trace_id}-{_otel.random.generate_span_id():016x}-00"


class _Step:
    """A step within the present trace."""

    def __init__(self, name: str, attributes: Mapping[str, str]) -> None:
        self._span = _otel.tracer.start_span(name, attributes=_dotted(attributes))

    def __enter__(self) -> None:
        self._token = _otel.context.attach(_otel.trace.set_span_in_context(self._span))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:  # its kind only: what it says may hold anything
            self._span.set_attribute("error.type", kind.__name__)
            self._span.set_status(_otel.trace.StatusCode.ERROR)
        self._span.end()
        _otel.context.detach(self._token)


class Traced:
    """Around a job: its trace, if this process traces. The kind of an error that ends it is told, and nothing else."""

    def __init__(self, name: str, *, kind: str = "INTERNAL", parent: str = "") -> None:
        self._trace = begin_trace(name, kind=kind, parent=parent)

    def __enter__(self) -> None:
        """It has begun already."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._trace is not None:
            told = {"error__type": kind.__name__} if kind else {}
            self._trace.end(failed=kind is not None, **told)


def begin_trace(name: str, *, kind: str = "INTERNAL", parent: str = "", state: str = "") -> Trace | None:
    """The trace of a request (`kind` SERVER) or a job, None in a process that does not trace.

    `parent` and `state` are a `traceparent` and a `tracestate` (W3C Trace Context), from whomever: what is malformed is
    as if it were not there.
    """
    return Trace(name, kind=kind, parent=parent, state=state) if _otel is not None else None


def is_tracing() -> bool:
    """Whether this process traces."""
    return _otel is not None


def step(name: str, **attributes: str) -> AbstractContextManager[None]:
    """Around a step of the present trace, if there is one that is sampled. `__` in a name stands for a dot."""
    if _otel is None:
        return _NOTHING
    present = _present.get()
    return _Step(name, attributes) if present is not None and present.is_sampled else _NOTHING


def open_step(name: str, **attributes: str) -> Callable[[bool], None] | None:
    """Like `step`, of what goes on elsewhere: the function that comes back ends it, and is told whether it failed."""
    present = _present.get()
    if _otel is None or present is None or not present.is_sampled:
        return None
    span = _otel.tracer.start_span(name, attributes=_dotted(attributes))

    def end(failed: bool) -> None:
        if failed:
            span.set_status(_otel.trace.StatusCode.ERROR)
        span.end()

    return end


def present_trace() -> str | None:
    """The `traceparent` for whoever goes on with the present trace elsewhere, None without one."""
    present = _present.get()
    return present.parent_of_more() if _otel is not None and present is not None else None


def trace_id() -> str | None:
    """That of the present trace, for log lines."""
    present = _present.get()
    return present.trace_id if _otel is not None and present is not None else None


def _carrier(parent: str, state: str) -> dict[str, str]:
    """A state that is too long is left out, not what it comes with."""
    return {TRACEPARENT: parent, **({TRACESTATE: state} if 0 < len(state) <= MOST_STATE_CHARACTERS else {})}


def _dotted(attributes: Mapping[str, str] | Mapping[str, str | int]) -> dict[str, str | int]:
    return {key.replace("__", "."): value for key, value in attributes.items()}
