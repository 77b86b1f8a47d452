"""`POST /api/files/upload`: 17-byte chunks (docs/device-chunks.md)."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain

from flask import Blueprint, Response, jsonify, request

from transfer_service.errors import InvalidRequest
from transfer_service.services.uploads.incoming import Place
from transfer_service.web.context import current, guard, origin_id, services
from transfer_service.web.files.printing import status_json
from transfer_service.web.multipart_body import OVERHEAD_BYTES, MultipartBody, is_multipart
from transfer_service.web.query import takes
from transfer_service.web.request_body import RequestBody, expects_continue
from transfer_service.web.request_log import note
from transfer_service.web.requests import parse_count
from transfer_service.web.uploads.whole_file import form_filename
from transfer_service.wire.chunk_frames import LONG_FRAME, ChunkHeader, FrameFormat
from transfer_service.wire.filenames import parse_name
from transfer_service.wire.ranges import ContentRange, Span, parse_content_range

blueprint = Blueprint("device_frames", __name__, url_prefix="/api/files")
blueprint.before_request(guard)


class IncomingChunk:
    """The `Incoming` of the upload service: a frame's header, read at once, and its data, verified as it passes."""

    def __init__(
        self,
        frame: FrameFormat,
        pieces: Iterator[bytes],
        *,
        infers_length: bool,
        claimed_length: Callable[[], int | None],
        give_up_when: Callable[[Callable[[], bool]], None],
        media_type: str | None = None,
    ) -> None:
        self._frame = frame
        self._pieces = pieces
        self.infers_length = infers_length
        self.claimed_length = claimed_length
        self.give_up_when = give_up_when
        self.media_type = media_type
        self.header = self._read_header()

    def check_frame_bytes(self, size: int) -> None:
        """Refuse a frame whose announced size, header and all, cannot be right. Raises InvalidRequest."""
        if size != self._frame.header_bytes + self.header.span.size:
            raise InvalidRequest(self._frame.wrong_length)

    def blocks(self) -> Iterator[bytes]:
        """The data. Raises InvalidRequest where length or checksum is wrong."""
        pieces = chain([self._rest] if self._rest else [], self._pieces)
        return self._frame.verified_data(self.header, pieces)

    def _read_header(self) -> ChunkHeader:
        head = b""
        while len(head) < self._frame.header_bytes and (piece := next(self._pieces, None)) is not None:
            head += piece
        header = self._frame.parse_header(head)
        self._rest = head[self._frame.header_bytes :]
        return header


@blueprint.post("/upload")
@takes("filename", "total_size")
def upload_chunk() -> Response:
    """Take one chunk, raw or as the part `file` of a form."""
    filename = request.args.get("filename")
    if not filename and (filename is not None or not is_multipart()):
        raise InvalidRequest("Missing filename")
    name = parse_name(filename) if filename else None
    content_range = _content_range()
    in_query = parse_count(request.args.get("total_size"), "total_size")
    total = _first_given(content_range.total if content_range else None, in_query)
    body = RequestBody()
    check_announced(body, name, content_range.span if content_range else None, total)
    account_id = current().account_id
    with ExitStack() as held:
        if name is not None:  # before the first byte of the body: it may take its time
            held.enter_context(services().files.in_use(account_id, name))
        in_body, incoming = _from_form(body, name, total) if is_multipart() else (name or "", _raw(body, total))
        if in_body != name:
            held.enter_context(services().files.in_use(account_id, in_body))
        span = incoming.header.span
        if content_range is not None and content_range.span != span:
            raise InvalidRequest("Content-Range does not match the chunk header")
        status = services().uploads.append(Place(account_id, in_body, origin_id()), span=span, incoming=incoming)
    note(file=str(status.id), stored_bytes=span.size)
    return jsonify(status_json(status))


def _content_range() -> ContentRange | None:
    value = request.headers.get("Content-Range")
    return parse_content_range(value) if value is not None else None


def check_announced(
    body: RequestBody, name: str | None, span: Span | None, total: int | None, *, frame: FrameFormat = LONG_FRAME
) -> None:
    """Refuse by the headers alone what cannot be stored: a client that waits for `100 Continue` keeps its body then."""
    least = (body.announced or 0) - (OVERHEAD_BYTES if is_multipart() else frame.header_bytes)
    services().space.check_size(max(least, total or 0, span.stop if span else 0))
    if name is not None and expects_continue():
        span = span or Span(0, max(1, least))
        place = Place(current().account_id, name, origin_id())
        services().uploads.check(place, span=span, claimed=total, infer=frame is LONG_FRAME)


def _raw(body: RequestBody, total: int | None) -> IncomingChunk:
    """The chunk that is the body, of a file of `total` bytes."""
    incoming = IncomingChunk(
        LONG_FRAME,
        body.blocks(),
        infers_length=True,
        claimed_length=lambda: total,
        give_up_when=body.give_up_when,
    )
    if body.announced is not None:
        incoming.check_frame_bytes(body.announced)
    return incoming


def _from_form(body: RequestBody, name: str | None, total: int | None) -> tuple[str, IncomingChunk]:
    """The chunk in a form and its file's name, of which fields may tell name and total where the query does not."""
    form = MultipartBody(body)
    part = form.open_file_part()
    form.read_ahead()
    in_form = form_filename(form, part, name)
    return in_form, IncomingChunk(
        LONG_FRAME,
        _of_this_name(form.file_blocks(), in_form, lambda: form_filename(form, part, name)),
        infers_length=True,
        claimed_length=lambda: _first_given(total, parse_count(form.field("total_size"), "total_size")),
        give_up_when=body.give_up_when,
        media_type=part.header("Content-Type"),
    )


def _of_this_name(blocks: Iterator[bytes], name: str, final_name: Callable[[], str]) -> Iterator[bytes]:
    """The blocks; a large chunk is on its way to its file before the fields behind it can name another one."""
    yield from blocks
    if final_name() != name:
        raise InvalidRequest("The fields filename and relativePath must come before the file")


def _first_given(*totals: int | None) -> int | None:
    """The total that counts where several are given: Content-Range's, the query's, the form's, in this order."""
    return next((total for total in totals if total is not None), None)
