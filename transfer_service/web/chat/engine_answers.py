"""What Engine.IO answers by itself, in the words of every other error here."""

import json
from typing import Any


def shape_answers(server: Any) -> None:
    """Make the errors of an Engine.IO server JSON."""
    server._bad_request = lambda message=None: _error("400 BAD REQUEST", str(message or "Bad request"))
    server._method_not_found = lambda: _error("405 METHOD NOT ALLOWED", "Method not allowed", ("Allow", "GET, POST"))


def _error(status: str, detail: str, *headers: tuple[str, str]) -> dict[str, Any]:
    return {
        "status": status,
        "headers": [("Content-Type", "application/json"), *headers],
        "response": json.dumps({"detail": detail}).encode(),
    }
