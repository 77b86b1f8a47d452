"""Reading the parts of a request that several doors share."""

from urllib.parse import unquote_to_bytes

from flask import Flask, request

from transfer_service.errors import InvalidRequest


def refuse_bad_encoding() -> None:
    """Refuse URLs whose bytes are not UTF-8: Werkzeug would replace them, and two names would become one."""
    path = request.environ.get("PATH_INFO", "").encode("latin-1")
    query = unquote_to_bytes(request.environ.get("QUERY_STRING", "").encode("latin-1"))
    try:
        path.decode()
        query.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest("The URL is not valid UTF-8") from error


def parse_count(value: str | None, what: str) -> int | None:
    """A non-negative decimal number of at most 19 digits, None for None. Raises InvalidRequest."""
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 19):
        raise InvalidRequest(f"Invalid {what}")
    return int(value)


def is_true(value: str | None) -> bool:
    """Whether a flag such as `?overwrite=true` is set."""
    return (value or "").strip().lower() in {"true", "1", "yes"}


def init_requests(app: Flask) -> None:
    """Check every request's encoding."""
    app.before_request(refuse_bad_encoding)
