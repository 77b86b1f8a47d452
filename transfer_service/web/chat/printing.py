"""Messages and conversations as clients see them, over HTTP and over sockets alike."""

from http import HTTPStatus
from typing import Any

from transfer_service.services.chat.conversation_rows import Conversation
from transfer_service.services.chat.message_json import message_json
from transfer_service.services.chat.message_rows import Message
from transfer_service.web.idempotency import Printed
from transfer_service.wire.instants import format_second


def posted_json(message: Message) -> dict[str, Any]:
    """What a request that posts or changes a message is answered."""
    return {"success": True, "message": message_json(message)}


def print_message(message: Message) -> Printed:
    """The answer to a message that was posted."""
    return Printed(HTTPStatus.OK, posted_json(message))


def conversation_json(conversation: Conversation) -> dict[str, Any]:
    """A conversation."""
    return {
        "_id": conversation.id,
        "type": conversation.kind.value,
        "participants": list(conversation.participants),
        "owner": conversation.owner,
        "group_name": conversation.group_name,
        "created_at": format_second(conversation.created_at),
        "last_message": message_json(conversation.last_message) if conversation.last_message else None,
        "pinned_messages": list(conversation.pinned_message_ids),
    }
