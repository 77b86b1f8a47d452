"""Files to the service: small ones in one request, others by tus, with the SHA-256 of the whole for it to verify."""

import hashlib
import threading
import time
import unicodedata
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from transfer_service_client.addresses import encode_name
from transfer_service_client.answers import error_of, json_of, retry_after_of
from transfer_service_client.errors import ApiError, DigestMismatch, FileChanged, NotFound, Stopped, TransferError
from transfer_service_client.local_source import LocalSource
from transfer_service_client.models import File
from transfer_service_client.progress import SILENT, Progress
from transfer_service_client.quick_requests import QuickRequests
from transfer_service_client.session import PASSING, Session
from transfer_service_client.tus import Position, TusRequests, position_of
from transfer_service_client.upload_state import UploadState

SMALL_BYTES = 1024 * 1024
"""Up to here a file is one request, which is sent again as a whole."""
_LAST_BYTES = 4 * 1024 * 1024  # what carries the digest of the whole, so it is read before it is sent
_FIRST_PIECE, _LEAST_PIECE, _LARGEST_PIECE = 64 * 1024 * 1024, 64 * 1024, 1024 * 1024 * 1024
_CHECKED_PIECE = 4 * 1024 * 1024  # held in memory
_SHORT_SECONDS, _LONG_SECONDS = 5.0, 20.0
_CHECKSUM_MISMATCH = 460  # tus 1.0.0, checksum
_MISMATCH = "The digest does not match the content"


@dataclass(frozen=True)
class Uploaded:
    """A file that is at the service now; not `was_sent`: the same bytes were there already."""

    file_id: str
    name: str
    size: int
    sha256: str
    was_sent: bool


class Uploader:
    """Sends files of one account. Used by many threads at once."""

    def __init__(
        self,
        session: Session,
        account: str,
        *,
        progress: Progress = SILENT,
        stop: threading.Event | None = None,
        quick: QuickRequests | None = None,
    ) -> None:
        """`account` tells it from others of the same service, for what is resumed. Once `stop` is set all ends.

        What is sent goes by `quick`, where it is given; each thread closes its connection.
        """
        self.session, self.account = session, account
        self.progress, self.stop = progress, stop or threading.Event()
        self.tus = TusRequests(session, quick)
        self._quick = quick

    def upload(self, path: Path, name: str, there: File | None = None) -> Uploaded:
        """Send a file under that very name, in place of `there`, which is what has it now.

        The same bytes are not sent again. Raises ApiError, Unavailable, FileChanged, DigestMismatch, Stopped, OSError.
        """
        with LocalSource(path) as source:
            self.progress.begin(name, source.size)
            uploaded = self._upload(path, name, source, there)
        self.progress.done(name, was_moved=uploaded.was_sent)
        return uploaded

    def _upload(self, path: Path, name: str, source: LocalSource, there: File | None) -> Uploaded:
        if there is not None and there.is_complete and there.size == source.size:
            sha256 = source.sha256().hex()
            if there.sha256 == sha256:
                source.check()
                self._forget_killed(path, source, name)
                return Uploaded(there.file_id, there.name, source.size, sha256, was_sent=False)
        if self.stop.is_set():
            raise Stopped("Stopped")
        if source.size <= SMALL_BYTES:
            return self._upload_small(name, source)
        with UploadState(*self._facts(path, source, name)) as state:
            return _LargeUpload(self, source, name, state).run()

    def _forget_killed(self, path: Path, source: LocalSource, name: str) -> None:
        """What a run has left that was killed once its last byte was there."""
        if source.size > SMALL_BYTES:
            with UploadState(*self._facts(path, source, name)) as state:
                state.forget()

    def _facts(self, path: Path, source: LocalSource, name: str) -> tuple[str | int, ...]:
        """What tells this upload from all others."""
        return self.session.url, self.account, str(path.resolve()), source.size, source.changed_at, name

    def _upload_small(self, name: str, source: LocalSource) -> Uploaded:
        data = source.read(0, source.size)
        digest = source.sha256()
        source.check()
        headers = {"Repr-Digest": _structured(digest), "Content-Type": "application/octet-stream"}
        for tries_left in (2, 1, 0):
            try:
                fields = json_of(self._put(f"/api/files/{encode_name(name)}", data, headers))
                break
            except ApiError as error:
                problem = _kind_of(error, name)
                if not isinstance(problem, DigestMismatch) or not tries_left:
                    raise problem from error
        self.progress.advance(name, len(data))
        if fields.get("sha256") != digest.hex():
            raise DigestMismatch(f"The service has other bytes of {name}")
        _check_name(name, fields.get("filename"))
        return Uploaded(fields["file_id"], fields["filename"], len(data), digest.hex(), was_sent=True)

    def _put(self, address: str, data: bytes, headers: dict[str, str]) -> httpx.Response:
        if self._quick is not None:
            return self._quick.put(address, data, headers)
        return self.session.request("PUT", address, content=data, headers=headers)


