"""tus 1.0.0 at `/api/uploads` and `/s/TOKEN/uploads` (https://tus.io/protocols/resumable-upload)."""

import uuid

from flask import Response, request

from transfer_service.errors import Forbidden
from transfer_service.models.uploads import UploadKind, UploadProtocol
from transfer_service.services.uploads.appends import Piece
from transfer_service.services.uploads.resumable import UploadDraft
from transfer_service.services.uploads.rows import UploadRecord
from transfer_service.web.context import services
from transfer_service.web.uploads.append_body import (
    TusBody,
    answer,
    append_first,
    check_first_bytes,
    is_overwriting,
    location_of,
    repr_digest,
)
from transfer_service.web.uploads.senders import sender
from transfer_service.wire import tus
from transfer_service.wire.conditions import format_http_date
from transfer_service.wire.filenames import parse_name_in_folder


def options_headers() -> dict[str, str]:
    """What is supported."""
    return tus.options_headers(services().space.max_file_bytes)


def check() -> None:
    """Raises UnsupportedVersion."""
    tus.check_version(request.headers.get("Tus-Resumable"))


def create() -> Response:
    """Begin an upload, with its first bytes if they came along."""
    check()
    creation = tus.parse_creation(request.headers)
    is_overwriting(asked=creation.metadata.overwrite)  # refused before anything else is looked at
    body = TusBody()
    if creation.concat is not None and creation.concat.is_final:
        if body.announced != 0:
            raise Forbidden("A final upload takes no bytes of its own")
        return _concatenate(creation, creation.concat)
    if body.announced != 0:
        tus.check_media_type(request.headers.get("Content-Type"))
    check_first_bytes(creation.length, body)
    kind = UploadKind.PARTIAL if creation.concat else UploadKind.WHOLE
    draft = _draft(creation, kind)
    uploads, account_id = services().resumable_uploads, sender().account_id
    if body.announced == 0:
        body.verify()
        return _created(uploads.begin(account_id, draft), {})
    upload = uploads.begin_whole(account_id, draft, body)
    if upload is None:
        upload = append_first(uploads.begin(account_id, draft), Piece(offset=0, ends=True), body, is_known=False)
    return _created(upload, {"Upload-Offset": str(upload.offset)})


def _concatenate(creation: tus.Creation, concat: tus.Concat) -> Response:
    account_id, concatenation = sender().account_id, services().concatenation
    link_id = sender().link_id
    upload = concatenation.find_repeated(account_id, sender().stored_concat(concat.raw), link_id=link_id)
    if upload is not None:
        upload = services().resumable_uploads.conclude(account_id, upload.id)
    else:
        part_ids = tus.upload_ids_of(concat, path_prefix=sender().path)
        length = concatenation.check_parts(account_id, part_ids, link_id=link_id)
        draft = _draft(creation, UploadKind.FINAL, length=length)
        upload = services().resumable_uploads.begin(account_id, draft, part_ids=part_ids)
    return _created(upload, {})


def _draft(creation: tus.Creation, kind: UploadKind, *, length: int | None = None) -> UploadDraft:
    metadata = creation.metadata
    filename = metadata.filename
    return UploadDraft(
        protocol=UploadProtocol.TUS,
        name=sender().place(parse_name_in_folder(filename, metadata.relative_path) if filename is not None else None),
        media_type=metadata.filetype,
        length=creation.length if length is None else length,
        overwrite=is_overwriting(asked=metadata.overwrite),
        kind=kind,
        upload_metadata=metadata.raw,
        concat_header=sender().stored_concat(creation.concat.raw) if creation.concat else None,
        repr_digest=repr_digest(),
        origin_id=sender().origin_id,
        folder=sender().folder,
    )


def _created(upload: UploadRecord, headers: dict[str, str]) -> Response:
    return answer(upload, 201, {"Location": location_of(upload), **_expires(upload), **headers})


def _expires(upload: UploadRecord) -> dict[str, str]:
    expires_at = sender().expires_at(upload)
    return {"Upload-Expires": format_http_date(expires_at)} if expires_at is not None else {}


def look(upload_id: uuid.UUID) -> Response:
    """How far an upload got."""
    check()
    upload = services().resumable_uploads.look(sender().account_id, upload_id)
    is_being_made = upload.kind is UploadKind.FINAL and not upload.is_finished
    headers = tus.progress_headers(
        offset=None if is_being_made else upload.offset,
        length=upload.length,
        metadata_raw=upload.upload_metadata,
        concat_raw=sender().shown_concat(upload.concat_header),
    )
    return answer(upload, 200, headers | _expires(upload))


def append(upload_id: uuid.UUID) -> Response:
    """Continue an upload."""
    check()
    told = tus.parse_append(request.headers)
    piece = Piece(offset=told.offset, length=told.length, ends=True, repr_digest=repr_digest())
    upload = services().resumable_uploads.append(sender().account_id, upload_id, piece, TusBody())
    return answer(upload, 204, {"Upload-Offset": str(upload.offset), **_expires(upload)})
