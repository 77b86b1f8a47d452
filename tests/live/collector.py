"""A collector of traces, as OTLP over HTTP wants one: it keeps what it gets, or is slow."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector(ThreadingHTTPServer):
    """At `http://127.0.0.1:port`. `answers_after` is how long it takes for an answer."""

    daemon_threads = True
    answers_after = 0.0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Span] = []
        self.raw = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def of_trace(self, trace_id: str) -> dict[str, list[Span]]:
        """The spans of one trace by their names."""
        found: dict[str, list[Span]] = {}
        for span in [each for each in self.spans if each.trace_id.hex() == trace_id]:
            found.setdefault(span.name, []).append(span)
        return found


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.server.answers_after)
        request = ExportTraceServiceRequest.FromString(body)
        self.server.raw += body
        self.server.spans += [
            span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans
        ]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def collecting(*, answers_after: float = 0.0) -> Iterator[Collector]:
    """A running collector."""
    collector = Collector()
    collector.answers_after = answers_after
    thread = threading.Thread(target=collector.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.shutdown()
        collector.server_close()