class _Pieces:
    """How much a request carries: what the line takes in some seconds, and no more than a proxy lets through."""

    def __init__(self, *, is_checked: bool) -> None:
        self._limit = _CHECKED_PIECE if is_checked else _LARGEST_PIECE
        self.size = min(_FIRST_PIECE, self._limit)

    def arrived(self, count: int, seconds: float) -> None:
        if seconds < _SHORT_SECONDS and count >= self.size:
            self.size = min(self.size * 4, self._limit)
        elif seconds > _LONG_SECONDS:
            self.size = max(self.size // 2, _LEAST_PIECE)

    def refuse(self, count: int) -> bool:
        """One of `count` bytes was too large. False where smaller ones make no sense."""
        self._limit = max(count // 2, _LEAST_PIECE)
        self.size = min(self.size, self._limit)
        return count > _LEAST_PIECE


class _LargeUpload:
    """One file by tus: goes on where an earlier run has ended, and after every break."""

    def __init__(self, uploader: Uploader, source: LocalSource, name: str, state: UploadState) -> None:
        self._session, self._tus = uploader.session, uploader.tus
        self._progress, self._stop = uploader.progress, uploader.stop
        self._source, self._name, self._state = source, name, state
        self._is_checked = False
        self._upload_id, self._is_ours = "", False

    def run(self) -> Uploaded:
        """Raises as `Uploader.upload`."""
        try:
            try:
                there = self._attempt()
            except DigestMismatch:  # once more, so that each piece is verified before it counts
                self._abandon()
                self._source.check()
                self._is_checked = True
                there = self._attempt()
        except (FileChanged, DigestMismatch):
            self._abandon()
            raise
        self._state.forget()
        _check_name(self._name, there.name)
        sha256 = self._source.sha256().hex()
        return Uploaded(there.file_id or "", there.name or self._name, self._source.size, sha256, was_sent=True)

    def _attempt(self) -> Position:
        position = self._resume() or self._begin()
        pieces, pauses = _Pieces(is_checked=self._is_checked), self._session.pauses()
        furthest = position.offset
        while position.file_id is None:
            self._check_wanted()
            retry_after = None
            try:
                answer = self._append(position.offset, pieces)
            except httpx.TransportError as error:
                problem: Exception | None = error
            else:
                if answer.is_success:
                    position = position_of(answer)
                    continue
                problem, retry_after = self._judge(answer, position.offset), retry_after_of(answer)
            if position.offset > furthest:
                furthest, pauses = position.offset, self._session.pauses()
            if problem is not None and not next(pauses)(retry_after):
                raise self._session.away(problem) from problem
            position = self._resume() or self._begin()
        return position

    def _resume(self) -> Position | None:
        self._upload_id = self._upload_id or self._state.read() or ""
        if not self._upload_id:
            return None
        position = self._tus.look(self._upload_id)
        # One that an earlier run has finished: another file is there now.
        is_over = position is not None and position.file_id is not None and not self._is_ours
        if position is None or is_over or position.offset > self._source.size:
            self._upload_id = ""
            self._state.forget()
            return None
        self._is_ours = True
        self._source.hash_up_to(position.offset)  # before a request is open, which would wait for it
        self._progress.restart(self._name, position.offset)
        return position

    def _begin(self) -> Position:
        self._upload_id = self._tus.create(self._name, self._source.size)
        self._is_ours = True
        self._state.write(self._upload_id)
        self._progress.restart(self._name, 0)
        return Position(0, None, None)

    def _append(self, offset: int, pieces: _Pieces) -> httpx.Response:
        left, last = self._source.size - offset, min(_LAST_BYTES, pieces.size)
        is_last = left <= last
        count = left if is_last else min(pieces.size, left - last)
        headers: dict[str, str] = {}
        content: bytes | Iterator[memoryview]
        if is_last or self._is_checked:
            content = self._source.read(offset, count)
            if is_last:
                headers["Repr-Digest"] = _structured(self._source.sha256())
                self._source.check()
            if self._is_checked:
                headers["Upload-Checksum"] = f"sha256 {b64encode(hashlib.sha256(content).digest()).decode()}"
        else:
            content = self._blocks(offset, offset + count)
        began_at = time.monotonic()
        answer = self._tus.append(self._upload_id, offset, content, count, headers)
        if answer.is_success:
            pieces.arrived(count, time.monotonic() - began_at)
            if isinstance(content, bytes):
                self._progress.advance(self._name, count)
        elif _is_too_large_for_proxy(answer) and not pieces.refuse(count):
            raise error_of(answer)
        return answer

    def _blocks(self, start: int, end: int) -> Iterator[memoryview]:
        for block in self._source.blocks(start, end):
            self._check_wanted()
            yield block
            self._progress.advance(self._name, len(block))

    def _judge(self, answer: httpx.Response, offset: int) -> Exception | None:
        """What is wrong for now, None where it can go on at once. Raises what no patience helps against."""
        error, status = error_of(answer), answer.status_code
        if _is_too_large_for_proxy(answer):
            return None  # the next piece is smaller
        if status in PASSING or status in {httpx.codes.UNAUTHORIZED, _CHECKSUM_MISMATCH}:
            return error  # credentials are renewed by now
        if isinstance(error, NotFound) or (status == httpx.codes.CONFLICT and _is_elsewhere(answer, offset)):
            return error  # begun anew; asked where it goes on
        raise _kind_of(error, self._name) from error

    def _check_wanted(self) -> None:
        if self._stop.is_set():
            raise Stopped("Stopped; the next time it goes on from here")

    def _abandon(self) -> None:
        self._state.forget()
        upload_id, self._upload_id = self._upload_id, ""
        if upload_id:
            self._tus.cancel(upload_id)


def _check_name(name: str, told: object) -> None:
    """A name that was damaged on its way is another one."""
    if told != unicodedata.normalize("NFC", name):
        raise TransferError(f"The service has {name} under another name: {told}")


def _is_too_large_for_proxy(answer: httpx.Response) -> bool:
    """Whether a proxy on the way refused a body that the service itself might have taken."""
    is_ours = answer.headers.get("Content-Type", "").startswith("application/json") or "Tus-Resumable" in answer.headers
    return answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE and not is_ours


def _is_elsewhere(answer: httpx.Response, offset: int) -> bool:
    """Whether an upload goes on at another byte, by a 409; without that it is about a name."""
    return bool(answer.headers.get("Upload-Offset", str(offset)) != str(offset))


def _kind_of(error: ApiError, name: str) -> TransferError:
    return DigestMismatch(f"{name} was damaged on its way") if _MISMATCH in error.detail else error


def _structured(digest: bytes) -> str:
    """The value of Repr-Digest (RFC 9530 section 2)."""
    return f"sha-256=:{b64encode(digest).decode()}:"
