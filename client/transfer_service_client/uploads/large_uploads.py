"""A file by tus, in pieces: it goes on where an earlier run has ended, and after every break."""

import hashlib
import time
from base64 import b64encode
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx

from transfer_service_client.connection.answers import error_of
from transfer_service_client.connection.file_parts import FilePart
from transfer_service_client.connection.patience import PASSING
from transfer_service_client.errors import DigestMismatch, FileChanged, NotFound, Stopped, TransferError
from transfer_service_client.uploads.sources import Source
from transfer_service_client.uploads.tus import Position, position_of
from transfer_service_client.uploads.upload_state import UploadState
from transfer_service_client.uploads.uploaded import Uploaded, check_name, kind_of, structured

if TYPE_CHECKING:
    from transfer_service_client.uploads.uploads import Uploader

_LAST_BYTES = 4 * 1024 * 1024  # what carries the digest of the whole, so it is read before it is sent
_FIRST_PIECE, _LEAST_PIECE, _LARGEST_PIECE = 64 * 1024 * 1024, 64 * 1024, 1024 * 1024 * 1024
_CHECKED_PIECE = 4 * 1024 * 1024  # held in memory
_SHORT_SECONDS, _LONG_SECONDS = 5.0, 20.0
_GROWTH, _CAREFUL_GROWTH = 4, 1.25
_CHECKSUM_MISMATCH = 460  # tus 1.0.0, checksum


class Pieces:
    """How much a request carries: what the line takes in some seconds, and no more than a proxy lets through."""

    def __init__(self, *, is_checked: bool) -> None:
        self._limit = _CHECKED_PIECE if is_checked else _LARGEST_PIECE
        self.size = min(_FIRST_PIECE, self._limit)
        self._growth: float = _GROWTH

    def arrived(self, count: int, seconds: float) -> None:
        """One of `count` bytes took so long."""
        if seconds < _SHORT_SECONDS and count >= self.size:
            growth = self._growth**2 if seconds < _SHORT_SECONDS / self._growth else self._growth
            self.size = min(int(self.size * growth), self._limit)
        elif seconds > _LONG_SECONDS:
            self.size = max(self.size // 2, _LEAST_PIECE)

    def lose(self) -> None:
        """One broke, and nothing of it has arrived: a proxy may hold it until it is whole."""
        self.size = max(self.size // _GROWTH, _LEAST_PIECE)
        self._growth = _CAREFUL_GROWTH

    def refuse(self, count: int) -> bool:
        """One of `count` bytes was too large. False where smaller ones make no sense."""
        self._limit = max(count // 2, _LEAST_PIECE)
        self.size = min(self.size, self._limit)
        return count > _LEAST_PIECE


class LargeUpload:
    """One file by tus: goes on where an earlier run has ended, and after every break."""

    def __init__(self, uploader: "Uploader", source: Source, name: str, state: UploadState) -> None:
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
        check_name(self._name, there.name)
        sha256 = self._source.sha256().hex()
        return Uploaded(there.file_id or "", there.name or self._name, self._source.size, sha256, was_sent=True)

    def _attempt(self) -> Position:
        position = self._resume() or self._begin()
        pieces, pauses = Pieces(is_checked=self._is_checked), self._session.pauses()
        furthest = position.offset
        while position.file_id is None:
            self._check_wanted()
            began = position.offset
            try:
                answer = self._append(began, pieces)
            except httpx.RequestError as error:
                problem: Exception | None = error
            else:
                if answer.is_success:
                    position = position_of(answer)
                    if position.file_id is not None or began < position.offset <= self._source.size:
                        continue
                    problem = TransferError("The service takes the bytes, and does not get further")
                else:
                    problem = self._judge(answer, position.offset)
            if position.offset > furthest:
                furthest, pauses = position.offset, self._session.pauses()
            if problem is not None and not next(pauses)(problem):
                raise self._session.away(problem) from problem
            position = self._resume() or self._begin()
            if isinstance(problem, httpx.RequestError) and position.offset <= began:
                pieces.lose()
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

    def _append(self, offset: int, pieces: Pieces) -> httpx.Response:
        left, last = self._source.size - offset, min(_LAST_BYTES, pieces.size)
        is_last = left <= last
        count = left if is_last else min(pieces.size, left - last)
        headers: dict[str, str] = {}
        content: bytes | Iterator[memoryview | FilePart]
        if is_last or self._is_checked:
            content = self._source.read(offset, count)
            if is_last:
                headers["Repr-Digest"] = structured(self._source.sha256())
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

    def _blocks(self, start: int, end: int) -> Iterator[memoryview | FilePart]:
        source = self._source
        for block in source.parts(start, end) if self._tus.takes_parts else source.blocks(start, end):
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
        raise kind_of(error, self._name) from error

    def _check_wanted(self) -> None:
        if self._stop.is_set():
            raise Stopped("Stopped; the next time it goes on from here")

    def _abandon(self) -> None:
        self._state.forget()
        upload_id, self._upload_id = self._upload_id, ""
        if upload_id:
            self._tus.cancel(upload_id)


def _is_too_large_for_proxy(answer: httpx.Response) -> bool:
    """Whether a proxy on the way refused a body that the service itself might have taken."""
    is_ours = answer.headers.get("Content-Type", "").startswith("application/json") or "Tus-Resumable" in answer.headers
    return answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE and not is_ours


def _is_elsewhere(answer: httpx.Response, offset: int) -> bool:
    """Whether an upload goes on at another byte, by a 409; without that it is about a name."""
    return bool(answer.headers.get("Upload-Offset", str(offset)) != str(offset))
