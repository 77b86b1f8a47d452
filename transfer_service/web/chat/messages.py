"""`/messages`: what is said in a conversation, and the attachments it carries (docs/chat.md)."""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from transfer_service.errors import InvalidRequest
from transfer_service.models.keys import Scope
from transfer_service.services.chat.attachments import Post
from transfer_service.services.chat.message_json import message_json
from transfer_service.services.chat.message_rows import Message
from transfer_service.services.files.files import parse_file_id
from transfer_service.web.chat.attachments import AttachmentForm
from transfer_service.web.chat.printing import posted_json, print_message
from transfer_service.web.context import current, guard, require_scope, services
from transfer_service.web.idempotency import Content, idempotent, read_form_again, remembering
from transfer_service.web.query import count_of, print_place, read_place, takes
from transfer_service.web.request_log import note
from transfer_service.web.requests import json_object
from transfer_service.wire.chat import parse_conversation_id, parse_message_id, parse_reply

DEFAULT_LIMIT, MAX_LIMIT = 30, 100

blueprint = Blueprint("messages", __name__, url_prefix="/messages")
blueprint.before_request(guard)


def _read_again() -> Content:
    """What a message says that only has to be compared."""
    return Content(_fields())


def _fields() -> dict[str, Any]:
    """What a message says. Raises KeyLacksScope before anything is looked at that it says."""
    fields = json_object()
    if "file_id" in fields:
        require_scope(Scope.FILES)
        require_scope(Scope.DOWNLOAD)
    return fields


@blueprint.post("")
@idempotent(_read_again)
def post_text() -> Response:
    """Say something, with `file_id` by a file of one's own."""
    fields = _fields()
    conversation_id = parse_conversation_id(fields.get("conversation_id"))
    post = Post(
        conversation_id,
        content=fields.get("content"),
        reply_to=parse_reply(fields.get("reply_to")),
        remember=remembering(print_message, lambda _message: Content(fields)),
    )
    if "file_id" in fields:
        return _answer(_post_file(fields, post))
    if "keep" in fields:
        raise InvalidRequest("Missing file_id")
    message = services().messages.post(
        current().account_id,
        conversation_id,
        content=post.content,
        reply_to=post.reply_to,
        remember=post.remember,
    )
    return _answer(message)


def _post_file(fields: dict[str, Any], post: Post) -> Message:
    file_id, is_kept = fields["file_id"], fields.get("keep", False)
    parsed = parse_file_id(file_id) if isinstance(file_id, str) else None
    if parsed is None:
        raise InvalidRequest("Invalid file_id")
    if not isinstance(is_kept, bool):
        raise InvalidRequest("Invalid keep")
    return services().attached_files.post(current().account_id, post, file_id=parsed, is_kept=is_kept)


@blueprint.post("/upload")
@idempotent(read_form_again)
def post_attachment() -> Response:
    """Say something with a file, which is streamed to its place whatever its size."""
    form = AttachmentForm.open(current().account_id)
    message = services().attachments.receive(current().account_id, form)
    note(stored_bytes=message.attachment.length if message.attachment else None)
    return _answer(message)


@blueprint.get("/get")
@takes("conversation_id", "limit", "before", "after")
def history() -> Response:
    """A page of a conversation, newest first, or oldest first after a message."""
    conversation_id = parse_conversation_id(request.args.get("conversation_id"))
    before, after = request.args.get("before"), request.args.get("after")
    if before is not None and after is not None:
        raise InvalidRequest("Expected either before or after")
    found = services().messages.history(
        current().account_id,
        conversation_id,
        limit=count_of("limit", default=DEFAULT_LIMIT, most=MAX_LIMIT),
        before=None if before is None else parse_message_id(before),
        after=None if after is None else parse_message_id(after),
    )
    return jsonify({"count": len(found), "messages": [message_json(each) for each in found]})


@blueprint.get("/changes")
@takes("conversation_id", "since")
def changes() -> Response:
    """What a client has missed of a conversation; without `since` where it begins to follow it."""
    conversation_id = parse_conversation_id(request.args.get("conversation_id"))
    since = read_place("since", int)
    found, last = services().messages.changes(
        current().account_id, conversation_id, since=None if since is None else since[0], limit=MAX_LIMIT
    )
    return jsonify({"messages": [message_json(each) for each in found], "cursor": print_place((last,), "since")})


@blueprint.patch("/<message_id>")
def change(message_id: str) -> Response:
    """Edit an own message, or pin any, or take its pin away."""
    parsed, fields = parse_message_id(message_id), json_object()
    if len(fields.keys() & {"content", "pinned"}) != 1:
        raise InvalidRequest("Expected either content or pinned")
    if "content" in fields:
        return _answer(services().messages.edit(current().account_id, parsed, fields["content"]))
    if not isinstance(fields["pinned"], bool):
        raise InvalidRequest("Invalid pinned")
    return _answer(services().messages.set_pinned(current().account_id, parsed, fields["pinned"]))


@blueprint.delete("/<message_id>")
def delete(message_id: str) -> Response:
    """Empty an own message; its row stays."""
    parsed = parse_message_id(message_id)
    return _answer(services().attachments.delete_message(current().account_id, parsed))


def _answer(message: Message) -> Response:
    return jsonify(posted_json(message))
