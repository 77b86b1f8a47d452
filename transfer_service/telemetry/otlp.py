"""Spans on their way to a collector (OTLP over HTTP): in a greenlet of its own, so nobody waits for it.

What has ended waits in a queue with a bound; where the collector is slow or away, what does not fit is lost, and one
line of the log says so. OpenTelemetry's own processor would wake its thread from threads of the pool, which is nothing
for gevent's locks, and it would encode 512 spans in one go, while nobody is served.
"""

import logging
from collections import deque
from contextlib import suppress
from typing import Any

import gevent
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from transfer_service.logs import Outage
from transfer_service.telemetry import traces

QUEUE, BATCH = 4096, 64
REST_SECONDS = 1.0
LAST_SECONDS = 2.0
TIMEOUT_SECONDS = 5.0


class Queue(SpanProcessor):
    """Takes spans that are sampled, from any thread, and sends them on."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._waiting: deque[ReadableSpan] = deque(maxlen=QUEUE)  # the oldest ones go first
        self._outage = Outage("traces")
        self._sending = gevent.spawn(self._send)

    def on_start(self, *_: Any, **__: Any) -> None:
        """Nothing is to be done."""

    def on_end(self, span: ReadableSpan) -> None:
        """Take it, without waiting for anything."""
        if span.context is not None and span.context.trace_flags.sampled:
            self._waiting.append(span)

    def shutdown(self) -> None:
        """Send what is left, for a moment only."""
        self._sending.kill(block=False)
        with gevent.Timeout(LAST_SECONDS, False):  # type: ignore[arg-type] # quietly
            while self._waiting:
                if not self._send_some():
                    break

    def force_flush(self, timeout_millis: int = 0) -> bool:  # noqa: ARG002 - OpenTelemetry's signature
        """Nobody waits here."""
        return True

    def _send(self) -> None:
        while True:
            if len(self._waiting) >= BATCH and not self._outage.is_on:
                gevent.sleep(0)  # whoever is served comes first
            else:
                gevent.sleep(REST_SECONDS)
            if self._waiting:
                self._send_some()

    def _send_some(self) -> bool:
        batch: list[ReadableSpan] = []
        with suppress(IndexError):
            while len(batch) < BATCH:
                batch.append(self._waiting.popleft())
        try:
            is_sent = self._exporter.export(batch) is SpanExportResult.SUCCESS
            reason = None if is_sent else "refused"
        except Exception as error:  # noqa: BLE001 - whatever is wrong there is nobody's here
            is_sent, reason = False, type(error).__name__
        if is_sent:
            self._outage.end()
        else:
            self._outage.begin(reason=reason)
        return is_sent


def begin_sending() -> Queue:
    """Trace in this process, and send to where the variables of OpenTelemetry say."""
    own = logging.getLogger("opentelemetry")  # it would write of each failure, with addresses
    own.propagate, own.handlers = False, [logging.NullHandler()]
    queue = Queue(OTLPSpanExporter(timeout=TIMEOUT_SECONDS))
    traces.begin(queue)
    return queue
