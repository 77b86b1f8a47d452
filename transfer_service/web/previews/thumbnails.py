"""`…/thumbnail?size=`: a small picture of what is stored, for whoever may read that (docs/previews.md)."""

import uuid
from collections.abc import Callable, Iterator

from flask import Blueprint, Response, request

from transfer_service.errors import InvalidRequest, NoPreview, NotComplete
from transfer_service.previewer.protocol import SIZES
from transfer_service.services.previews.previews import OpenSource
from transfer_service.services.previews.rows import PreviewRecord
from transfer_service.storage.bodies import Body, LocalBytes
from transfer_service.web.context import current, guard, services
from transfer_service.web.files.file_response import StoredFile, respond
from transfer_service.web.query import takes_any
from transfer_service.web.requests import file_id_of
from transfer_service.web.sharing.signed import signable
from transfer_service.wire.filenames import split_name
from transfer_service.wire.ranges import Span

UNCHANGING = "private, max-age=31536000, immutable"
_SIZES = {str(size): size for size in SIZES}

blueprint = Blueprint("thumbnails", __name__)
blueprint.before_request(guard)


@blueprint.get("/api/files/<file_id>/thumbnail")
@takes_any
@signable
def of_file(file_id: str) -> Response:
    """A preview of a file."""
    size = wanted_size()
    file = services().files.get(current().account_id, file_id_of(file_id))
    if not file.is_complete:
        raise NotComplete
    return respond(thumbnail_of_file(file.id, file.name, size))


def wanted_size() -> int:
    """The size that the query asks for. Raises InvalidRequest."""
    return parse_size(request.args.get("size"))


def parse_size(value: object) -> int:
    """One of the sizes that there are, as text. Raises InvalidRequest."""
    size = _SIZES.get(value) if isinstance(value, str) else None
    if size is None:
        raise InvalidRequest(f"size must be one of {', '.join(_SIZES)}")
    return size


def thumbnail_of_file(file_id: uuid.UUID, name: str, size: int) -> StoredFile:
    """The preview of a finished file, for who may read that. Waits for it. Raises NoPreview, PreviewPending."""
    return thumbnail_file(
        file_id.hex,
        name,
        size,
        open_source=lambda: services().store.open_reader(file_id),
        still_exists=lambda: services().files.is_there(file_id),
    )


def thumbnail_of_attachment(message_id: str, filename: str, account_id: uuid.UUID, size: int) -> StoredFile:
    """The preview of an attachment, for who may read that. Waits for it. Raises NoPreview, PreviewPending."""
    attachments = services().attachments
    return thumbnail_file(
        message_id,
        filename,
        size,
        open_source=lambda: attachments.open_reader(message_id, filename),
        still_exists=lambda: attachments.exists(account_id, message_id, filename),
    )


def thumbnail_file(
    subject: str, name: str, size: int, *, open_source: OpenSource, still_exists: Callable[[], bool]
) -> StoredFile:
    """The preview of what is called `name`, waited for where it is being made, see `PreviewService.get`."""
    preview = services().previews.get(subject, open_source)
    start, length = preview.span_of(size)
    if preview.sha256 is None or preview.made_at is None:
        raise NoPreview
    return StoredFile(
        name=f"{split_name(name)[1].rpartition('.')[0] or split_name(name)[1]}.webp",
        media_type="image/webp",
        length=length,
        etag=f"{preview.sha256[:40]}-{size}",
        modified_at=preview.made_at,
        open=lambda: _Part(_open(preview), Span(start, start + length)),
        still_exists=still_exists,
        is_inline=True,
        cache_control=UNCHANGING,
    )


def _open(preview: PreviewRecord) -> Body:
    return services().previews.open(preview)


class _Part:
    """A part of a body that is one by itself (the Body of `storage.bodies`)."""

    def __init__(self, body: Body, span: Span) -> None:
        self._body = body
        self._start = span.start
        self.size = span.size
        self.is_made = body.is_made
        self.close = body.close

    def blocks(self, span: Span) -> Iterator[bytes]:
        """The bytes of a span, in pieces."""
        return self._body.blocks(self._moved(span))

    def local(self, span: Span) -> LocalBytes | None:
        """Where the kernel can send the span from."""
        return self._body.local(self._moved(span))

    def _moved(self, span: Span) -> Span:
        return Span(span.start + self._start, span.stop + self._start)
