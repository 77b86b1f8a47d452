"""Around the whole application: headers that no answer may lack, and methods that a client can only name."""

from typing import TYPE_CHECKING, Any

from transfer_service.web.request_log import REQUEST_ID, request_id_of
from transfer_service.wire.error_bodies import is_uploads_path
from transfer_service.wire.tus import overridden_method

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

DEFAULTS = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


def forbid_caching(application: "WSGIApplication") -> "WSGIApplication":
    """Add to every answer `Cache-Control`, and `X-Content-Type-Options` against guessed types, unless it has its own.

    And the id of its request. And take the type of a body, which Flask gives every answer, from a 204, which has none
    (RFC 9110 section 8.3).

    A browser, or a cache in an office, that keeps a listing or an error shows it to somebody else, or for too long. So
    what sends bytes says how long they last, and all other answers, those of Socket.IO too, are not to be kept.
    """

    def serving(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            if status.startswith("204"):
                headers = [(name, value) for name, value in headers if name.lower() != "content-type"]
            given = {name.lower() for name, _ in headers}
            added = [(name, value) for name, value in DEFAULTS if name.lower() not in given]
            added.append((REQUEST_ID, request_id_of(environ)))
            return start_response(status, [*headers, *added], *more)

        return application(environ, start)

    return serving


def override_methods(application: "WSGIApplication") -> "WSGIApplication":
    """Let a POST to an upload be the method that its `X-HTTP-Method-Override` names (tus 1.0.0).

    Some clients know only GET and POST. It happens before routing, so with that method's rights and duties.
    """

    def overriding(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        sent, override = environ["REQUEST_METHOD"], environ.get("HTTP_X_HTTP_METHOD_OVERRIDE")
        if override and is_uploads_path(environ.get("PATH_INFO", "")):
            environ["REQUEST_METHOD"] = overridden_method(sent, override)
        if sent == "POST" and environ["REQUEST_METHOD"] == "HEAD":
            return application(environ, _without_body(start_response))
        return application(environ, start_response)

    return overriding


def _without_body(start_response: "StartResponse") -> "StartResponse":
    """The length in an answer to HEAD is that of a body that does not come: who sent a POST would wait for one."""

    def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        lengths = [(name, "0" if name.lower() == "content-length" else value) for name, value in headers]
        return start_response(status, lengths, *more)

    return start
