"""`/api/files`: 17-byte chunks, and what is stored under an account's names (docs/device-chunks.md)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, jsonify, request

from transfer_service.errors import InvalidRequest
from transfer_service.services.files import FileStatus
from transfer_service.web.current_account import current, guard
from transfer_service.web.multipart_body import OVERHEAD_BYTES, MultipartBody, is_multipart
from transfer_service.web.paging import PAGING, read_page
from transfer_service.web.query import takes
from transfer_service.web.request_body import RequestBody
from transfer_service.web.request_log import note
from transfer_service.web.requests import expects_continue, parse_count
from transfer_service.web.services import services
from transfer_service.web.upload.incoming_chunk import IncomingChunk
from transfer_service.wire.chunk_frames import LONG_FRAME, FrameFormat
from transfer_service.wire.content_range import ContentRange, parse_content_range
from transfer_service.wire.filenames import parse_name
from transfer_service.wire.spans import Span

blueprint = Blueprint("device_frames", __name__, url_prefix="/api/files")
blueprint.before_request(guard)


def status_json(status: FileStatus) -> dict[str, Any]:
    """A file's progress in the words of this door."""
    return {
        "filename": status.name,
        "file_id": str(status.file_id),
        "status": "complete" if status.is_complete else "partial",
        "bytes_received": status.received_bytes,
        "total_bytes": status.length,
        "next_expected_byte": status.next_expected,
        "sha256": status.sha256,
    }


def _pending_json(name: str) -> dict[str, Any]:
    return {
        "filename": name,
        "file_id": None,
        "status": "pending",
        "bytes_received": 0,
        "total_bytes": None,
        "next_expected_byte": 0,
        "sha256": None,
    }


@blueprint.post("/upload")
@takes("filename", "total_size")
def upload_chunk() -> Response:
    """Take one chunk, raw or as the part `file` of a form."""
    filename = request.args.get("filename")
    if not filename:
        raise InvalidRequest("Missing filename")
    name = parse_name(filename)
    content_range = _content_range()
    in_query = parse_count(request.args.get("total_size"), "total_size")
    total = _first_given(content_range.total if content_range else None, in_query)
    body = RequestBody()
    check_announced(body, name, content_range.span if content_range else None, total)
    incoming = _incoming(body, total)
    span = incoming.header.span
    if content_range is not None and content_range.span != span:
        raise InvalidRequest("Content-Range does not match the chunk header")
    status = services().uploads.append(current().account_id, name, span=span, incoming=incoming)
    note(file=str(status.file_id), stored_bytes=span.size)
    return jsonify(status_json(status))


def _content_range() -> ContentRange | None:
    value = request.headers.get("Content-Range")
    return parse_content_range(value) if value is not None else None


def check_announced(
    body: RequestBody, name: str, span: Span | None, total: int | None, *, frame: FrameFormat = LONG_FRAME
) -> None:
    """Refuse by the headers alone what cannot be stored: a client that waits for `100 Continue` keeps its body then."""
    least = (body.announced or 0) - (OVERHEAD_BYTES if is_multipart() else frame.header_bytes)
    services().space.check_size(max(least, total or 0, span.stop if span else 0))
    if expects_continue():
        span = span or Span(0, max(1, least))
        services().uploads.check(current().account_id, name, span=span, claimed=total, infer=frame is LONG_FRAME)


def _incoming(body: RequestBody, total: int | None) -> IncomingChunk:
    """The chunk in the request's body, of a file of `total` bytes or as many as a field of its form says."""
    if is_multipart():
        form = MultipartBody(body)
        form.open_file_part()
        return IncomingChunk(
            LONG_FRAME,
            form.file_blocks(),
            infers_length=True,
            claimed_length=lambda: _first_given(total, parse_count(form.fields.get("total_size"), "total_size")),
            give_up_when=body.give_up_when,
        )
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


def _first_given(*totals: int | None) -> int | None:
    """The total that counts where several are given: Content-Range's, the query's, the form's, in this order."""
    return next((total for total in totals if total is not None), None)


@blueprint.get("/status/<name:name>")
def status(name: str) -> Response:
    """How far a file got."""
    name = parse_name(name)
    found = services().files.find(current().account_id, name)
    if found is None:
        return jsonify({**_pending_json(name), "missing": []})
    missing = [{"start": span.start, "end": span.stop - 1} for span in services().files.missing(found)]
    return jsonify({**status_json(found), "missing": missing})


@blueprint.get("")
@takes(*PAGING)
def list_files() -> Response:
    """The account's files, newest first."""
    page = read_page(_place, datetime, UUID)
    shown, next_cursor = page.cut(
        services().files.list_files(current().account_id, limit=page.wanted, after=page.after)
    )
    return jsonify({"files": [status_json(file) for file in shown], "next_cursor": next_cursor})


def _place(file: FileStatus) -> tuple[datetime, UUID]:
    return file.created_at, file.file_id


@blueprint.delete("/<name:name>")
def delete_file(name: str) -> Response:
    """Delete a file, or cancel its upload."""
    name = parse_name(name)
    services().files.delete(current().account_id, name)
    return jsonify({"detail": f"File {name} deleted successfully"})
