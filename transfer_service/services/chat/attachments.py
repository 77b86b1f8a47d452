"""Attachments on their way in and out of conversations: no message without bytes, no bytes without their message."""

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from transfer_service.errors import TransferError
from transfer_service.logs import tidying
from transfer_service.services.batches import BATCH_BYTES, OFFLOAD_FROM_BYTES, in_batches
from transfer_service.services.chat.message_rows import Message
from transfer_service.services.chat.messages import MessageService, Remember
from transfer_service.services.core import Core
from transfer_service.services.files import discards
from transfer_service.storage.blobs import WHOLE, BlobStore, BlobWriter
from transfer_service.storage.bodies import BlobReader, RemoteBytes
from transfer_service.wire.attachments import Attachment
from transfer_service.wire.media_signatures import HEAD_BYTES


@dataclass(frozen=True, slots=True)
class Post:
    """Where an attachment belongs, what is said with it, and what keeps the answer (`MessageService.post`)."""

    conversation_id: str
    content: object
    reply_to: str | None
    remember: Remember | None = None


class AttachmentBody(Protocol):
    """The bytes of one attachment, as they arrive. `filename` is safe."""

    filename: str
    media_type: str

    def blocks(self) -> Iterator[bytes]:
        """The data; raises a TransferError instead of ending where it is not whole."""

    def post(self) -> Post:
        """What to do with it; final only when `blocks` has ended. Raises InvalidRequest."""


class Beginning:
    """The first bytes of what passes, as many as tell what it is."""

    def __init__(self) -> None:
        self.head = b""

    def seen(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The same blocks."""
        for block in blocks:
            if len(self.head) < HEAD_BYTES:
                self.head += block[: HEAD_BYTES - len(self.head)]
            yield block


@contextmanager
def announced(messages: MessageService, store: BlobStore) -> Iterator[str]:
    """The id of a message whose attachment is stored, and which is posted, within the block.

    If that fails, the bytes are gone again, unless they are needed: a commit can fail in telling that it succeeded.
    Where nobody can tell whether it did, they stay, and cleanup will see.
    """
    message_id = messages.announce_attachment()
    try:
        yield message_id
    except BaseException:
        with tidying():
            if messages.is_still_announced(message_id):
                discards.free(store, message_id)
        raise


class AttachmentService:
    """Stores attachments and posts them."""

    def __init__(self, core: Core, *, messages: MessageService) -> None:
        self._messages = messages
        self._store = core.attachments
        self._space = core.space
        self._offload = core.offload

    def receive(self, account_id: uuid.UUID, body: AttachmentBody) -> Message:
        """Store an attachment and post it. Raises what `MessageService.post` does, TooLarge, StorageFull."""
        with announced(self._messages, self._store) as message_id:
            key = key_of(message_id, body.filename)
            with self._store.open_writer(key, WHOLE, create=True, wait_seconds=0) as writer:
                return self._receive(account_id, message_id, body, writer)

    def _receive(self, account_id: uuid.UUID, message_id: str, body: AttachmentBody, writer: BlobWriter) -> Message:
        beginning = Beginning()
        length, digest = self._write(writer, beginning.seen(body.blocks()))
        post = body.post()
        writer.seal(length, flush=True)  # whatever `TRANSFER_DURABILITY` says: nobody would send it again
        return self._messages.post(
            account_id,
            post.conversation_id,
            message_id=message_id,
            content=post.content,
            reply_to=post.reply_to,
            attachment=Attachment(body.filename, body.media_type, length, digest.hex()),
            head=beginning.head,
            record=writer.record,
            remember=post.remember,
        )

    def _write(self, writer: BlobWriter, blocks: Iterator[bytes]) -> tuple[int, bytes]:
        """Write and hash the blocks. The length and the SHA-256."""
        hasher, length = hashlib.sha256(), 0

        def store_batch() -> None:
            writer.write(length, batch)
            for block in batch:
                hasher.update(block)

        for batch in in_batches(blocks, BATCH_BYTES):
            size = sum(map(len, batch))
            self._space.check_size(length + size)
            writer.make_room(size)
            if size >= OFFLOAD_FROM_BYTES:
                self._offload(store_batch)
            else:
                store_batch()
            length += size
        return length, hasher.digest()

    def delete_message(self, account_id: uuid.UUID, message_id: str) -> Message:
        """Empty an own message and free its attachment. Raises NotFound, Forbidden."""
        message, attachment = self._messages.delete(account_id, message_id)
        if attachment is not None:
            discards.free(self._store, message_id)
        return message

    def open_reader(self, message_id: str, filename: str) -> BlobReader:
        """The bytes, for the caller to close. Raises BlobMissing, ReadFailed."""
        return self._store.open_reader(key_of(message_id, filename))

    def find_location(self, message_id: str, filename: str, length: int) -> str | None:
        """Where a web server in front has them, see `BlobStore.find_location`."""
        return self._store.find_location(key_of(message_id, filename), length)

    def find_remote(self, message_id: str, filename: str, length: int) -> RemoteBytes | None:
        """How another server can give them, see `BlobStore.find_remote`."""
        return self._store.find_remote(key_of(message_id, filename), length)

    def exists(self, account_id: uuid.UUID, message_id: str, filename: str) -> bool:
        """Whether the attachment is still the account's to read."""
        try:
            self._messages.get_attachment(account_id, message_id, filename)
        except TransferError:
            return False
        return True


def key_of(message_id: str, filename: str) -> str:
    """Where the store has an attachment."""
    return f"{message_id}/{filename}"
