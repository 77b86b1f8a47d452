"""`/api/folders`: the folders that files lie in (docs/folders.md)."""

from typing import Any

from flask import Blueprint, Response, jsonify

from transfer_service.errors import InvalidRequest
from transfer_service.services.files.folders import FolderRecord
from transfer_service.web.context import current, guard, services
from transfer_service.web.query import flag_of, takes
from transfer_service.web.requests import json_object
from transfer_service.wire.filenames import parse_name
from transfer_service.wire.instants import format_instant

blueprint = Blueprint("folders", __name__, url_prefix="/api/folders")
blueprint.before_request(guard)


@blueprint.post("")
def create_folder() -> tuple[Response, int]:
    """Make a folder, and those that it lies in."""
    folder, is_new = services().folders.create(current().account_id, _path_in_body())
    return jsonify(_folder_json(folder)), 201 if is_new else 200


@blueprint.get("/<name:path>")
def show_folder(path: str) -> Response:
    """How much is in a folder."""
    return jsonify(_folder_json(services().folders.get(current().account_id, parse_name(path))))


@blueprint.patch("/<name:path>")
def move_folder(path: str) -> Response:
    """Give a folder another path, with all that is in it."""
    path = parse_name(path)
    return jsonify(_folder_json(services().folders.move(current().account_id, path, _path_in_body())))


@blueprint.delete("/<name:path>")
@takes("recursive", "permanent")
def delete_folder(path: str) -> tuple[str, int]:
    """Delete a folder, if that was said with all that is in it."""
    services().folders.delete(
        current().account_id,
        parse_name(path),
        is_recursive=flag_of("recursive"),
        is_permanent=flag_of("permanent"),
    )
    return "", 204


def _path_in_body() -> str:
    path = json_object().get("path")
    if not isinstance(path, str):
        raise InvalidRequest("path must be a string")
    return parse_name(path)


def _folder_json(folder: FolderRecord) -> dict[str, Any]:
    return {
        "path": folder.path,
        "files": folder.files,
        "folders": folder.folders,
        "bytes": folder.total_bytes,
        "created_at": format_instant(folder.created_at),
    }
