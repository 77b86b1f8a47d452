"""What Engine.IO answers by itself, in the words and with the header fields of everything else here."""

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PRIVATE_FIELDS = [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]


def shape_answers(server: Any) -> None:
    """Make the errors of an Engine.IO server JSON, and no answer of it one to keep."""
    handle = server.handle_request

    def handle_request(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        def start(status: str, headers: list[tuple[str, str]], *exception: Any) -> Any:
            return start_response(status, [*headers, *PRIVATE_FIELDS], *exception)

        answer: Iterable[bytes] = handle(environ, start)
        return answer

    server.handle_request = handle_request
    server._bad_request = lambda message=None: _error("400 BAD REQUEST", str(message or "Bad request"))
    server._method_not_found = lambda: _error("405 METHOD NOT ALLOWED", "Method not allowed", ("Allow", "GET, POST"))


def _error(status: str, detail: str, *headers: tuple[str, str]) -> dict[str, Any]:
    return {
        "status": status,
        "headers": [("Content-Type", "application/json"), *headers],
        "response": json.dumps({"detail": detail}).encode(),
    }
