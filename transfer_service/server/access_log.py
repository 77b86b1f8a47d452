"""The log: one JSON line a request when its last byte is out, and one for each event of the server."""

import logging
from datetime import UTC, datetime, timedelta
from json import JSONEncoder
from typing import Any

from gunicorn.glogging import Logger

from transfer_service.logs import ENVIRON_KEY, JsonHandler, LineLogger, configure_logging
from transfer_service.telemetry import meters
from transfer_service.telemetry.traces import TRACE_KEY, Trace

_encode = JSONEncoder(default=repr).encode


class JsonLogger(Logger):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's logger (`logger_class`)."""

    def setup(self, cfg: Any) -> None:
        """Route gunicorn's own messages through JsonHandler."""
        configure_logging()
        self.loglevel = self.LOG_LEVELS.get(cfg.loglevel.lower(), logging.INFO)
        for log in (self.error_log, logging.getLogger("gunicorn.http.wsgi")):
            log.handlers = [JsonHandler()]
            log.propagate = False
            log.setLevel(self.loglevel)
        self.access_log.handlers = []
        self._write_line = LineLogger().msg

    def access(self, resp: Any, _req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """One line for one request, like those of structlog, which would take three times as long for it."""
        fields = environ.get(ENVIRON_KEY, {})
        method, rule, status = environ.get("REQUEST_METHOD", ""), fields.get("route"), resp.status_code
        meters.count_request(method, rule, status)
        trace: Trace | None = environ.get(TRACE_KEY)
        if trace is not None:
            if trace.is_sampled:
                _end(trace, meters.method_of(method), meters.route_of(rule), status)
            trace.end()
        facts = {
            "address": environ.get("REMOTE_ADDR") or None,
            "method": environ.get("REQUEST_METHOD"),
            "status": resp.status_code,
            "sent_bytes": (resp.sent or 0) + getattr(environ.get("gunicorn.socket"), "file_bytes_sent", 0),
            "seconds": round(request_time.total_seconds(), 6),
            **fields,
            "event": "request",
            "level": "info",
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        }
        self._write_line(_encode(facts))

    def reopen_files(self) -> None:
        """There are none: everything goes to standard output."""

    def close_on_exec(self) -> None:
        """There is nothing to close."""


def _end(trace: Trace, method: str, route: str, status: int) -> None:
    """By the conventions of OpenTelemetry: a path that nobody knows is in none of it."""
    told: dict[str, str | int] = {"http__request__method": method, "http__response__status_code": status}
    if route != meters.UNMATCHED:
        told["http__route"] = route
    trace.end(name=f"{method} {told.get('http__route', '')}".rstrip(), failed=status >= 500, **told)
