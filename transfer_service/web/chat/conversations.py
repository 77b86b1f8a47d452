"""`/conversations`: who talks with whom (docs/chat.md)."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from transfer_service.services.chat.conversation_rows import Conversation
from transfer_service.web.chat.printing import conversation_json
from transfer_service.web.context import current, guard, services
from transfer_service.web.query import MAX_PAGE, PAGING, read_page, takes
from transfer_service.web.requests import json_object
from transfer_service.wire.chat import parse_conversation_id

blueprint = Blueprint("conversations", __name__, url_prefix="/conversations")
blueprint.before_request(guard)


@blueprint.post("/create")
def create_direct() -> Response:
    """The conversation with one other account, made where there is none yet."""
    name = json_object().get("email")
    conversation_id, already_exists = services().conversations.create_direct(current().account_id, name)
    return _success(conversation_id=conversation_id, email=name, already_exists=already_exists)


@blueprint.post("/create/group")
def create_group() -> Response:
    """A new group, owned by who makes it."""
    fields = json_object()
    conversation_id = services().conversations.create_group(
        current().account_id, fields.get("group_name"), fields.get("participants")
    )
    return _success(conversation_id=conversation_id)


@blueprint.get("")
@takes(*PAGING)
def list_conversations() -> Response:
    """The account's conversations, the newest message first; without `limit` the first thousand."""
    page = read_page(_place, datetime, str, default=MAX_PAGE)
    found = services().conversations.list_conversations(current().account_id, limit=page.wanted, after=page.after)
    shown, next_cursor = page.cut(found)
    return jsonify({"conversations": [conversation_json(each) for each in shown], "next_cursor": next_cursor})


def _place(conversation: Conversation) -> tuple[datetime, str]:
    return conversation.active_at, conversation.id


@blueprint.get("/info")
@takes("conversation_id")
def info() -> Response:
    """One conversation."""
    conversation_id = parse_conversation_id(request.args.get("conversation_id"))
    return jsonify(conversation_json(services().conversations.get_info(current().account_id, conversation_id)))


@blueprint.post("/<conversation_id>/participants")
def add_participant(conversation_id: str) -> Response:
    """Let another account into a group."""
    parsed = parse_conversation_id(conversation_id)
    name = json_object().get("email")
    return _success(participants=services().conversations.add_participant(current().account_id, parsed, name))


@blueprint.delete("/<conversation_id>/participants/<name:participant>")
def remove_participant(conversation_id: str, participant: str) -> Response:
    """Leave a conversation, or take another account out of one's group."""
    parsed = parse_conversation_id(conversation_id)
    staying = services().conversations.remove_participant(current().account_id, parsed, participant)
    return _success(participants=staying)


@blueprint.post("/<conversation_id>/read")
def mark_read(conversation_id: str) -> Response:
    """Everything up to now has been read."""
    parsed = parse_conversation_id(conversation_id)
    services().messages.mark_read(current().account_id, parsed)
    return _success()


def _success(**fields: Any) -> Response:
    return jsonify({"success": True, **fields})
