"""`POST /api/files` and `PUT /api/files/NAME`: a whole file in one request (docs/whole-files.md)."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, request, url_for
from multipart import MultipartSegment

from transfer_service.errors import DigestMismatch, InvalidRequest
from transfer_service.models.keys import Scope
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.uploads.whole_files import Draft, WholeBody
from transfer_service.web.context import current, guard, has_scope, origin_id, require_scope, services
from transfer_service.web.files.printing import status_json
from transfer_service.web.idempotency import (
    Content,
    Printed,
    Remember,
    content_of_form,
    give_way,
    idempotent,
    read_form_again,
    remembering,
    sha256_of,
)
from transfer_service.web.multipart_body import FILE_PART, OVERHEAD_BYTES, MultipartBody, filename_of, is_multipart
from transfer_service.web.query import takes
from transfer_service.web.request_body import RequestBody
from transfer_service.web.request_log import note
from transfer_service.web.uploads.append_body import is_overwriting
from transfer_service.wire.digests import parse_digests
from transfer_service.wire.filenames import parse_name, parse_name_in_folder
from transfer_service.wire.media_types import stored_media_type

DIGEST_FIELDS = ("Content-Digest", "Repr-Digest")
blueprint = Blueprint("whole_file", __name__, url_prefix="/api/files")
Answer = tuple[Response, int, dict[str, str]]

Promises = Sequence[dict[str, bytes]]
"""Digests by their names in hashlib, one dictionary for each field."""


class _Digests:
    """The digests of some bytes, by those algorithms that were promised."""

    def __init__(self, promises: Promises, *, except_for: str = "") -> None:
        algorithms = {algorithm for each in promises for algorithm in each} - {except_for}
        self._hashers: dict[str, Any] = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}

    def update(self, data: bytes | memoryview) -> None:
        """Hash what comes next."""
        for hasher in self._hashers.values():
            hasher.update(data)

    def found(self) -> dict[str, bytes]:
        """What came out."""
        return {name: hasher.digest() for name, hasher in self._hashers.items()}


class _FileBody:
    """What both kinds of bodies have: the digests of the file, and a client that may be slow."""

    def __init__(self, body: RequestBody, promises: Promises) -> None:
        self._promises = promises
        self._digests = _Digests(promises, except_for="sha256")  # which is computed anyway
        self.awaits_leave = body.awaits_leave
        self.has_arrived = body.has_arrived
        self.while_idle = body.while_idle
        self.end_when = body.end_when


class RawFile(_FileBody):
    """A body that is the file."""

    def __init__(self, body: RequestBody, promises: Promises) -> None:
        super().__init__(body, promises)
        self._body = body

    def readinto(self, buffer: memoryview, /) -> int:
        """What comes next of the file."""
        count = self._body.readinto(buffer)
        self._digests.update(buffer[:count])
        return count

    def verified(self, draft: Draft, sha256: bytes) -> Draft:
        """Nothing changes. Raises DigestMismatch."""
        found = {"sha256": sha256, **self._digests.found()}
        if not all(_holds(promise, found) for promise in self._promises):
            raise DigestMismatch
        return draft


class HashedBody(RequestBody):
    """A body that also hashes itself: a digest of a form's content covers the whole form (RFC 9530 section 2)."""

    def __init__(self, promises: Promises) -> None:
        super().__init__()
        self._digests = _Digests(promises)

    def blocks(self) -> Iterator[bytes]:
        """Every block."""
        for block in super().blocks():
            self._digests.update(block)
            yield block

    def found(self) -> dict[str, bytes]:
        """Its digests."""
        return self._digests.found()


class FormFile(_FileBody):
    """A form whose part `file` is the file. A promised digest may be the form's, as the RFC has it, or the file's.

    The name is that of the query, else the field `filename`, which may come behind the file, else the part's own.
    """

    def __init__(self, form: MultipartBody, body: HashedBody, promises: Promises, name: str | None) -> None:
        super().__init__(body, promises)
        self._form = form
        self._body = body
        self._name = name
        self._part = form.open_file_part()
        self._blocks = form.file_blocks()
        self._rest = memoryview(b"")

    def draft(self, *, overwrite: bool) -> Draft:
        """What is known before the file's bytes."""
        if self._name is None:
            self._form.read_ahead()
        is_named = self._name is not None or self._form.field("filename") is not None or self._form.is_at_end
        name = self._final_name() if is_named else FILE_PART
        return Draft(name, self._media_type(name), length=None, overwrite=overwrite, origin_id=origin_id())

    def readinto(self, buffer: memoryview, /) -> int:
        """What comes next of the file."""
        while not self._rest and (block := next(self._blocks, None)) is not None:
            self._digests.update(block)
            self._rest = memoryview(block)
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    def verified(self, draft: Draft, sha256: bytes) -> Draft:
        """The draft with its last name. Raises DigestMismatch, InvalidRequest."""
        of_file, of_form = {"sha256": sha256, **self._digests.found()}, self._body.found()
        if not all(_holds(promise, of_file) or _holds(promise, of_form) for promise in self._promises):
            raise DigestMismatch
        name = self._final_name()
        return replace(draft, name=name, media_type=self._media_type(name))

    def content(self, file: FileRecord) -> Content:
        """What the whole form says, for when it comes again."""
        return content_of_form(self._form, self._part, file.sha256)

    def _final_name(self) -> str:
        return form_filename(self._form, self._part, self._name)

    def _media_type(self, name: str) -> str:
        return stored_media_type(self._part.header("Content-Type"), name)


