"""`GET /api/account/export`: all of one's own as a ZIP archive (docs/your-data.md).

It is made anew each time, unless a request names one by its ETag: to go on with it.
"""

import re
import uuid

from flask import Blueprint, Response, request

from transfer_service.services.exports.rows import ExportRecord
from transfer_service.web.context import current, guard, services
from transfer_service.web.error_envelopes import error_response
from transfer_service.web.files.file_response import StoredFile, respond
from transfer_service.web.query import takes_any
from transfer_service.web.sharing.zips import MEDIA_TYPE

blueprint = Blueprint("export", __name__, url_prefix="/api/account/export")
blueprint.before_request(guard)
_TAGS = re.compile(r'(?<!/)"([0-9a-f]{32})"')


@blueprint.get("")
@takes_any
def export_account() -> Response:
    """The archive."""
    identity = current()
    export = _find_named()
    is_new = export is None
    if export is None:
        if "If-Match" in request.headers:
            return error_response("Precondition failed", 412)
        export = services().sharing.exports.create(identity.account_id, identity.name)
    return respond(_stored(export, takes_ranges=not is_new))


def _find_named() -> ExportRecord | None:
    """The one that the request goes on with, if it is still what it was."""
    headers = request.headers
    named = headers.get("If-Match", "") if "If-Match" in headers else headers.get("If-Range", "")
    if "If-Match" not in headers and "Range" not in headers:
        return None
    for tag in _TAGS.findall(named)[:1]:
        return services().sharing.exports.find(current().account_id, uuid.UUID(hex=tag))
    return None


def _stored(export: ExportRecord, *, takes_ranges: bool) -> StoredFile:
    return StoredFile(
        name=f"export-{export.created_at:%Y-%m-%d}.zip",
        media_type=MEDIA_TYPE,
        length=export.size,
        etag=export.id.hex,
        modified_at=export.created_at,
        is_dated=False,
        takes_ranges=takes_ranges,
        open=lambda: services().sharing.exports.open(export),
        still_exists=lambda: True,
    )
