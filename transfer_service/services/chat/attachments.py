"""Attachments on their way in and out of conversations: no message without bytes, no bytes without their message."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from transfer_service.errors import TransferError
from transfer_service.services.chat.message_rows import Message
from transfer_service.services.chat.messages import MessageService
from transfer_service.services.core import Core
from transfer_service.services.uploads.receiving import write_hashed
from transfer_service.wire.attachments import Attachment


@dataclass(frozen=True, slots=True)
class Post:
    """Where an attachment belongs, and what is said with it."""

    conversation_id: str
    content: object
    reply_to: str | None


class AttachmentBody(Protocol):
    """The bytes of one attachment, as they arrive. `filename` is safe."""

    filename: str
    media_type: str

    def blocks(self) -> Iterator[bytes]:
        """The data; raises a TransferError instead of ending where it is not whole."""

    def post(self) -> Post:
        """What to do with it; final only when `blocks` has ended. Raises InvalidRequest."""


class AttachmentService:
    """Stores attachments and posts them."""

    def __init__(self, core: Core, *, messages: MessageService) -> None:
        self._messages = messages
        self._store = core.attachments
        self._space = core.space
        self._offload = core.offload

    def receive(self, account_id: uuid.UUID, body: AttachmentBody) -> Message:
        """Store an attachment and post it. Raises what `MessageService.post` does, TooLarge, StorageFull."""
        message_id = self._messages.announce_attachment()
        filename = body.filename
        with self._store.create(message_id, filename, is_needed=lambda: self._messages.is_there(message_id)) as writer:
            length, digest = write_hashed(
                writer, body.blocks(), make_room=self._space.check_size, offload=self._offload
            )
            post = body.post()
            # Whatever `TRANSFER_DURABILITY` says: nobody would send it again.
            self._offload(lambda: self._store.sync(message_id, filename))
            return self._messages.post(
                account_id,
                post.conversation_id,
                message_id=message_id,
                content=post.content,
                reply_to=post.reply_to,
                attachment=Attachment(filename, body.media_type, length, digest.hex()),
                flush=True,
            )

    def delete_message(self, account_id: uuid.UUID, message_id: str) -> Message:
        """Empty an own message and free its attachment. Raises NotFound, Forbidden."""
        message, attachment = self._messages.delete(account_id, message_id)
        if attachment is not None:
            self._offload(lambda: self._store.delete(message_id))
        return message

    def open_reader(self, message_id: str, filename: str) -> BinaryIO:
        """The bytes, for the caller to close. Raises BlobMissing, ReadFailed."""
        return self._store.open_reader(message_id, filename)

    def exists(self, account_id: uuid.UUID, message_id: str, filename: str) -> bool:
        """Whether the attachment is still the account's to read."""
        try:
            self._messages.get_attachment(account_id, message_id, filename)
        except TransferError:
            return False
        return True
