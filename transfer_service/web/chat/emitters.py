"""Sends what the chat services publish as events on sockets."""

from typing import Any

from flask_socketio import SocketIO

from transfer_service.services.chat.events import (
    ChatEvent,
    MessageDeleted,
    MessageEdited,
    MessagePinned,
    MessagePosted,
    MessagesRead,
)
from transfer_service.services.chat.message_json import message_json
from transfer_service.services.uploads.progress import UploadProgress
from transfer_service.web.chat.rooms import NEW_MESSAGE, UPLOAD_PROGRESS, audience, in_turn, uploads_room
from transfer_service.web.request_log import log_request_error
from transfer_service.wire.instants import format_second


class Fanout:
    """Sends every chat event to the sockets of its recipients."""

    def __init__(self, socketio: SocketIO) -> None:
        self._socketio = socketio

    def __call__(self, event: ChatEvent) -> None:
        """Send one. It is about what is committed already, so a failure is logged and does not reach the caller."""
        name, conversation_id, payload = _format(event)
        try:
            self._socketio.emit(name, payload, to=in_turn(audience(conversation_id, event.recipients), event.seq))
        except Exception as error:  # noqa: BLE001 - whatever the delivery raises
            log_request_error(error)


def _format(event: ChatEvent) -> tuple[str, str, dict[str, Any]]:
    match event:
        case MessagePosted(message=message):
            return NEW_MESSAGE, message.conversation_id, message_json(message)
        case MessageEdited(message=message):
            return "message_edited", message.conversation_id, message_json(message)
        case MessagePinned(message=message):
            return "message_pinned", message.conversation_id, message_json(message)
        case MessageDeleted(conversation_id=conversation_id, message_id=message_id):
            return "message_deleted", conversation_id, {"_id": message_id, "conversation_id": conversation_id}
        case MessagesRead(conversation_id=conversation_id, reader=reader, read_at=read_at):
            payload = {"conversation_id": conversation_id, "reader": reader, "read_at": format_second(read_at)}
            return "messages_read", conversation_id, payload


class ProgressEvents:
    """Sends progress to those of an account's own sockets that may hear it, at all instances."""

    def __init__(self, socketio: SocketIO) -> None:
        self._socketio = socketio

    def __call__(self, progress: UploadProgress) -> None:
        """Send one. A failure is logged: the bytes count all the same."""
        payload = {
            "upload_id": str(progress.upload_id),
            "filename": progress.filename,
            "offset": progress.offset,
            "length": progress.length,
        }
        try:
            self._socketio.emit(UPLOAD_PROGRESS, payload, to=uploads_room(progress.account_id))
        except Exception as error:  # noqa: BLE001 - whatever the delivery raises
            log_request_error(error)
