"""The bytes that come along with the creation of an upload."""

from contextlib import suppress

from transfer_service.errors import DigestMismatch, NotFound, TooLarge, TransferError, UploadEnded
from transfer_service.services.body_writer import PAST_THE_LENGTH
from transfer_service.services.uploads.appends import Piece
from transfer_service.services.uploads.rows import UploadRecord
from transfer_service.web.context import current, services
from transfer_service.web.uploads.append_body import AppendBody


def check_first_bytes(length: int | None, body: AppendBody) -> None:
    """Raises TooLarge before there is an upload, for more bytes than it may ever have."""
    announced = body.announced or 0
    if length is not None and announced > length:
        raise TooLarge(PAST_THE_LENGTH)
    services().space.check_size(announced)


def append_first(upload: UploadRecord, piece: Piece, body: AppendBody, *, is_known: bool) -> UploadRecord:
    """Append the first bytes to a new upload; if none of them counts, or they are the wrong ones, the upload ends.

    Unless the client knows its URL already (`is_known`): then it may try again. Raises what an append raises.
    """
    uploads, account_id = services().resumable_uploads, current().account_id
    try:
        return uploads.append(account_id, upload.id, piece, body)
    except TransferError as error:
        # Nobody would ever continue what nobody has heard of; it would only take up the quota until it expires.
        with suppress(NotFound, UploadEnded):
            if not is_known and (isinstance(error, DigestMismatch) or not uploads.get(account_id, upload.id).offset):
                uploads.cancel(account_id, upload.id)
        raise
