"""`/api/admin/transfers`: what is under way, and the end of one of it (docs/administration.md).

Uploads by any door and for any account, and remote downloads. Who downloads what is stored is in no record: only the
process that sends it knows, so that is not among them.
"""

import uuid
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify

from transfer_service.errors import NotFound
from transfer_service.services.files.files import parse_file_id
from transfer_service.services.games.job_rows import DownloadRecord
from transfer_service.services.uploads.transfers import UnfinishedUpload
from transfer_service.web.admin.doors import guard_for_admins
from transfer_service.web.context import actor_of, current, services
from transfer_service.web.query import MAX_PAGE, PAGING, Key, read_page, takes

DOWNLOAD = "download"
_NO_ID, _LONG_AGO = uuid.UUID(int=0), datetime(1970, 1, 1, tzinfo=UTC)
_MOST_DIGITS = 18

blueprint = Blueprint("transfers", __name__, url_prefix="/api/admin/transfers")
guard_for_admins(blueprint)


@blueprint.get("")
@takes(*PAGING)
def list_transfers() -> Response:
    """Remote downloads, then uploads account by account; without `limit` the first thousand."""
    page = read_page(_place_of, int, int, uuid.UUID, datetime, uuid.UUID, default=MAX_PAGE)
    is_in_uploads, last_job, *after = page.after or (0, 0)
    downloads = [] if is_in_uploads else services().remote_downloads.list_active()
    found: list[DownloadRecord | UnfinishedUpload] = []
    found += [job for job in downloads if job.job_id > last_job][: page.wanted]
    if left := page.wanted - len(found):
        behind = (after[0], after[1], after[2]) if is_in_uploads else None
        found += services().administration.uploads.list_uploads(limit=left, after=behind)
    shown, next_cursor = page.cut(found)
    return jsonify({"transfers": [_transfer_json(each) for each in shown], "next_cursor": next_cursor})


@blueprint.delete("/<transfer_id>")
def cancel_transfer(transfer_id: str) -> tuple[str, int]:
    """End an upload, or a remote download, whosever it is."""
    upload_id = parse_file_id(transfer_id)
    if upload_id is not None:
        services().administration.uploads.cancel(upload_id)
    else:
        services().remote_downloads.cancel_job(_job_id_of(transfer_id), actor=actor_of(current()))
    return "", HTTPStatus.NO_CONTENT


def _job_id_of(text: str) -> int:
    """The id of a remote download. Raises NotFound for what is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise NotFound("Transfer not found")
    return int(text)


def _place_of(transfer: DownloadRecord | UnfinishedUpload) -> Key:
    if isinstance(transfer, DownloadRecord):
        return (0, transfer.job_id, _NO_ID, _LONG_AGO, _NO_ID)
    return (1, 0, *transfer.place)


def _transfer_json(transfer: DownloadRecord | UnfinishedUpload) -> dict[str, Any]:
    if isinstance(transfer, DownloadRecord):
        return {
            "id": str(transfer.job_id),
            "kind": DOWNLOAD,
            "account": transfer.username,
            "filename": transfer.title,
            "offset": transfer.bytes_downloaded,
            "length": transfer.total_bytes,
            "link_id": None,
        }
    file = transfer.file
    return {
        "id": str(file.id),
        "kind": transfer.kind,
        "account": transfer.account,
        "filename": file.name,
        "offset": file.received_bytes,
        "length": file.length,
        "link_id": str(transfer.link_id) if transfer.link_id else None,
    }
