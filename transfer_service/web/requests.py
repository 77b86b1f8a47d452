"""What several doors share: parts of requests, and what must be true before one is answered."""

import io
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

import structlog
from flask import Flask, current_app, request
from werkzeug.routing import BaseConverter

from transfer_service.errors import InvalidRequest, NotFound, ReadOnly, StorageFull, TooLarge
from transfer_service.services.files.files import parse_file_id
from transfer_service.web.context import begin_actor, end_actor, services, services_of
from transfer_service.web.request_body import RequestBody
from transfer_service.wire.json_text import MAX_STRUCTURE_BYTES, parse_object

View = TypeVar("View", bound=Callable[..., Any])
_ANSWERED_AT_ONCE = frozenset({"health", "console"})
_CHANGES, _CHANGES_NOTHING = "changes", "changes_nothing"


class NameConverter(BaseConverter):
    """`<name:…>`: the whole rest of a path, whatever is in it, so that the rules of names decide and not the router."""

    regex = r"[\s\S]+"
    part_isolating = False


def refuse_bad_encoding() -> None:
    """Refuse URLs whose bytes are not UTF-8: Werkzeug would replace them, and two names would become one."""
    target = request.environ.get("RAW_URI") or request.environ.get("PATH_INFO", "")
    if "%" not in target and target.isascii():
        return
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


def file_id_of(text: str) -> uuid.UUID:
    """The id of a file in a path. Raises NotFound."""
    parsed = parse_file_id(text)
    if parsed is None:
        raise NotFound("File not found")
    return parsed


def bundle_id_of(text: str) -> uuid.UUID:
    """The id of a bundle in a path. Raises NotFound."""
    parsed = parse_file_id(text)
    if parsed is None:
        raise NotFound("Bundle not found")
    return parsed


def buffer_small_body(max_bytes: int) -> bytes:
    """Read a small body into memory, so that Flask may parse it too. Raises TooLarge, and what RequestBody raises."""
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
    return data


def json_object(
    max_bytes: int = 1024 * 1024, *, may_be_missing: bool = False, most_outside: int = MAX_STRUCTURE_BYTES
) -> dict[str, Any]:
    """The JSON object in a small body, whatever its media type; an empty body may be none.

    `most_outside` is how much of it may be outside of strings.

    Raises InvalidRequest, TooLarge.
    """
    data = buffer_small_body(max_bytes)
    return {} if may_be_missing and not data else parse_object(data, most_outside=most_outside)


def known_fields(known: Collection[str], max_bytes: int = 1024 * 1024) -> dict[str, Any]:
    """The JSON object in a small body. A field of another name is a mistake that must not look as if it had worked.

    Raises InvalidRequest, TooLarge.
    """
    fields = json_object(max_bytes)
    for name in fields:
        if name not in known:
            raise InvalidRequest(f"Unknown field; there are {', '.join(known)}")
    return fields


def fields_of_body(max_bytes: int) -> Mapping[str, Any]:
    """The fields of a small body: of a JSON object, else of a form. Raises InvalidRequest, TooLarge."""
    if request.is_json:
        return json_object(max_bytes)
    buffer_small_body(max_bytes)
    for name, values in request.form.lists():
        if len(values) > 1:
            raise InvalidRequest(f"Field given more than once: {name}")
    return request.form


def text_field(fields: Mapping[str, Any], name: str) -> str:
    """A field that is text and not empty. Raises InvalidRequest."""
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidRequest(f"Field required: {name}")
    return value


def changes_nothing(view: View) -> View:
    """Declare that a view keeps nothing of a request, although its method lets one expect that it does."""
    setattr(view, _CHANGES_NOTHING, True)
    return view


def changes(view: View) -> View:
    """Declare that a view changes something, although its method lets one expect that it does not."""
    setattr(view, _CHANGES, True)
    return view


def refuse_changes() -> None:
    """Before database and store are known to be right nothing is changed, and in read-only mode nothing at all.

    The one place where requests are refused for that, whatever door they go to. Raises StoreUnavailable, ReadOnly.
    """
    if request.endpoint is None:
        return
    view = current_app.view_functions[request.endpoint]
    if request.method in {"GET", "HEAD", "OPTIONS"}:
        if request.method == "OPTIONS" or not getattr(view, _CHANGES, False):
            return
    elif getattr(view, _CHANGES_NOTHING, False):
        return
    if services().core.settings.read_only:
        raise ReadOnly
    services().gate.enter()


def init_requests(app: Flask) -> None:
    """Teach the app the `name` converter, check every request's encoding, and begin with nobody as the actor."""
    app.url_map.converters["name"] = NameConverter
    app.before_request(begin_actor)
    app.teardown_request(end_actor)
    app.before_request(refuse_bad_encoding)
    app.before_request(refuse_changes)


def recover(app: Flask) -> None:
    """Sort out what a power loss may have taken, if that is not done yet. Raises StoreUnavailable, StorageFull."""
    recovered = services_of(app).recovery.ensure()
    if recovered.restarted or recovered.doubted:
        structlog.get_logger().warning(
            "power_loss", restarted_uploads=recovered.restarted, doubted_files=recovered.doubted
        )


def init_power_loss(app: Flask) -> None:
    """Let every request wait for `recover`, where that did not succeed at the start."""

    def ensure() -> None:
        if request.blueprint in _ANSWERED_AT_ONCE:
            return
        try:
            recover(app)
        except StorageFull:
            if request.method != "DELETE":  # that is what makes room
                raise

    app.before_request(ensure)
