"""`X-HTTP-Method-Override`, for clients whose environment knows only GET and POST (tus 1.0.0)."""

from typing import TYPE_CHECKING, Any

from transfer_service.wire.error_bodies import is_uploads_path
from transfer_service.wire.tus import overridden_method

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def override_methods(application: "WSGIApplication") -> "WSGIApplication":
    """Let a POST to an upload be the method it names: before routing, so with that method's rights and duties."""

    def overriding(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        sent, override = environ["REQUEST_METHOD"], environ.get("HTTP_X_HTTP_METHOD_OVERRIDE")
        if override and is_uploads_path(environ.get("PATH_INFO", "")):
            environ["REQUEST_METHOD"] = overridden_method(sent, override)
        if sent == "POST" and environ["REQUEST_METHOD"] == "HEAD":
            return application(environ, _without_body(start_response))
        return application(environ, start_response)

    return overriding


def _without_body(start_response: "StartResponse") -> "StartResponse":
    """The length of an answer to a HEAD is that of a body that does not come: who sent a POST would wait for it."""

    def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        lengths = [(name, "0" if name.lower() == "content-length" else value) for name, value in headers]
        return start_response(status, lengths, *more)

    return start
