"""`/api/files`: what is stored under an account's names (docs/device-chunks.md, docs/whole-files.md)."""

from datetime import datetime
from uuid import UUID

from flask import Blueprint, Response, jsonify

from transfer_service.services.files import FileStatus
from transfer_service.web.current_account import current, guard
from transfer_service.web.paging import PAGING, read_page
from transfer_service.web.query import takes
from transfer_service.web.services import services
from transfer_service.web.upload.printing import pending_json, status_json
from transfer_service.wire.filenames import parse_name

blueprint = Blueprint("stored_files", __name__, url_prefix="/api/files")
blueprint.before_request(guard)


@blueprint.get("/status/<name:name>")
def status(name: str) -> Response:
    """How far a file got."""
    name = parse_name(name)
    found = services().files.find(current().account_id, name)
    if found is None:
        return jsonify({**pending_json(name), "missing": []})
    missing = [{"start": span.start, "end": span.stop - 1} for span in services().files.missing(found)]
    return jsonify({**status_json(found), "missing": missing})


@blueprint.get("")
@takes(*PAGING)
def list_files() -> Response:
    """The account's files, newest first."""
    page = read_page(_place, datetime, UUID)
    found = services().files.list_files(current().account_id, limit=page.wanted, after=page.after)
    shown, next_cursor = page.cut(found)
    return jsonify({"files": [status_json(file) for file in shown], "next_cursor": next_cursor})


def _place(file: FileStatus) -> tuple[datetime, UUID]:
    return file.created_at, file.file_id


@blueprint.delete("/<name:name>")
def delete_file(name: str) -> Response:
    """Delete a file, or cancel its upload."""
    name = parse_name(name)
    services().files.delete(current().account_id, name)
    return jsonify({"detail": f"File {name} deleted successfully"})
