"""Resumable Uploads for HTTP, the IETF draft, at the same addresses as tus (draft-ietf-httpbis-resumable-upload)."""

import uuid

from flask import Response, request

from transfer_service.errors import InvalidName
from transfer_service.models.uploads import UploadProtocol
from transfer_service.services.uploads.appends import Piece
from transfer_service.services.uploads.resumable import UploadDraft
from transfer_service.services.uploads.rows import UploadRecord
from transfer_service.web.context import services
from transfer_service.web.uploads.append_body import (
    InterimAnswers,
    ToldBody,
    answer,
    append_first,
    check_first_bytes,
    is_overwriting,
    location_of,
    repr_digest,
)
from transfer_service.web.uploads.senders import sender
from transfer_service.wire import rufh, tus
from transfer_service.wire.digests import format_sha256
from transfer_service.wire.filenames import parse_filename, parse_name_in_folder
from transfer_service.wire.rufh import Version


def options_headers() -> dict[str, str]:
    """What is supported."""
    limits = rufh.limit_header(Version.V8, max_bytes=services().space.max_file_bytes, max_age_seconds=None)
    return {"Upload-Limit": limits or "", "Accept-Patch": rufh.MEDIA_TYPE}


def check() -> None:
    """Raises InvalidRequest for fields that a request about an upload must not have."""
    rufh.check_retrieval(rufh.parse_version(request.headers), request.headers)


def create() -> Response:
    """Begin an upload with the bytes that came along, which may be all there are."""
    overwrite, version = is_overwriting(), rufh.parse_version(request.headers)
    body = ToldBody(InterimAnswers(version))
    creation = rufh.parse_creation(version, request.headers, content_length=body.announced)
    check_first_bytes(creation.length, body)
    if body.announced == 0:
        body.verify()
    name, media_type = _name_and_type()
    draft = UploadDraft(
        protocol=UploadProtocol.IETF,
        name=name,
        media_type=media_type,
        length=creation.length,
        overwrite=overwrite,
        ends=False,
        repr_digest=repr_digest(),
        origin_id=sender().origin_id,
        folder=sender().folder,
    )
    uploads, account_id = services().resumable_uploads, sender().account_id
    if creation.is_complete and body.announced and not body.interim.can_arrive:  # or it would have to wait for that
        whole = uploads.begin_whole(account_id, draft, body)
        if whole is not None:
            return _answer(version, whole, 201, {"Location": location_of(whole)})
    upload = uploads.begin(account_id, draft)
    is_known = body.interim.announce(location_of(upload), limits_of(version, upload))
    if body.announced != 0 or creation.is_complete:
        piece = Piece(offset=0, is_last=creation.is_complete)
        upload = append_first(upload, piece, body, is_known=is_known)
    return _answer(version, upload, 201, {"Location": location_of(upload)})


def look(upload_id: uuid.UUID) -> Response:
    """How far an upload got."""
    version = rufh.parse_version(request.headers)
    rufh.check_retrieval(version, request.headers)
    upload = services().resumable_uploads.look(sender().account_id, upload_id)
    return _answer(version, upload, 204, _length(upload))


def watch(watched: tuple[UploadRecord, bool]) -> Response:
    """How far an upload got, for who disturbs nobody: without the offset where that is no promise."""
    upload, is_promise = watched
    response = _answer(Version.V8, upload, 204, _length(upload))
    if not is_promise:
        del response.headers["Upload-Offset"]
    return response


def _length(upload: UploadRecord) -> dict[str, str]:
    return {"Upload-Length": str(upload.length)} if upload.length is not None else {}


def append(upload_id: uuid.UUID) -> Response:
    """Continue an upload."""
    version = rufh.parse_version(request.headers)
    body = ToldBody(InterimAnswers(version))
    told = rufh.parse_append(version, request.headers, content_length=body.announced)
    piece = Piece(offset=told.offset, length=told.length, is_last=told.is_complete, repr_digest=repr_digest())
    upload = services().resumable_uploads.append(sender().account_id, upload_id, piece, body)
    return _answer(version, upload, 200 if upload.is_finished else version.incomplete_append_status, {})


def _name_and_type() -> tuple[str | None, str | None]:
    """What the file is to be called, and its type. tus-js-client says it in the words of tus here too.

    Raises InvalidName.
    """
    metadata = tus.parse_metadata(request.headers.get("Upload-Metadata"))
    name = parse_filename(_text_of("Content-Disposition"))
    declared = request.headers.get("Content-Type", "")
    is_of_file = declared.partition(";")[0].strip().lower() != rufh.MEDIA_TYPE
    filename = metadata.filename if name is None else name
    named = parse_name_in_folder(filename, metadata.relative_path) if filename is not None else None
    return sender().place(named), declared if is_of_file and declared else metadata.filetype


def _text_of(field: str) -> str:
    """A field's value, in UTF-8 as names are everywhere. Raises InvalidName where it is something else."""
    try:
        return request.headers.get(field, "").encode("latin-1").decode()  # as WSGI has it (PEP 3333)
    except UnicodeError as error:
        raise InvalidName("File name is not valid UTF-8") from error


def _answer(version: Version, upload: UploadRecord, status: int, headers: dict[str, str]) -> Response:
    told = rufh.progress_headers(version, offset=upload.offset, is_complete=upload.is_finished)
    limits = limits_of(version, upload)
    if limits is not None:
        told["Upload-Limit"] = limits
    if upload.is_finished and upload.file and upload.file.sha256 is not None:
        told["Repr-Digest"] = format_sha256(upload.file.sha256)
    if rufh.wants_interim(request.headers):
        told[rufh.VERSION_FIELD] = str(version.value)
    return answer(upload, status, told | headers)


def limits_of(version: Version, upload: UploadRecord) -> str | None:
    """Everything that limits an upload, None in versions that do not tell."""
    left = sender().seconds_left(upload)
    return rufh.limit_header(version, max_bytes=services().space.max_file_bytes, max_age_seconds=left)
