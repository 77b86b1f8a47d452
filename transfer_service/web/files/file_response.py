"""The one function that sends stored bytes, whole or in ranges, by RFC 9110 sections 13 and 14.

The service decides about conditions and ranges; who sends the bytes then, if not the service itself, `elsewhere` tells.
"""

import io
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import IO, TYPE_CHECKING, Any, cast

from flask import Response, request
from werkzeug.datastructures import Headers
from werkzeug.wsgi import wrap_file

from transfer_service.errors import BlobMissing, ReadFailed
from transfer_service.services.files.rows import FileRecord
from transfer_service.storage.bodies import Body, LocalBytes, RemoteBytes
from transfer_service.web.context import services
from transfer_service.web.error_envelopes import error_response
from transfer_service.web.files import elsewhere, metering
from transfer_service.web.files.metering import Meter
from transfer_service.web.files.sending import blocks_of
from transfer_service.web.request_log import note
from transfer_service.wire import conditions, ranges
from transfer_service.wire.attachments import may_be_shown
from transfer_service.wire.conditions import EntityTag, Validators, format_http_date
from transfer_service.wire.filenames import format_disposition, split_name
from transfer_service.wire.ranges import Span

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

INERT = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
"""For what cannot run: a browser's own page around a picture or a film may show it, and nothing else.

Not a sandbox, which gives the page an origin of its own: then Chromium refuses to play the film.
"""
REVALIDATED = "private, no-cache"


def _nowhere() -> None:
    """Only the service can send it."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Bytes with a name, a type and validators. `sha256` in hexadecimal, `modified_at` aware.

    `open` raises BlobMissing and ReadFailed; `still_exists` tells a deleted file from a damaged one; `find_location`
    gives the place under nginx's internal locations, None where nginx must not send it, and `find_remote` how another
    server can give it, None where none can. An inline file comes with `content_security_policy`; `cache_control` is
    told with the bytes. `meter` is asked before any bytes of a GET are sent. Where the date does not tell one version
    from another it is not `is_dated`. One of which nobody can have a part yet does not `takes_ranges`.
    """

    name: str
    media_type: str
    length: int
    etag: str
    modified_at: datetime
    open: Callable[[], Body]
    still_exists: Callable[[], bool]
    find_location: Callable[[], str | None] = _nowhere
    find_remote: Callable[[], RemoteBytes | None] = _nowhere
    is_inline: bool = False
    content_security_policy: str = INERT
    cache_control: str = REVALIDATED
    meter: Meter | None = None
    is_dated: bool = True
    takes_ranges: bool = True


def respond_with_file(file: FileRecord, *, is_inline: bool = False, meter: Meter | None = None) -> Response:
    """Answer a GET or HEAD for a file of an account, to be shown if that `is_inline` and harmless.

    Raises BlobMissing, ReadFailed.
    """
    note(file=str(file.id))
    store, length = services().store, file.length or 0

    def find_location() -> str | None:
        # A file of inferred length may grow while nginx opens it.
        return store.find_location(file.id, length) if file.length_declared else None

    def find_remote() -> RemoteBytes | None:
        return store.find_remote(file.id, length) if file.length_declared else None

    return respond(
        StoredFile(
            name=split_name(file.name)[1],
            media_type=file.media_type,
            length=length,
            etag=file.sha256 or "",
            modified_at=file.completed_at or file.updated_at,
            open=lambda: store.open_reader(file.id),
            still_exists=lambda: services().files.is_there(file.id),
            find_location=find_location,
            find_remote=find_remote,
            is_inline=is_inline and may_be_shown(file.name, file.media_type),
            meter=meter,
        )
    )


def respond(file: StoredFile) -> Response:
    """Answer a GET or HEAD for stored bytes. Raises BlobMissing, ReadFailed."""
    remote = elsewhere.find_remote(file) if metering.may_be_sent_elsewhere(file.meter) else None
    alias = elsewhere.validators_of(remote) if remote else None
    validators = Validators(EntityTag(file.etag), file.modified_at.replace(microsecond=0), alias, file.is_dated)
    verdict = conditions.evaluate(request.headers, validators)
    if verdict is conditions.Verdict.NOT_MODIFIED:
        return _with_validators(_NotModified(status=304), file, validators)
    if verdict is conditions.Verdict.PRECONDITION_FAILED:
        return _with_validators(error_response("Precondition failed", 412), file, validators)
    length = file.length
    try:
        spans = _requested_spans(validators, length) if file.takes_ranges else None
    except ranges.Unsatisfiable:
        refusal = _with_validators(error_response("Range not satisfiable", 416), file, validators)
        refusal.headers["Content-Range"] = ranges.format_unsatisfied(length)
        return refusal
    disposition = format_disposition(file.name, kind="inline" if file.is_inline else "attachment")
    if remote and elsewhere.may_redirect(file, spans):
        return elsewhere.redirect(file, remote, disposition)
    target = elsewhere.find_target(file, spans, validators, remote)
    response = _handed_over(file, target, spans) if target else _body_response(file, spans)
    response.headers.extend([("Content-Disposition", disposition), ("X-Content-Type-Options", "nosniff")])
    if file.is_inline:
        response.headers["Content-Security-Policy"] = file.content_security_policy
    return _with_validators(response, file, validators)


