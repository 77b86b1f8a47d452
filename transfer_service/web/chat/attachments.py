"""`/uploads/chats/…`: the attachments of messages, for those who take part in the conversation."""

import uuid
from collections.abc import Iterator
from functools import partial

from flask import Blueprint, Response
from multipart import MultipartSegment

from transfer_service.errors import InvalidRequest
from transfer_service.services.chat.attachments import Post
from transfer_service.services.chat.message_rows import Message
from transfer_service.web.chat.printing import print_message
from transfer_service.web.context import current, guard, services
from transfer_service.web.files.file_response import StoredFile, respond
from transfer_service.web.idempotency import Content, content_of_form, give_way, remembering
from transfer_service.web.multipart_body import OVERHEAD_BYTES, MultipartBody, filename_of, is_multipart
from transfer_service.web.previews.thumbnails import thumbnail_of_attachment, wanted_size
from transfer_service.web.query import takes_any
from transfer_service.web.request_body import RequestBody
from transfer_service.web.sharing.signed import is_shown_inline, signable
from transfer_service.wire.attachments import attachment_media_type, is_inert, may_be_shown, safe_filename
from transfer_service.wire.chat import parse_conversation_id, parse_reply

UNCHANGING = "private, max-age=31536000, immutable"
"""Ids of messages are never used again, and the bytes of an attachment never change."""

blueprint = Blueprint("attachments", __name__, url_prefix="/uploads/chats")
blueprint.before_request(guard)


@blueprint.get("/<message_id>/thumbnail")
@takes_any
@signable
def thumbnail(message_id: str) -> Response:
    """A preview of the attachment; and one that was called `thumbnail` before that name was kept free."""
    account_id = current().account_id
    attachment, _ = services().messages.get_attachment(account_id, message_id)
    if attachment.filename == "thumbnail":
        return download(message_id, attachment.filename)
    return respond(thumbnail_of_attachment(message_id, attachment.filename, account_id, wanted_size()))


@blueprint.get("/<message_id>/<name:filename>")
@takes_any
@signable
def download(message_id: str, filename: str) -> Response:
    """An attachment; pictures, films and sounds are shown, all else is saved, unless a signed address shows more."""
    account_id = current().account_id
    attachment, posted_at = services().messages.get_attachment(account_id, message_id, filename)
    is_shown = may_be_shown if is_shown_inline() else is_inert
    return respond(
        StoredFile(
            name=attachment.filename,
            media_type=attachment.media_type,
            length=attachment.length,
            etag=attachment.sha256,
            modified_at=posted_at,
            open=partial(services().attachments.open_reader, message_id, filename),
            still_exists=partial(services().attachments.exists, account_id, message_id, filename),
            find_location=partial(services().attachments.find_location, message_id, filename, attachment.length),
            find_remote=partial(services().attachments.find_remote, message_id, filename, attachment.length),
            is_inline=is_shown(attachment.filename, attachment.media_type),
            cache_control=UNCHANGING,
        )
    )


class AttachmentForm:
    """The AttachmentBody of a request."""

    def __init__(self, form: MultipartBody, part: MultipartSegment, *, filename: str, media_type: str) -> None:
        self._form = form
        self._part = part
        self.filename = filename
        self.media_type = media_type

    @classmethod
    def open(cls, account_id: uuid.UUID) -> "AttachmentForm":
        """Read up to the file. What cannot be posted is refused now, where the form has said enough by then."""
        if not is_multipart():
            raise InvalidRequest("Expected multipart/form-data")
        body = RequestBody()
        give_way(body)
        services().small_files.check_room(account_id, (body.announced or 0) - OVERHEAD_BYTES, body)
        form = MultipartBody(body)
        part = form.open_file_part()
        filename = safe_filename(filename_of(part))
        declared = part.header("Content-Type")
        self = cls(form, part, filename=filename, media_type=attachment_media_type(declared, filename))
        if form.field("conversation_id") is not None:
            post = self.post()
            services().messages.check_post(account_id, post.conversation_id, post.reply_to)
        return self

    def blocks(self) -> Iterator[bytes]:
        """The file's bytes."""
        return self._form.file_blocks()

    def post(self) -> Post:
        """What the fields say. Raises InvalidRequest."""
        field = self._form.field
        conversation_id = parse_conversation_id(field("conversation_id"))
        return Post(
            conversation_id,
            content=field("content"),
            reply_to=parse_reply(field("reply_to")),
            remember=remembering(print_message, self._content),
        )

    def _content(self, message: Message) -> Content:
        return content_of_form(self._form, self._part, message.attachment.sha256 if message.attachment else None)
