"""`/api/trash`: files that were deleted or replaced, and can be brought back (docs/folders.md)."""

import uuid
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from transfer_service.errors import InvalidRequest
from transfer_service.services.files.trash_rows import TrashedRecord
from transfer_service.web.context import current, guard, services
from transfer_service.web.files.printing import status_with_gaps_json
from transfer_service.web.query import PAGING, Key, read_page, takes
from transfer_service.web.requests import file_id_of, json_object
from transfer_service.wire.filenames import parse_name
from transfer_service.wire.instants import format_instant

blueprint = Blueprint("trash", __name__, url_prefix="/api/trash")
blueprint.before_request(guard)


@blueprint.get("")
@takes(*PAGING, "filename")
def list_trash() -> Response:
    """The account's trash, the newest deletion first; with `filename` only what had that name."""
    name = request.args.get("filename")
    name = None if name is None else parse_name(name)
    page = read_page(_place_of, datetime, uuid.UUID)
    found = services().trash.list_files(current().account_id, name, limit=page.wanted, after=page.after)
    shown, next_cursor = page.cut(found)
    return jsonify({"files": [_trashed_json(file) for file in shown], "next_cursor": next_cursor})


@blueprint.post("/<file_id>/restore")
def restore_file(file_id: str) -> Response:
    """Make it a file again, under its own name or another one."""
    fields = json_object(may_be_missing=True)
    name = fields.get("filename")
    if "filename" in fields and not isinstance(name, str):
        raise InvalidRequest("filename must be a string")
    name = None if name is None else parse_name(name)
    return jsonify(status_with_gaps_json(services().trash.restore(current().account_id, file_id_of(file_id), name)))


@blueprint.delete("/<file_id>")
def remove_file(file_id: str) -> tuple[str, int]:
    """Remove it for good."""
    services().trash.remove(current().account_id, file_id_of(file_id))
    return "", 204


@blueprint.delete("")
def empty_trash() -> tuple[str, int]:
    """Remove everything for good."""
    services().trash.empty(current().account_id)
    return "", 204


def _place_of(file: TrashedRecord) -> Key:
    return file.place


def _trashed_json(file: TrashedRecord) -> dict[str, Any]:
    return {
        "file_id": str(file.id),
        "filename": file.name,
        "size": file.length,
        "content_type": file.media_type,
        "sha256": file.sha256,
        "deleted_at": format_instant(file.deleted_at),
        "expires_at": format_instant(file.expires_at),
        "reason": file.reason.value,
    }