def _handed_over(file: StoredFile, target: elsewhere.Target, spans: list[Span] | None) -> Response:
    metering.begin(file.meter, spans, file.length)
    return elsewhere.hand_over(file, target)


def _requested_spans(validators: Validators, length: int) -> list[Span] | None:
    value = request.headers.get("Range")
    if value is None or request.method != "GET":
        return None
    if not conditions.range_applies(request.headers.get("If-Range"), validators):
        return None
    return ranges.select_ranges(value, length)


def _with_validators(response: Response, file: StoredFile, validators: Validators) -> Response:
    response.headers.extend(
        [
            ("ETag", str(validators.etag)),
            ("Last-Modified", format_http_date(validators.modified_at)),
            ("Cache-Control", file.cache_control if response.status_code < 400 else "no-store"),
            ("Accept-Ranges", "bytes"),
        ]
    )
    return response


def _body_response(file: StoredFile, spans: list[Span] | None) -> Response:
    length = file.length
    body = file.open()
    try:
        if body.size < length:  # deleted under our hands, or the disk has lost bytes
            raise ReadFailed if file.still_exists() else BlobMissing
        if request.method == "GET":
            body = metering.metered(file.meter, body, spans, length)
        if spans is None:
            response = _span_response(body, Span(0, length), file)
        elif len(spans) == 1:
            response = _span_response(body, spans[0], file)
            response.status_code = 206
            response.headers["Content-Range"] = ranges.format_content_range(spans[0], length)
        else:
            if body.is_made:  # making them backward would begin anew for each; any order is allowed
                spans = sorted(spans, key=lambda span: span.start)
            response = _multipart_response(body, spans, file)
    except BaseException:
        body.close()
        raise
    if request.method == "HEAD":
        response.close()
        response.response = []
    return response


def _span_response(body: Body, span: Span, file: StoredFile) -> Response:
    """One span, of local bytes by the server's own means of sending files."""
    local = body.local(span)
    if local is None:
        response = Response(blocks_of(request.environ, body, span))
        response.call_on_close(body.close)
    else:
        slice_ = cast("IO[bytes]", FileSlice(body, local, span.size))
        response = Response(wrap_file(request.environ, slice_), direct_passthrough=True)
    response.headers["Content-Type"] = file.media_type
    response.headers["Content-Length"] = str(span.size)
    return response


def _multipart_response(body: Body, spans: list[Span], file: StoredFile) -> Response:
    """Several spans as multipart/byteranges (RFC 9110 section 14.6)."""
    boundary = secrets.token_hex(16)
    length = file.length
    heads = [ranges.part_header(span, length=length, media_type=file.media_type, boundary=boundary) for span in spans]
    tail = ranges.closing_boundary(boundary)
    response = Response(
        _parts(partial(blocks_of, request.environ, body), zip(heads, spans, strict=True), tail), status=206
    )
    response.call_on_close(body.close)
    response.headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
    response.headers["Content-Length"] = str(sum(map(len, heads)) + sum(span.size for span in spans) + len(tail))
    return response


def _parts(
    blocks: Callable[[Span], Iterable[bytes]], parts: Iterable[tuple[bytes, Span]], tail: bytes
) -> Iterator[bytes]:
    for head, span in parts:
        yield head
        yield from blocks(span)
    yield tail


class _NotModified(Response):
    """A 304 with the validators that the 200 would have (RFC 9110 section 15.4.5); Werkzeug takes Last-Modified out."""

    default_mimetype = None

    def get_wsgi_headers(self, environ: "WSGIEnvironment") -> Headers:
        """The headers as they were set."""
        headers = super().get_wsgi_headers(environ)
        headers["Last-Modified"] = self.headers["Last-Modified"]
        return headers


class FileSlice(io.RawIOBase):
    """Local bytes as a file of their own: servers may read it, or send it by its descriptor and position."""

    def __init__(self, body: Body, place: LocalBytes, size: int) -> None:
        super().__init__()
        self._body = body
        self._descriptor = place.descriptor
        self._left = size
        os.lseek(place.descriptor, place.offset, os.SEEK_SET)

    def fileno(self) -> int:
        """The descriptor, at the position where the bytes begin. Raises ValueError where they are closed."""
        if self.closed:
            raise ValueError("closed")
        return self._descriptor

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read on, up to the end of the bytes. Raises OSError where the file has become shorter."""
        view = memoryview(buffer)[: self._left]
        count = os.readv(self.fileno(), [view])
        if count == 0 and len(view):
            raise OSError("the file ended before its length")
        self._left -= count
        return count

    def close(self) -> None:
        """Close the file itself."""
        self._body.close()
        super().close()
