"""Messages as clients see them, over HTTP and sockets, and webhooks alike."""

from typing import Any
from urllib.parse import quote

from transfer_service.services.chat.message_rows import Message
from transfer_service.wire.attachments import Attachment
from transfer_service.wire.instants import format_second


def message_json(message: Message) -> dict[str, Any]:
    """A message."""
    attachment = message.attachment
    return {
        "_id": message.id,
        "conversation_id": message.conversation_id,
        "sender": message.sender,
        "content": message.content,
        "type": message.type.value,
        "media_url": f"/uploads/chats/{message.id}/{quote(attachment.filename)}" if attachment else None,
        "media": _media_json(message, attachment) if attachment else None,
        "reply_to": message.reply_to,
        "is_read": message.is_read,
        "is_deleted": message.is_deleted,
        "created_at": format_second(message.created_at),
        "edited_at": format_second(message.edited_at) if message.edited_at else None,
        "pinned": message.pinned,
    }


def _media_json(message: Message, attachment: Attachment) -> dict[str, Any]:
    """What is known of an attachment; what its preview tells is null until that is made."""
    shown = message.shown
    return {
        "name": attachment.filename,
        "content_type": attachment.media_type,
        "size": attachment.length,
        "sha256": attachment.sha256,
        "width": shown.width if shown else None,
        "height": shown.height if shown else None,
        "duration": shown.duration if shown else None,
        "blurhash": shown.blurhash if shown else None,
        "thumbnail_url": f"/uploads/chats/{message.id}/thumbnail?size=480" if shown else None,
    }
