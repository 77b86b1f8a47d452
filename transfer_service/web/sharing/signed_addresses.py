"""Giving out signed addresses of files and attachments (docs/downloads.md, docs/chat.md)."""

from typing import Any

from flask import Blueprint, Response, jsonify

from transfer_service.errors import InvalidRequest
from transfer_service.previewer.protocol import SIZES
from transfer_service.web.context import current, guard, services
from transfer_service.web.requests import changes_nothing, file_id_of, json_object
from transfer_service.web.sharing.signed import INLINE, signed_url
from transfer_service.wire.chat import parse_message_id
from transfer_service.wire.instants import format_second

DEFAULT_SECONDS, MAX_SECONDS = 3600, 7 * 24 * 3600

blueprint = Blueprint("signed_addresses", __name__)
blueprint.before_request(guard)


@blueprint.post("/api/files/<file_id>/url")
@changes_nothing
def sign_file(file_id: str) -> Response:
    """An address of a whole file."""
    wanted = json_object(may_be_missing=True)
    file = services().files.get_whole(current().account_id, file_id_of(file_id))
    return _answer(f"/api/files/{file.id}/", "download", wanted)


@blueprint.post("/messages/<message_id>/url")
@changes_nothing
def sign_attachment(message_id: str) -> Response:
    """An address of what is attached to a message."""
    parsed, wanted = parse_message_id(message_id), json_object(may_be_missing=True)
    attachment = services().messages.get_attached(current().account_id, parsed)
    return _answer(f"/uploads/chats/{parsed}/", attachment.filename, wanted)


def _answer(place: str, name: str, wanted: dict[str, Any]) -> Response:
    """The address of `name` in a place where previews are called `thumbnail`."""
    seconds, is_inline, size = _seconds(wanted), _is_inline(wanted), _preview_size(wanted)
    if size is None:
        query = {INLINE: "true"} if is_inline else {}
    else:  # which is always shown
        name, query = "thumbnail", {"size": str(size)}
    made = signed_url(place + name, current(), expires_in=seconds, query=query)
    return jsonify({"url": made.url, "expires_at": format_second(made.expires_at)})


def _seconds(wanted: dict[str, Any]) -> int:
    seconds = wanted.get("expires_in", DEFAULT_SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= MAX_SECONDS:
        raise InvalidRequest(f"expires_in must be 1 to {MAX_SECONDS} seconds")
    return seconds


def _is_inline(wanted: dict[str, Any]) -> bool:
    is_inline = wanted.get("inline", False)
    if not isinstance(is_inline, bool):
        raise InvalidRequest("inline must be true or false")
    return is_inline


def _preview_size(wanted: dict[str, Any]) -> int | None:
    """The size of the preview that is meant, None for the bytes themselves."""
    if "thumbnail" not in wanted:
        return None
    size = wanted["thumbnail"]
    if isinstance(size, bool) or not isinstance(size, int) or size not in SIZES:
        raise InvalidRequest(f"thumbnail must be one of {', '.join(map(str, SIZES))}")
    return size