def form_filename(form: MultipartBody, part: MultipartSegment, in_query: str | None) -> str:
    """The name that the query gives, or a field, or the part itself. Raises InvalidName, InvalidRequest."""
    in_field = form.field("filename")
    name = in_query or (filename_of(part) if in_field is None else in_field)
    if not name:
        raise InvalidRequest("Missing filename")
    return parse_name_in_folder(name, form.field("relativePath"))


def _holds(promise: dict[str, bytes], found: dict[str, bytes]) -> bool:
    return all(found[algorithm] == digest for algorithm, digest in promise.items())


blueprint.before_request(guard)


def _raw_content(sha256: str | None) -> Content:
    return Content({}, media_type=request.headers.get("Content-Type"), sha256=sha256)


def _read_again() -> Content:
    """What a request says that only has to be compared."""
    is_overwriting()  # a key may lack the scope for it
    return read_form_again() if is_multipart() else _raw_content(sha256_of(RequestBody().blocks()))


@blueprint.post("")
@takes("filename", "overwrite")
@idempotent(_read_again)
def upload_file() -> Answer:
    """Take a whole file, raw or as the part `file` of a form."""
    overwrite, given_name = is_overwriting(), request.args.get("filename")
    name = parse_name(given_name) if given_name else None
    if is_multipart():
        promises = _promises()
        body = HashedBody(promises)
        give_way(body)
        least = (body.announced or 0) - OVERHEAD_BYTES
        services().small_files.check_room(current().account_id, least, body, origin_id=origin_id())
        form_file = FormFile(MultipartBody(body), body, promises, name)
        remember = remembering(_print_file, form_file.content)
        return _receive(form_file.draft(overwrite=overwrite), form_file, remember)[1]
    if name is None:
        raise InvalidRequest("Missing filename")
    return _receive_raw(name, overwrite=overwrite)[1]


@blueprint.put("/<name:name>")
def put_file(name: str) -> Answer:
    """Take a whole file as the body, under this very name; the old one is replaced."""
    name = parse_name(name)
    if not has_scope(Scope.FILES) and services().files.find(current().account_id, name) is not None:
        require_scope(Scope.FILES)  # before anything is read; what comes meanwhile is found at the end
    has_replaced, (response, created, headers) = _receive_raw(name, overwrite=True)
    return response, 200 if has_replaced else created, headers


def _receive_raw(name: str, *, overwrite: bool) -> tuple[bool, Answer]:
    promises, body = _promises(), RequestBody()
    length = 0 if body.is_absent else body.announced
    media_type, may_replace = stored_media_type(request.headers.get("Content-Type"), name), has_scope(Scope.FILES)
    draft = Draft(name, media_type, length, overwrite, origin_id=origin_id(), may_replace=may_replace)
    give_way(body)
    remember = remembering(_print_file, lambda file: _raw_content(file.sha256))
    return _receive(draft, RawFile(body, promises), remember)


def _receive(draft: Draft, body: WholeBody, remember: Remember[FileRecord] | None) -> tuple[bool, Answer]:
    """Store a file. Whether it has replaced one, and the answer."""
    received = services().whole_files.receive(current().account_id, draft, body, remember=remember)
    file = received.file
    note(file=str(file.id), stored_bytes=file.length)
    return received.has_replaced, (jsonify(status_json(file)), HTTPStatus.CREATED, {"Location": _location_of(file)})


def _location_of(file: FileRecord) -> str:
    return url_for("files.download_by_id", file_id=file.id)


def _print_file(file: FileRecord) -> Printed:
    return Printed(HTTPStatus.CREATED, status_json(file), _location_of(file))


def _promises() -> list[dict[str, bytes]]:
    """The digests that the client has sent, field by field."""
    return [parse_digests(request.headers[field], field=field) for field in DIGEST_FIELDS if field in request.headers]
