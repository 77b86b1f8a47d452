"""`POST /api/files` and `PUT /api/files/NAME`: a whole file in one request (docs/whole-files.md)."""

from flask import Blueprint, Response, jsonify, request, url_for

from transfer_service.errors import InvalidRequest
from transfer_service.services.uploads.whole_files import Draft, WholeBody
from transfer_service.web.current_account import current, guard
from transfer_service.web.files.printing import status_json
from transfer_service.web.multipart_body import OVERHEAD_BYTES, MultipartBody, is_multipart
from transfer_service.web.query import flag_of, takes
from transfer_service.web.request_body import RequestBody
from transfer_service.web.request_log import note
from transfer_service.web.services import services
from transfer_service.web.uploads.whole_bodies import FormFile, HashedBody, RawFile
from transfer_service.wire.digests import parse_digests
from transfer_service.wire.filenames import parse_name
from transfer_service.wire.media_types import stored_media_type

DIGEST_FIELDS = ("Content-Digest", "Repr-Digest")

blueprint = Blueprint("whole_file", __name__, url_prefix="/api/files")
blueprint.before_request(guard)

Answer = tuple[Response, int, dict[str, str]]


@blueprint.post("")
@takes("filename", "overwrite")
def upload_file() -> Answer:
    """Take a whole file, raw or as the part `file` of a form."""
    overwrite, given_name = flag_of("overwrite"), request.args.get("filename")
    name = parse_name(given_name) if given_name else None
    if is_multipart():
        promises = _promises()
        body = HashedBody(promises)
        services().small_files.check_room(current().account_id, (body.announced or 0) - OVERHEAD_BYTES)
        form_file = FormFile(MultipartBody(body), body, promises, name)
        return _receive(form_file.draft(overwrite=overwrite), form_file)[1]
    if name is None:
        raise InvalidRequest("Missing filename")
    return _receive_raw(name, overwrite=overwrite)[1]


@blueprint.put("/<name:name>")
def put_file(name: str) -> Answer:
    """Take a whole file as the body, under this very name; the old one is replaced."""
    has_replaced, (response, created, headers) = _receive_raw(parse_name(name), overwrite=True)
    return response, 200 if has_replaced else created, headers


def _receive_raw(name: str, *, overwrite: bool) -> tuple[bool, Answer]:
    promises, body = _promises(), RequestBody()
    length = 0 if body.is_absent else body.announced
    draft = Draft(name, stored_media_type(request.headers.get("Content-Type"), name), length, overwrite)
    return _receive(draft, RawFile(body, promises))


def _receive(draft: Draft, body: WholeBody) -> tuple[bool, Answer]:
    """Store a file. Whether it has replaced one, and the answer."""
    received = services().whole_files.receive(current().account_id, draft, body)
    file = received.file
    note(file=str(file.id), stored_bytes=file.length)
    location = url_for("files.download_by_id", file_id=file.id)
    return received.has_replaced, (jsonify(status_json(file)), 201, {"Location": location})


def _promises() -> list[dict[str, bytes]]:
    """The digests that the client has sent, field by field."""
    return [parse_digests(request.headers[field], field=field) for field in DIGEST_FIELDS if field in request.headers]
