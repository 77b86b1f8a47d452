"""What no answer may lack: `Cache-Control`, and `X-Content-Type-Options` against guessed types.

A browser, or a cache in an office, that keeps a listing or an error shows it to somebody else, or for too long. So what
sends bytes says how long they last, and all other answers, those of Socket.IO too, are not to be kept.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

DEFAULTS = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


def forbid_caching(application: "WSGIApplication") -> "WSGIApplication":
    """Add to every answer the headers that it does not have itself."""

    def serving(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            given = {name.lower() for name, _ in headers}
            added = [(name, value) for name, value in DEFAULTS if name.lower() not in given]
            return start_response(status, [*headers, *added], *more)

        return application(environ, start)

    return serving
