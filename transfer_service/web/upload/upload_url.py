"""The URLs of resumable uploads, and what every answer about one carries."""

import uuid
from urllib.parse import quote

from flask import Response

from transfer_service.errors import NotFound
from transfer_service.services.files import parse_file_id
from transfer_service.services.resumable_rows import UploadFacts
from transfer_service.web.addresses import absolute_url
from transfer_service.web.request_log import note


def parse_upload_id(text: str) -> uuid.UUID:
    """The id in a path. Raises NotFound: what is no UUID is the id of no upload."""
    parsed = parse_file_id(text)
    if parsed is None:
        raise NotFound("Upload not found")
    return parsed


def location_of(upload: UploadFacts) -> str:
    """Where the upload is continued: a whole URL, because many clients understand nothing else."""
    return absolute_url("resumable.look", upload_id=upload.id)


def empty(status: int) -> Response:
    """An answer without a body, and so without a type of one."""
    response = Response(status=status)
    del response.headers["Content-Type"]
    return response


def answer(upload: UploadFacts, status: int, headers: dict[str, str]) -> Response:
    """An answer about an upload; once it is finished, with the id and the name of its file."""
    response = empty(status)
    response.headers.update(headers)
    response.headers["Cache-Control"] = "no-store"
    if upload.is_finished:
        response.headers["X-File-Id"] = str(upload.id)
        response.headers["X-File-Name"] = quote(upload.name)
    note(file=str(upload.id), upload_offset=upload.offset)
    return response
