"""Reading the parts of a request that several doors share."""

import io
import uuid
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import Flask, request
from werkzeug.routing import BaseConverter

from transfer_service.errors import InvalidRequest, NotFound, TooLarge
from transfer_service.services.files import parse_file_id
from transfer_service.web.request_body import RequestBody


class NameConverter(BaseConverter):
    """`<name:…>`: the whole rest of a path, whatever is in it, so that the rules of names decide and not the router."""

    regex = r"[\s\S]+"
    part_isolating = False


def refuse_bad_encoding() -> None:
    """Refuse URLs whose bytes are not UTF-8: Werkzeug would replace them, and two names would become one."""
    target = request.environ.get("RAW_URI") or request.environ.get("PATH_INFO", "")
    try:
        unquote_to_bytes(target.encode("latin-1")).decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest("The URL is not valid UTF-8") from error


def parse_count(value: str | None, what: str) -> int | None:
    """A non-negative decimal number of at most 40 digits, None for None. Raises InvalidRequest."""
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 40):
        raise InvalidRequest(f"Invalid {what}")
    return int(value)


def game_id_of(text: str) -> uuid.UUID:
    """The id of a game in a path. Raises NotFound: what is no UUID is the id of no game."""
    parsed = parse_file_id(text)
    if parsed is None:
        raise NotFound("Game not found")
    return parsed


def expects_continue() -> bool:
    """Whether the client waits for leave to send its body (RFC 9110 section 10.1.1)."""
    return request.headers.get("Expect", "").lower() == "100-continue"


def buffer_small_body(max_bytes: int) -> None:
    """Read a small body into memory, so that Flask may parse it. Raises TooLarge, and what RequestBody raises."""
    body = RequestBody()
    data = b""
    if (body.announced or 0) > max_bytes:
        raise TooLarge("Request body is too large")
    for block in body.blocks():
        data += block
        if len(data) > max_bytes:
            raise TooLarge("Request body is too large")
    request.environ["wsgi.input"] = io.BytesIO(data)
    request.environ["CONTENT_LENGTH"] = str(len(data))


def json_object(max_bytes: int = 1024 * 1024) -> dict[str, Any]:
    """The JSON object in a small body. Raises InvalidRequest, TooLarge."""
    buffer_small_body(max_bytes)
    try:
        fields = request.get_json(force=True, silent=True)
    except RecursionError:  # of brackets, thousands deep
        fields = None
    if not isinstance(fields, dict):
        raise InvalidRequest("Expected a JSON object")
    return fields


def init_requests(app: Flask) -> None:
    """Teach the app the `name` converter and check every request's encoding."""
    app.url_map.converters["name"] = NameConverter
    app.before_request(refuse_bad_encoding)
