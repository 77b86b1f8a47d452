"""What a request adds to its log line. The line itself is written by `server.access_log` when the last byte is out."""

import re
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flask import Flask, current_app, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from transfer_service.logs import ENVIRON_KEY, log_error
from transfer_service.patience import one_patience
from transfer_service.telemetry.traces import TRACE_KEY, begin_trace, is_tracing, trace_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


REQUEST_ID = "X-Request-Id"
_GIVEN_ID = re.compile(r"[0-9A-Za-z-]{1,64}")  # what goes into lines of logs as it is


def _begin() -> None:
    g.request_id = request_id_of(request.environ)
    note(route=request.url_rule.rule if request.url_rule else _route_of_other_method())


def _route_of_other_method() -> str | None:
    """The route of a path that is asked for with a method that it does not have."""
    reason = request.routing_exception
    if not isinstance(reason, MethodNotAllowed) or not reason.valid_methods:
        return None
    adapter = current_app.create_url_adapter(request)
    with suppress(HTTPException):
        rule, _ = adapter.match(method=next(iter(reason.valid_methods)), return_rule=True) if adapter else (None, None)
        return rule.rule if rule else None
    return None


def request_id_of(environ: "WSGIEnvironment") -> str:
    """What log lines and answers call a request, once `begin_requests` has given it a name."""
    request_id: str = environ[ENVIRON_KEY]["id"]
    return request_id


def note(**fields: Any) -> None:
    """Add fields to the log line of this request: ids and counts, never names, paths or secrets."""
    request.environ.setdefault(ENVIRON_KEY, {}).update(fields)


def log_request_error(error: BaseException) -> None:
    """Log a fault of ours or of the machine with the id of the request (see `logs.log_error`)."""
    present = trace_id()
    log_error(error, id=g.get("request_id"), **({"trace_id": present} if present else {}))


def begin_requests(application: "WSGIApplication", *, behind_proxy: bool) -> "WSGIApplication":
    """Give a request what all of it shares: an id, one patience for locks, and the fields of its log line.

    The latter before anybody copies its environ, as flask-socketio does. A proxy that is believed gives the id, so that
    its log and ours have the same one; nobody else does, or a client could give its request that of another one.
    """

    def begun(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        given = environ.get("HTTP_X_REQUEST_ID", "") if behind_proxy else ""
        environ[ENVIRON_KEY] = {"id": given if _GIVEN_ID.fullmatch(given) else uuid.uuid4().hex}
        if is_tracing():
            _begin_trace(environ)
        with one_patience():
            return application(environ, start_response)

    return begun


def _begin_trace(environ: "WSGIEnvironment") -> None:
    """Of a request, which the line of its log ends. It goes on with the client's, where that has sent one."""
    parent, state = environ.get("HTTP_TRACEPARENT", ""), environ.get("HTTP_TRACESTATE", "")
    trace = begin_trace("request", kind="SERVER", parent=parent, state=state)
    if trace is not None:
        environ[TRACE_KEY] = trace
        environ[ENVIRON_KEY]["trace_id"] = trace.trace_id


def init_request_log(app: Flask) -> None:
    """Let the log line of every request say which route it took."""
    app.before_request(_begin)
