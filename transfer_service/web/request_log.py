"""What a request adds to its log line. The line itself is written by `server.access_log` when the last byte is out."""

import uuid
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, request

from transfer_service.logs import ENVIRON_KEY, log_error
from transfer_service.patience import one_patience

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def _begin() -> None:
    g.request_id = uuid.uuid4().hex
    note(id=g.request_id, route=request.url_rule.rule if request.url_rule else None)


def _end(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    return response


def note(**fields: Any) -> None:
    """Add fields to the log line of this request: ids and counts, never names, paths or secrets."""
    request.environ.setdefault(ENVIRON_KEY, {}).update(fields)


def log_request_error(error: BaseException) -> None:
    """Log a fault of ours or of the machine with the id of the request (see `logs.log_error`)."""
    log_error(error, id=g.get("request_id"))


def begin_requests(application: "WSGIApplication") -> "WSGIApplication":
    """Give a request what all of it shares: one patience for locks, and the dictionary for the fields of its log line.

    The latter before anybody copies its environ, as flask-socketio does.
    """

    def begun(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        environ[ENVIRON_KEY] = {}
        with one_patience():
            return application(environ, start_response)

    return begun


def init_request_log(app: Flask) -> None:
    """Give every request an id and a log line."""
    app.before_request(_begin)
    app.after_request(_end)
