"""Resumable Uploads for HTTP, the IETF draft, at `/api/uploads` (draft-ietf-httpbis-resumable-upload)."""

import uuid
from typing import Any

from flask import Response, request

from transfer_service.errors import InvalidName
from transfer_service.services.appends import Piece
from transfer_service.services.resumable_rows import UploadFacts
from transfer_service.services.resumable_uploads import UploadDraft
from transfer_service.upload_models import UploadProtocol
from transfer_service.web.current_account import current
from transfer_service.web.query import flag_of
from transfer_service.web.services import services
from transfer_service.web.upload.append_body import DigestedBody
from transfer_service.web.upload.first_bytes import append_first, check_first_bytes
from transfer_service.web.upload.upload_url import answer, location_of
from transfer_service.wire import rufh, tus
from transfer_service.wire.digests import parse_digests
from transfer_service.wire.disposition import parse_filename
from transfer_service.wire.filenames import parse_name
from transfer_service.wire.rufh import Version

# A proxy that does not know 104 may close the connection, or hold the response back.
_SIGNS_OF_A_PROXY = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP")


def options_headers() -> dict[str, str]:
    """What is supported."""
    limits = rufh.limit_header(Version.V8, max_bytes=services().space.max_file_bytes, max_age_seconds=None)
    return {"Upload-Limit": limits or "", "Accept-Patch": rufh.MEDIA_TYPE}


def check() -> None:
    """Raises InvalidRequest for fields that a request about an upload must not have."""
    rufh.check_retrieval(rufh.parse_version(request.headers), request.headers)


def create() -> Response:
    """Begin an upload with the bytes that came along, which may be all there are."""
    version = rufh.parse_version(request.headers)
    body = _body()
    creation = rufh.parse_creation(version, request.headers, content_length=body.announced)
    check_first_bytes(creation.length, body)
    if body.announced == 0:
        body.verify()
    name, media_type = _name_and_type()
    draft = UploadDraft(
        protocol=UploadProtocol.IETF,
        name=parse_name(name) if name is not None else None,
        media_type=media_type,
        length=creation.length,
        overwrite=flag_of("overwrite"),
        ends=False,
        repr_digest=_repr_digest(),
    )
    upload = services().resumable_uploads.begin(current().account_id, draft)
    is_known = _send_interim(version, upload)
    if body.announced != 0 or creation.is_complete:
        piece = Piece(offset=0, is_last=creation.is_complete)
        upload = append_first(upload, piece, body, is_known=is_known)
    return _answer(version, upload, 201, {"Location": location_of(upload)})


def look(upload_id: uuid.UUID) -> Response:
    """How far an upload got."""
    version = rufh.parse_version(request.headers)
    rufh.check_retrieval(version, request.headers)
    upload = services().resumable_uploads.look(current().account_id, upload_id)
    return _answer(version, upload, 204, _length(upload))


def watch(watched: tuple[UploadFacts, bool]) -> Response:
    """How far an upload got, for who disturbs nobody: without the offset where that is no promise."""
    upload, is_promise = watched
    response = _answer(Version.V8, upload, 204, _length(upload))
    if not is_promise:
        del response.headers["Upload-Offset"]
    return response


def _length(upload: UploadFacts) -> dict[str, str]:
    return {"Upload-Length": str(upload.length)} if upload.length is not None else {}


def append(upload_id: uuid.UUID) -> Response:
    """Continue an upload."""
    version = rufh.parse_version(request.headers)
    body = _body()
    told = rufh.parse_append(version, request.headers, content_length=body.announced)
    piece = Piece(offset=told.offset, length=told.length, is_last=told.is_complete, repr_digest=_repr_digest())
    upload = services().resumable_uploads.append(current().account_id, upload_id, piece, body)
    return _answer(version, upload, 200 if upload.is_finished else version.incomplete_append_status, {})


def _name_and_type() -> tuple[str | None, str | None]:
    """What the file is to be called, and its type. tus-js-client says it in the words of tus here too."""
    metadata = tus.parse_metadata(request.headers.get("Upload-Metadata"))
    name = parse_filename(_text_of("Content-Disposition"))
    declared = request.headers.get("Content-Type", "")
    is_of_file = declared.partition(";")[0].strip().lower() != rufh.MEDIA_TYPE
    return metadata.filename if name is None else name, declared if is_of_file and declared else metadata.filetype


def _text_of(field: str) -> str:
    """A field's value, in UTF-8 as names are everywhere. Raises InvalidName where it is something else."""
    try:
        return request.headers.get(field, "").encode("latin-1").decode()  # as WSGI has it (PEP 3333)
    except UnicodeError as error:
        raise InvalidName("File name is not valid UTF-8") from error


def _body() -> DigestedBody:
    given = request.headers.get("Content-Digest")
    return DigestedBody(parse_digests(given, field="Content-Digest") if given is not None else {})


def _repr_digest() -> str | None:
    """The Repr-Digest of the whole, checked for its form; None where nothing known is in it (RFC 9530 section 2)."""
    given = request.headers.get("Repr-Digest")
    return given if given is not None and parse_digests(given, field="Repr-Digest") else None


def _answer(version: Version, upload: UploadFacts, status: int, headers: dict[str, str]) -> Response:
    told = rufh.progress_headers(version, offset=upload.offset, is_complete=upload.is_finished)
    limits = limits_of(version, upload)
    if limits is not None:
        told["Upload-Limit"] = limits
    if rufh.wants_interim(request.headers):
        told[rufh.VERSION_FIELD] = str(version.value)
    return answer(upload, status, told | headers)


def limits_of(version: Version, upload: UploadFacts) -> str | None:
    """Everything that limits an upload, None in versions that do not tell."""
    left = services().resumable_uploads.seconds_left(upload)
    return rufh.limit_header(version, max_bytes=services().space.max_file_bytes, max_age_seconds=left)


def _send_interim(version: Version, upload: UploadFacts) -> bool:
    """Tell the client where to resume before it has sent the body (104). Whether the connection could carry that."""
    connection: Any = request.environ.get("gunicorn.socket")
    is_direct = not any(field in request.headers for field in _SIGNS_OF_A_PROXY)
    if (
        connection is None
        or not is_direct
        or request.environ["SERVER_PROTOCOL"] != "HTTP/1.1"
        or not rufh.wants_interim(request.headers)
    ):
        return False
    connection.send(rufh.interim_response(version, location=location_of(upload), limits=limits_of(version, upload)))
    return True
