"""`/uploads/chats/…`: the attachments of messages, for those who take part in the conversation."""

from functools import partial
from urllib.parse import quote

from flask import Blueprint, Response

from transfer_service.web.current_account import current, guard
from transfer_service.web.files.file_response import respond
from transfer_service.web.files.stored_file import StoredFile
from transfer_service.web.query import takes_any
from transfer_service.web.services import services
from transfer_service.wire.attachments import is_inert

UNCHANGING = "private, max-age=31536000, immutable"
"""Ids of messages are never used again, and the bytes of an attachment never change."""

blueprint = Blueprint("attachments", __name__, url_prefix="/uploads/chats")
blueprint.before_request(guard)


@blueprint.get("/<message_id>/<name:filename>")
@takes_any
def download(message_id: str, filename: str) -> Response:
    """An attachment; pictures, films and sounds are shown, everything else is saved."""
    account_id = current().account_id
    attachment, posted_at = services().messages.get_attachment(account_id, message_id, filename)
    return respond(
        StoredFile(
            name=attachment.filename,
            media_type=attachment.media_type,
            length=attachment.length,
            etag=attachment.sha256,
            modified_at=posted_at,
            open=partial(services().attachments.open_reader, message_id, filename),
            still_exists=partial(services().attachments.exists, account_id, message_id, filename),
            find_accel_path=lambda: f"chats/{message_id}/{quote(filename)}",
            is_inline=is_inert(attachment.filename, attachment.media_type),
            cache_control=UNCHANGING,
        )
    )
