"""The body of an append, with whatever is promised about it."""

import hashlib
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from flask import Response, request

from transfer_service.errors import (
    ChecksumMismatch,
    DigestMismatch,
    InvalidRequest,
    NotFound,
    TooLarge,
    TransferError,
    UploadEnded,
)
from transfer_service.models.keys import Scope
from transfer_service.services.body_writer import PAST_THE_LENGTH
from transfer_service.services.files.files import parse_file_id
from transfer_service.services.uploads.appends import Piece
from transfer_service.services.uploads.rows import UploadRecord
from transfer_service.web.addresses import absolute_url
from transfer_service.web.context import require_scope, services
from transfer_service.web.query import flag_of
from transfer_service.web.request_body import RequestBody
from transfer_service.web.request_log import note
from transfer_service.web.uploads.senders import sender
from transfer_service.wire import rufh, tus
from transfer_service.wire.digests import parse_digests
from transfer_service.wire.rufh import Version

# A proxy that does not know 104 may close the connection, or hold the response back.
_SIGNS_OF_A_PROXY = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP")
PAUSE_SECONDS = 1.0


class InterimAnswers:
    """Answers with 104 before the last one, where they can arrive: HTTP/1.1, no proxy, a client with a version."""

    def __init__(self, version: Version) -> None:
        connection: Any = request.environ.get("gunicorn.socket")  # server.client_socket.TransferSocket
        is_direct = not any(field in request.headers for field in _SIGNS_OF_A_PROXY)
        is_known = rufh.wants_interim(request.headers) and request.environ["SERVER_PROTOCOL"] == "HTTP/1.1"
        self._version = version
        self._connection = connection if is_direct and is_known else None
        self._told_at = time.monotonic()

    @property
    def can_arrive(self) -> bool:
        """Whether the client may hear any."""
        return self._connection is not None

    def announce(self, location: str, limits: str | None) -> bool:
        """Tell the client where to resume before it has sent the body. Whether the connection could carry that."""
        if self._connection is None:
            return False
        try:
            self._connection.send(rufh.interim_response(self._version, location=location, limits=limits))
        except OSError:  # it has gone; what it sent before is read all the same
            return False
        return True

    def acknowledge(self, offset: int) -> None:
        """Tell what counts, at most once a second, and never so that a client that does not read is waited for."""
        now = time.monotonic()
        send = getattr(self._connection, "send_if_idle", None)  # not by TLS of our own
        if send is not None and self._version is not Version.V3 and now - self._told_at >= PAUSE_SECONDS:
            self._told_at = now
            send(rufh.interim_progress(self._version, offset=offset))


def parse_upload_id(text: str) -> uuid.UUID:
    """The id in a path, of an upload that the sender may know of. Raises NotFound: what is no UUID is none."""
    parsed = parse_file_id(text)
    if parsed is None:
        raise NotFound("Upload not found")
    return sender().check(parsed)


def location_of(upload: UploadRecord) -> str:
    """Where the upload is continued: a whole URL, because many clients understand nothing else."""
    return absolute_url(f"{sender().path}/{upload.id}")


def is_overwriting(*, asked: bool = False) -> bool:
    """Whether the new file replaces one of its name, as the query or what was `asked` otherwise says.

    What guests bring never does. Raises InvalidRequest, KeyLacksScope.
    """
    is_wanted = (flag_of("overwrite") or asked) and sender().guest is None
    if is_wanted:
        require_scope(Scope.FILES)
    return is_wanted


def empty(status: int) -> Response:
    """An answer without a body, and so without a type of one."""
    response = Response(status=status)
    del response.headers["Content-Type"]
    return response


def answer(upload: UploadRecord, status: int, headers: dict[str, str]) -> Response:
    """An answer about an upload; once it is finished, with the id and the name of its file."""
    response = empty(status)
    response.headers.update(headers)
    response.headers["Cache-Control"] = "no-store"
    if upload.is_finished and upload.file is not None:
        response.headers["X-File-Id"] = str(upload.id)
        name = sender().shown_name(upload.file)
        if name is not None:
            response.headers["X-File-Name"] = quote(name)
    note(file=str(upload.id), upload_offset=upload.offset)
    return response


TRAILER = "UPLOAD-CHECKSUM"


