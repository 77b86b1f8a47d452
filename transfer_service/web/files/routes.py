"""The three doors through which an account's files go out."""

from flask import Blueprint, Response

from transfer_service.web.context import current, guard, services
from transfer_service.web.files.file_response import respond_with_file
from transfer_service.web.query import takes_any
from transfer_service.web.sharing.signed import is_shown_inline, signable
from transfer_service.wire.filenames import parse_name

blueprint = Blueprint("files", __name__)
blueprint.before_request(guard)


@blueprint.get("/api/files/<file_id>/download")
@takes_any
@signable
def download_by_id(file_id: str) -> Response:
    """A file by its UUID (the mobile door)."""
    file = services().files.get_readable_by_id(current().account_id, file_id)
    return respond_with_file(file, is_inline=is_shown_inline())


@blueprint.get("/api/files/download/<name:name>")
@takes_any
def download_by_name(name: str) -> Response:
    """A file by its name."""
    return respond_with_file(services().files.get_readable(current().account_id, parse_name(name)))


@blueprint.get("/download/<name:file_id>")
@takes_any
def download_by_name_or_id(file_id: str) -> Response:
    """A file by its name or UUID."""
    return respond_with_file(services().files.get_readable_by_name_or_id(current().account_id, parse_name(file_id)))
