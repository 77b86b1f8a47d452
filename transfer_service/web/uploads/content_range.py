"""`/upload` and `/status`: 12-byte chunks with Content-Range (docs/device-chunks.md)."""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from transfer_service.errors import InvalidRequest, TooLarge
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.uploads.incoming import Place
from transfer_service.web.context import current, guard, origin_id, services
from transfer_service.web.request_body import RequestBody
from transfer_service.web.request_log import note
from transfer_service.web.uploads.device_frames import IncomingChunk, check_announced
from transfer_service.wire.chunk_frames import SHORT_FRAME
from transfer_service.wire.filenames import parse_name
from transfer_service.wire.ranges import INVALID, ContentRange, parse_content_range

MAX_LENGTH = 2**32
"""What a header of four bytes can reach: a longer file could never be whole."""

blueprint = Blueprint("content_range", __name__)
blueprint.before_request(guard)


@blueprint.post("/upload/<name:file_id>")
def upload_chunk(file_id: str) -> Response:
    """Take one chunk."""
    name = _stored_name(parse_name(file_id))
    value = request.headers.get("Content-Range")
    if value is None:
        raise InvalidRequest("Content-Range header required")
    content_range = _parse(value)
    if (content_range.total or 0) > MAX_LENGTH:
        raise TooLarge
    body = RequestBody()
    check_announced(body, name, content_range.span, content_range.total, frame=SHORT_FRAME)
    account_id = current().account_id
    with services().files.in_use(account_id, name):  # before the first byte of the body: it may take its time
        incoming = _incoming(body, content_range)
        status = services().uploads.append(
            Place(account_id, name, origin_id()), span=content_range.span, incoming=incoming
        )
    note(file=str(status.id), stored_bytes=content_range.span.size)
    return jsonify({"message": "Chunk received successfully", "next_byte": status.next_expected})


def _incoming(body: RequestBody, content_range: ContentRange) -> IncomingChunk:
    incoming = IncomingChunk(
        SHORT_FRAME,
        body.blocks(),
        infers_length=False,
        claimed_length=lambda: content_range.total,
        give_up_when=body.give_up_when,
    )
    if incoming.header.span != content_range.span:
        raise InvalidRequest(INVALID)
    if body.announced is not None:
        incoming.check_frame_bytes(body.announced)
    return incoming


def _parse(value: str) -> ContentRange:
    """Raises InvalidRequest, in the one wording of this door."""
    try:
        return parse_content_range(value)
    except InvalidRequest as error:
        raise InvalidRequest(INVALID) from error


def _stored_name(name: str) -> str:
    """The name of the file that `name` means: itself, or that of the account's file with this UUID."""
    found = services().files.find_by_name_or_id(current().account_id, name)
    return found.name if found else name


@blueprint.get("/status/<name:file_id>")
def status(file_id: str) -> Response:
    """How far a file got, with every range that is stored."""
    found = services().files.find_by_name_or_id(current().account_id, parse_name(file_id))
    return jsonify(_status_json(file_id, found) if found else _not_found_json(file_id))


def _status_json(file_id: str, status: FileRecord) -> dict[str, Any]:
    return {
        "file_id": file_id,
        "status": "complete" if status.is_complete else "partial",
        "received_bytes": status.received_bytes,
        "total_bytes": status.length,
        "last_updated": int(status.updated_at.timestamp()),
        "next_byte": status.next_expected,
        "chunks": [{"start": span.start, "end": span.stop - 1} for span in services().files.received(status)],
    }


def _not_found_json(file_id: str) -> dict[str, Any]:
    return {
        "file_id": file_id,
        "status": "not_found",
        "received_bytes": 0,
        "total_bytes": None,
        "last_updated": None,
        "next_byte": 0,
        "chunks": [],
    }
