"""`/api/uploads`: resumable uploads for any client, by tus 1.0.0 or by the IETF draft (docs/resumable.md).

The same stand at `/s/TOKEN/uploads`, see `web/sharing/link_uploads.py`.

A request with `Tus-Resumable` speaks tus, any other the draft. `GET` answers in JSON whoever asks; in the words of a
protocol it is a `HEAD` with that JSON, without them it disturbs nobody.
"""

import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, jsonify, request

from transfer_service.errors import NotFound
from transfer_service.services.uploads.listing import ListedUpload
from transfer_service.services.uploads.rows import UploadRecord
from transfer_service.web.context import current, guard, services
from transfer_service.web.error_envelopes import speaks_tus
from transfer_service.web.query import PAGING, read_page, takes
from transfer_service.web.uploads import rufh, tus
from transfer_service.web.uploads.append_body import empty, parse_upload_id
from transfer_service.web.uploads.resumable_errors import init_resumable_errors
from transfer_service.web.uploads.senders import sender
from transfer_service.wire.error_bodies import is_uploads_path
from transfer_service.wire.instants import format_instant
from transfer_service.wire.rufh import is_protocol
from transfer_service.wire.tus import VERSION

_ALLOWED, _ALLOWED_TO_GUESTS = "GET, HEAD, OPTIONS, POST", "OPTIONS, POST"
_ALLOWED_ON_ONE = "DELETE, GET, HEAD, OPTIONS, PATCH"


def name_version(response: Response) -> Response:
    """For `after_app_request`: every answer to tus names its version, also where no view was reached."""
    if is_uploads_path(request.path) and speaks_tus():
        response.headers["Tus-Resumable"] = VERSION
    return response


def options(upload_id: str | None = None) -> Response:
    """What both protocols can do here; the answer to a preflight too."""
    response = empty(204)
    response.headers.update(tus.options_headers())
    response.headers.update(rufh.options_headers())
    allowed = _ALLOWED if request.blueprint == blueprint.name else _ALLOWED_TO_GUESTS
    response.headers["Allow"] = _ALLOWED_ON_ONE if upload_id else allowed
    return response


@takes("overwrite")
def create() -> Response:
    """Begin an upload."""
    return tus.create() if speaks_tus() else rufh.create()


def look(upload_id: str) -> Response:
    """How far an upload got."""
    door: Callable[[Any], Response] = tus.look if speaks_tus() else rufh.look
    return door(parse_upload_id(upload_id))


def append(upload_id: str) -> Response:
    """Continue an upload."""
    door: Callable[[Any], Response] = tus.append if speaks_tus() else rufh.append
    return door(parse_upload_id(upload_id))


def cancel(upload_id: str) -> Response:
    """End an upload; the file of a finished one stays."""
    (tus.check if speaks_tus() else rufh.check)()
    services().resumable_uploads.cancel(sender().account_id, parse_upload_id(upload_id))
    return empty(204)


def show(upload_id: str) -> Response:
    """One upload; for who asks by a protocol like HEAD, an append that is running ends."""
    identifier, account_id = parse_upload_id(upload_id), sender().account_id
    told: Response | None = None
    if speaks_tus():
        told = tus.look(identifier)
    elif is_protocol(request.headers):
        told = rufh.look(identifier)
    else:
        with suppress(NotFound):  # it may have come through another door
            told = rufh.watch(_watched(account_id, identifier))
    response = jsonify(_upload_json(services().unfinished_uploads.get(account_id, identifier)))
    if told is not None:
        response.headers.extend(told.headers.items())
    return response


def _watched(account_id: uuid.UUID, upload_id: uuid.UUID) -> tuple[UploadRecord, bool]:
    """An upload, and whether its offset is a promise: not while somebody appends."""
    uploads = services().resumable_uploads
    is_promise = not uploads.is_appending(upload_id)  # first: what begins later is newer than this request
    return uploads.get(account_id, upload_id), is_promise


@takes(*PAGING)
def list_uploads() -> Response:
    """The account's unfinished uploads, newest first."""
    page = read_page(_place, datetime, UUID)
    found = services().unfinished_uploads.list_uploads(current().account_id, limit=page.wanted, after=page.after)
    shown, next_cursor = page.cut(found)
    return jsonify({"uploads": [_upload_json(upload) for upload in shown], "next_cursor": next_cursor})


def _place(upload: ListedUpload) -> tuple[datetime, UUID]:
    return upload.file.created_at, upload.file.id


def _upload_json(upload: ListedUpload) -> dict[str, Any]:
    file, expires_at = upload.file, sender().end_of(upload.expires_at)
    return {
        "upload_id": str(file.id),
        "filename": sender().shown_name(file),
        "status": "complete" if file.is_complete else "partial" if file.next_expected else "pending",
        "offset": file.next_expected,
        "length": file.length,
        "expires_at": format_instant(expires_at) if expires_at else None,
        "file_id": str(file.id) if file.is_complete else None,
        "protocol": upload.protocol,
    }


def add_routes(blueprint: Blueprint, *, are_listed: bool) -> None:
    """Let uploads be sent at the addresses of a blueprint, and listed where who sends them is known."""
    of_all = [("OPTIONS", options), ("POST", create), *([("GET", list_uploads)] if are_listed else [])]
    # HEAD first: a view of GET would take it too.
    of_one = [("HEAD", look), ("GET", show), ("PATCH", append), ("DELETE", cancel), ("OPTIONS", options)]
    for rule, views in (("", of_all), ("/<upload_id>", of_one)):
        for method, view in views:
            blueprint.add_url_rule(rule, view_func=view, methods=[method], provide_automatic_options=False)
    init_resumable_errors(blueprint)


blueprint = Blueprint("resumable", __name__, url_prefix="/api/uploads")
blueprint.before_request(guard)
blueprint.after_app_request(name_version)
add_routes(blueprint, are_listed=True)