def repr_digest() -> str | None:
    """The Repr-Digest of the whole, checked for its form; None where nothing known is in it (RFC 9530 section 2)."""
    given = request.headers.get("Repr-Digest")
    return given if given is not None and parse_digests(given, field="Repr-Digest") else None


class AppendBody(RequestBody):
    """The `AppendBody` of the resumable uploads: what comes goes through hashers, if its client promised something.

    Raises InvalidRequest for a malformed Content-Digest (RFC 9530 section 2).
    """

    def __init__(self) -> None:
        super().__init__()
        if self.is_absent:
            self.announced = 0
        given = request.headers.get("Content-Digest")
        self._promised = parse_digests(given, field="Content-Digest") if given is not None else {}
        self._hashers: dict[str, Any] = {name: hashlib.new(name, usedforsecurity=False) for name in self._promised}

    @property
    def is_atomic(self) -> bool:
        """Whether all of it counts or nothing."""
        return bool(self._hashers)

    def readinto(self, buffer: memoryview, /) -> int:
        """Read like any body, and hash what passes."""
        count = super().readinto(buffer)
        for hasher in self._hashers.values():
            hasher.update(buffer[:count])
        return count

    def verify(self) -> None:
        """Called after the last byte. Raises DigestMismatch."""
        if any(self._hashers[name].digest() != expected for name, expected in self._promised.items()):
            raise DigestMismatch

    def acknowledge(self, offset: int) -> None:
        """Called when everything up to `offset` counts, for those who can tell the client."""


class TusBody(AppendBody):
    """A body with an Upload-Checksum, in front of it or behind. Raises InvalidRequest for a malformed one in front."""

    def __init__(self) -> None:
        super().__init__()
        given = request.headers.get("Upload-Checksum")
        self._checksum = tus.parse_checksum(given) if given is not None else None
        self._is_in_trailer = given is None and tus.announces_trailer(request.headers)
        algorithms = tus.CHECKSUM_ALGORITHMS if self._is_in_trailer else ()
        if self._checksum is not None:
            algorithms = (self._checksum.algorithm,)
        self._hashers |= {algorithm: tus.make_hasher(algorithm) for algorithm in algorithms}

    def verify(self) -> None:
        """Raises ChecksumMismatch, DigestMismatch; InvalidRequest for a trailer that is missing or malformed."""
        super().verify()
        checksum = self._checksum
        if self._is_in_trailer:
            trailers: Mapping[str, str] = getattr(request.environ["wsgi.input"], "trailers", {})
            if TRAILER not in trailers:
                raise InvalidRequest("The Upload-Checksum that Trailer announces is missing")
            checksum = tus.parse_checksum(trailers[TRAILER])
        if checksum is not None and self._hashers[checksum.algorithm].digest() != checksum.expected:
            raise ChecksumMismatch


class ToldBody(AppendBody):
    """A body whose client may hear how far it got."""

    def __init__(self, interim: InterimAnswers) -> None:
        super().__init__()
        self.interim = interim

    def acknowledge(self, offset: int) -> None:
        """Tell the client."""
        self.interim.acknowledge(offset)


def check_first_bytes(length: int | None, body: AppendBody) -> None:
    """Raises TooLarge before there is an upload, for more bytes than it may ever have."""
    announced = body.announced or 0
    if length is not None and announced > length:
        raise TooLarge(PAST_THE_LENGTH)
    services().space.check_size(announced)


def append_first(upload: UploadRecord, piece: Piece, body: AppendBody, *, is_known: bool) -> UploadRecord:
    """Append the first bytes to a new upload; if none of them counts, or they are the wrong ones, the upload ends.

    Unless the client knows its URL already (`is_known`): then it may try again. Raises what an append raises.
    """
    uploads, account_id = services().resumable_uploads, sender().account_id
    try:
        return uploads.append(account_id, upload.id, piece, body)
    except TransferError as error:
        # Nobody would ever continue what nobody has heard of; it would only take up the quota until it expires.
        with suppress(NotFound, UploadEnded):
            if not is_known and (isinstance(error, DigestMismatch) or not uploads.get(account_id, upload.id).offset):
                uploads.cancel(account_id, upload.id)
        raise
