"""Files of an account that become attachments, however they were uploaded, without their bytes being moved by us.

The bytes get a second key first, and whoever is killed then has a file still, and leaves a key that is noted. One
transaction makes the message, and lets the file go unless it is kept. The file's own key goes last, and is noted too.
So at every moment there is the file or the message, and never bytes that nobody knows of.
"""

import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass, replace

from transfer_service.db.database import Executor
from transfer_service.errors import BlobMissing, FileUnfinished, NotFound
from transfer_service.services.chat.attachments import Post, announced, key_of
from transfer_service.services.chat.message_rows import Message
from transfer_service.services.chat.messages import MessageService
from transfer_service.services.core import Core
from transfer_service.services.events import facts
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.files import FileService, remove_row
from transfer_service.services.files.folder_rows import lock_names
from transfer_service.services.files.rows import FileRecord
from transfer_service.storage.blobs import END
from transfer_service.wire.attachments import Attachment, attachment_media_type, safe_filename
from transfer_service.wire.chat import parse_caption
from transfer_service.wire.filenames import split_name
from transfer_service.wire.media_signatures import HEAD_BYTES
from transfer_service.wire.ranges import Span

CLAIM_WAIT_SECONDS = 2.0
LOOKS = 3
"""How often a file is looked at anew that has changed, or whose bytes have, between two steps."""


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A finished file, and whether it stays one."""

    file: FileRecord
    is_kept: bool

    @property
    def may_grow(self) -> bool:
        """Whether somebody may still append to it: its length was only ever guessed."""
        return self.is_kept and not self.file.length_declared

    def attachment(self) -> Attachment:
        """What it is as an attachment."""
        filename = safe_filename(split_name(self.file.name)[1])
        media_type = attachment_media_type(self.file.media_type, filename)
        return Attachment(filename, media_type, self.file.received_bytes, self.file.sha256 or "")


class AttachedFiles:
    """Posts files of accounts."""

    def __init__(self, core: Core, *, messages: MessageService, files: FileService) -> None:
        self._core = core
        self._messages = messages
        self._files = files

    def post(self, account_id: uuid.UUID, post: Post, *, file_id: uuid.UUID, is_kept: bool) -> Message:
        """Post a finished file of the account, which leaves its files unless it `is_kept`.

        Raises what `MessageService.post` does, NotFound for an unknown file, FileUnfinished, RangeBusy while somebody
        appends to it.
        """
        parse_caption(post.content)
        self._messages.check_post(account_id, post.conversation_id, post.reply_to)
        for _ in range(LOOKS - 1):
            with suppress(BlobMissing):
                return self._post(account_id, post, file_id, is_kept=is_kept)
        return self._post(account_id, post, file_id, is_kept=is_kept)

    def _post(self, account_id: uuid.UUID, post: Post, file_id: uuid.UUID, *, is_kept: bool) -> Message:
        """Raises BlobMissing where the file, or the place of its bytes, is another one by now."""
        file = self._files.get(account_id, file_id)
        if not file.is_complete:
            raise FileUnfinished
        chosen = _Chosen(file, is_kept)
        if is_kept:
            return self._adopt(chosen, post)
        with self._kept_from_growing(file):
            message = self._adopt(chosen, post)
        self._files.discard_blob(file_id)
        return message

    def _kept_from_growing(self, file: FileRecord) -> AbstractContextManager[object]:
        """Who is about to append must not write into what never changes any more: he finds no file when he may go on.

        In a remote store what is written is another object in any case, and its worker may be at this one. Raises
        BlobMissing, RangeBusy.
        """
        store, end = self._core.store, Span(file.received_bytes, END)
        return nullcontext() if store.is_remote else store.claims.lock(file.id, end, wait_seconds=CLAIM_WAIT_SECONDS)

    def _adopt(self, chosen: _Chosen, post: Post) -> Message:
        core, file, attachment = self._core, chosen.file, chosen.attachment()
        # The room of a file that leaves is its own already, also where less is allowed by now.
        space = core.space if chosen.is_kept else replace(core.space, is_unlimited=True)
        with closing(core.store.open_reader(file.id)) as reader:
            head = reader.read(0, HEAD_BYTES)
        with (
            announced(self._messages, core.attachments) as message_id,
            core.attachments.adopt(
                key_of(message_id, attachment.filename),
                core.store,
                file.id,
                attachment.length,
                may_grow=chosen.may_grow,
            ) as record,
        ):
            return self._messages.post(
                file.account_id,
                post.conversation_id,
                message_id=message_id,
                content=post.content,
                reply_to=post.reply_to,
                attachment=attachment,
                head=head,
                begin=lambda rows: self._lock(rows, chosen),
                record=lambda rows: self._hand_over(rows, chosen, record, (post.conversation_id, message_id)),
                space=space,
                remember=post.remember,
            )

    def _lock(self, rows: Executor, chosen: _Chosen) -> None:
        """Keep the file as it was seen until the transaction ends. Raises NotFound, BlobMissing."""
        file = chosen.file
        if not chosen.is_kept:
            lock_names(rows, file.account_id)
        current = file_rows.lock(rows, file.id)
        if current is None:
            raise NotFound("File not found")
        self._core.durability.check(current.unflushed_boot)
        # What is kept may have grown: then what it was when it was seen is posted.
        if not chosen.is_kept and not (current.is_complete and current.sha256 == file.sha256):
            raise BlobMissing

    def _hand_over(
        self, rows: Executor, chosen: _Chosen, record: Callable[[Executor], None], to: tuple[str, str]
    ) -> None:
        """Let the bytes be the attachment's: that of a message in a conversation."""
        record(rows)
        current = None if chosen.is_kept else file_rows.lock(rows, chosen.file.id)
        if current is not None:
            remove_row(rows, current, self._core.space)
            conversation_id, message_id = to
            at = self._core.now()
            facts.file_attached(rows, current, conversation_id=conversation_id, message_id=message_id, at=at)
