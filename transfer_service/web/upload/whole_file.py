"""`POST /api/files`: a whole file in one request (docs/whole-files.md)."""

import hashlib
from collections.abc import Iterator, Sequence

from flask import Blueprint, Response, jsonify, request, url_for

from transfer_service.errors import InvalidRequest
from transfer_service.services.whole_files import Draft
from transfer_service.web.current_account import current, guard
from transfer_service.web.multipart_body import OVERHEAD_BYTES, MultipartBody, is_multipart
from transfer_service.web.query import flag_of, takes
from transfer_service.web.request_body import RequestBody
from transfer_service.web.request_log import note
from transfer_service.web.services import services
from transfer_service.web.upload.device_frames import status_json
from transfer_service.wire.digests import parse_sha256
from transfer_service.wire.disposition import parse_filename
from transfer_service.wire.filenames import parse_name
from transfer_service.wire.media_types import stored_media_type

DIGEST_FIELDS = ("Content-Digest", "Repr-Digest")

blueprint = Blueprint("whole_file", __name__, url_prefix="/api/files")
blueprint.before_request(guard)


class _RawFile:
    """A body that is the file."""

    def __init__(self, body: RequestBody, promised: Sequence[bytes]) -> None:
        self._body = body
        self._promised = promised

    def blocks(self) -> Iterator[bytes]:
        """The file's bytes."""
        return self._body.blocks()

    def expected_sha256(self) -> Sequence[bytes]:
        """The digests in the header."""
        return self._promised


class _HashedBody(RequestBody):
    """A body that also hashes itself: a digest of a form's content covers the whole form (RFC 9530 section 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.sha256 = hashlib.sha256()

    def blocks(self) -> Iterator[bytes]:
        """Every block."""
        for block in super().blocks():
            self.sha256.update(block)
            yield block


class _FormFile:
    """A form whose part `file` is the file. A promised digest may be the form's, as the RFC has it, or the file's."""

    def __init__(self, form: MultipartBody, body: RequestBody, promised: Sequence[bytes]) -> None:
        self._form = form
        self._body = body
        self._promised = promised

    def blocks(self) -> Iterator[bytes]:
        """The file's bytes."""
        return self._form.file_blocks()

    def expected_sha256(self) -> Sequence[bytes]:
        """The promised digests that are not the form's own."""
        if not isinstance(self._body, _HashedBody):
            return ()
        of_form = self._body.sha256.digest()
        return [digest for digest in self._promised if digest != of_form]


@blueprint.post("")
@takes("filename", "overwrite")
def upload_file() -> tuple[Response, int, dict[str, str]]:
    """Take a whole file, raw or as the part `file` of a form."""
    promised = _promised_digests()
    overwrite = flag_of("overwrite")
    given_name = request.args.get("filename")
    source: _RawFile | _FormFile
    if is_multipart():
        body = _HashedBody() if promised else RequestBody()
        services().whole_files.check_room(current().account_id, (body.announced or 0) - OVERHEAD_BYTES)
        form = MultipartBody(body)
        part = form.open_file_part()
        name = _name(given_name or parse_filename(part.header("Content-Disposition", "")))
        draft = Draft(name, stored_media_type(part.header("Content-Type"), name), length=None, overwrite=overwrite)
        source = _FormFile(form, body, promised)
    else:
        body = RequestBody()
        name = _name(given_name)
        length = 0 if body.is_absent else body.announced
        draft = Draft(name, stored_media_type(request.headers.get("Content-Type"), name), length, overwrite)
        source = _RawFile(body, promised)
    status = services().whole_files.receive(current().account_id, draft, source)
    note(file=str(status.file_id), stored_bytes=status.length)
    location = url_for("files.download_by_id", file_id=status.file_id)
    return jsonify(status_json(status)), 201, {"Location": location}


def _name(value: str | None) -> str:
    if not value:
        raise InvalidRequest("Missing filename")
    return parse_name(value)


def _promised_digests() -> list[bytes]:
    given = [(field, request.headers[field]) for field in DIGEST_FIELDS if field in request.headers]
    digests = [parse_sha256(value, field=field) for field, value in given]
    return [digest for digest in digests if digest is not None]
