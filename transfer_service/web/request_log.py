"""What a request adds to its log line. The line itself is written by `server.access_log` when the last byte is out."""

import uuid
from typing import TYPE_CHECKING, Any

import structlog
from flask import Flask, Response, g, request

from transfer_service.logs import ENVIRON_KEY, locate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def _begin() -> None:
    g.request_id = uuid.uuid4().hex
    note(id=g.request_id, route=request.url_rule.rule if request.url_rule else None)


def _end(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    return response


def note(**facts: Any) -> None:
    """Add facts to the log line of this request: ids and counts, never names, paths or secrets."""
    request.environ.setdefault(ENVIRON_KEY, {}).update(facts)


def log_failure(error: BaseException) -> None:
    """Log a fault of ours or of the machine: its kind and where it happened, without messages, values or paths."""
    cause = error.__cause__
    structlog.get_logger().error(
        "failure",
        id=g.get("request_id"),
        error=type(error).__name__,
        cause=type(cause).__name__ if cause else None,
        where=locate(cause or error),
    )


def collect_facts(application: "WSGIApplication") -> "WSGIApplication":
    """Give a request the dictionary for its facts before anybody copies its environ, as flask-socketio does."""

    def collecting(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        environ[ENVIRON_KEY] = {}
        return application(environ, start_response)

    return collecting


def init_request_log(app: Flask) -> None:
    """Give every request an id and a log line."""
    app.before_request(_begin)
    app.after_request(_end)
