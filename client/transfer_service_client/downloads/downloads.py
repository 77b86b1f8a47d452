"""Downloads of one file: ranges into a `.part` beside the target, resumed after any stop, verified before the rename.

A large file comes in pieces over several connections, because one connection of a long line is bounded by its round
trips. What has arrived is hashed while the rest is still coming.
"""

import errno
import hashlib
import queue
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import httpx

from transfer_service_client.connection.patience import PASSING, Pause
from transfer_service_client.connection.session import Session
from transfer_service_client.downloads.parts import PartFile, Range, is_strong_etag
from transfer_service_client.errors import ApiError, DigestMismatch, TransferError
from transfer_service_client.models import File
from transfer_service_client.progress import SILENT, Progress
from transfer_service_client.reading import sha256_of

_SMALL_BYTES = 1 << 20  # fetched by the caller's own thread
_PARALLEL_BYTES = 64 << 20
_PIECE_BYTES = 32 << 20
_CONNECTIONS = 4
_NEAR_SECONDS = 0.02  # a service that answers sooner fills the line by one connection
_BLOCK_BYTES = 1 << 20
_TRIES = 3
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_WAIT_SECONDS = 0.5


class _Changed(Exception):
    """The service has other bytes now, or cannot go on where it was: begin anew."""


def download(
    session: Session,
    file: File,
    target: Path,
    *,
    progress: Progress = SILENT,
    connections: int = _CONNECTIONS,
    below: Path | None = None,
) -> bool:
    """Fetch a file to a path whose folder is there; what was there is replaced in one step, once the new is verified.

    `below`: a folder above it, without links in its path, that it never leaves, whatever is put in place of a folder.
    False where the same bytes are there already. The file gets the time of its last change at the service. Raises
    DigestMismatch, TransferError where it is not whole at the service or another process fetches it, ApiError,
    Unavailable, OSError; what has arrived stays for the next try.
    """
    if file.sha256 is None or file.size is None:
        raise TransferError(f"{file.name} is not complete at the service")
    progress.begin(file.name, file.size)
    if is_same(target, file):
        progress.done(file.name, was_moved=False)
        return False
    part = PartFile(target, file, below=below)
    try:
        tries = 1
        while _Run(session, file, part, progress, connections=connections, is_new=tries == 1).fetch() != file.sha256:
            part.clear()
            if tries == _TRIES:
                part.remove()
                raise DigestMismatch(f"{file.name} arrived with other bytes than the service has")
            tries += 1
        part.finish(file.updated_at.timestamp())
    except OSError as error:
        if error.errno in _FULL:
            raise TransferError(f"There is no room for {file.name} here; what has arrived is kept") from error
        raise
    finally:
        part.close()
    progress.done(file.name, was_moved=True)
    return True


def is_same(path: Path, file: File) -> bool:
    """Whether a path is a file of the bytes of `file`; a link is none."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size != file.size:
            return False
        return sha256_of(path) == file.sha256
    except OSError:
        return False


class _Run:
    """One try to have all of a file."""

    def __init__(
        self, session: Session, file: File, part: PartFile, progress: Progress, *, connections: int, is_new: bool
    ) -> None:
        self._is_new, self._is_near = is_new, False
        self._session, self._file, self._part, self._progress = session, file, part, progress
        self._connections = connections
        self._size = file.size or 0
        self._path = f"/api/files/{file.file_id}/download"
        self._stop = threading.Event()
        self._problems: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

    def fetch(self) -> str:
        """The digest of what arrived; of nothing where the service's file changed meanwhile."""
        try:
            missing = self._part.missing(self._size)
            count = sum(end - start for start, end in missing)
            if not self._is_new or count < self._size:
                self._progress.restart(self._file.name, self._size - count)
            if count <= _SMALL_BYTES:
                for piece in missing:
                    self._fetch_piece(piece)
                return self._digest([])
            return self._fetch_by_threads(missing)
        except _Changed:
            return ""
        except BaseException:
            self._stop.set()
            with suppress(OSError):  # a full disk has no room for that either
                self._part.save()
            raise

    def _fetch_by_threads(self, missing: list[Range]) -> str:
        pieces: queue.SimpleQueue[Range] = queue.SimpleQueue()
        is_parallel = self._connections > 1 and self._size >= _PARALLEL_BYTES and self._has_ranges()
        for start, end in missing:
            step = _PIECE_BYTES if is_parallel else max(end - start, 1)
            for at in range(start, end, step):
                pieces.put((at, min(at + step, end)))
        count = min(self._connections, pieces.qsize()) if is_parallel and not self._is_near else 1
        workers = [threading.Thread(target=self._work, args=(pieces,), daemon=True) for _ in range(count)]
        for worker in workers:
            worker.start()
        try:
            return self._digest(workers)
        except Exception:
            self._stop.set()
            for worker in workers:  # after Ctrl-C nobody waits for them: a closed part takes nothing more
                worker.join()  # none of them may write into what begins anew
            raise

    def _work(self, pieces: "queue.SimpleQueue[Range]") -> None:
        while not self._stop.is_set():
            try:
                piece = pieces.get_nowait()
            except queue.Empty:
                return
            try:
                self._fetch_piece(piece)
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
                self._stop.set()
                self._problems.put(error)
                return

    def _digest(self, workers: list[threading.Thread]) -> str:
        """Hash what is there while it arrives."""
        digest, position = hashlib.sha256(), 0
        while position < self._size:
            if not self._problems.empty():
                raise self._problems.get()
            front = self._part.wait_past(position, _WAIT_SECONDS if workers else 0)
            while position < front and (block := self._part.read(position, min(_BLOCK_BYTES, front - position))):
                digest.update(block)
                position += len(block)
            is_over = not any(worker.is_alive() for worker in workers) and self._problems.empty()
            if position < self._size and is_over and self._part.wait_past(position, 0) <= position:
                raise TransferError(f"{self._file.name} has a gap")
        return digest.hexdigest()

    def _has_ranges(self) -> bool:
        """Learn the version that all pieces have to be of; False where they cannot be had."""
        if self._part.etag is not None:
            return True
        for pause in self._session.pauses():
            asked_at = time.monotonic()
            try:
                with self._session.stream("GET", self._path, headers=self._fields("bytes=0-0")) as answer:
                    if answer.status_code == httpx.codes.PARTIAL_CONTENT:
                        self._part.etag = _strong_etag(answer.headers)
            except (httpx.RequestError, ApiError) as error:
                self._wait(pause, error)
            else:
                self._is_near = time.monotonic() - asked_at < _NEAR_SECONDS
                break
        return self._part.etag is not None

    def _fetch_piece(self, piece: Range) -> None:
        at, end = piece
        while at < end:
            for pause in self._session.pauses():
                before = at
                try:
                    at = self._receive(at, end)
                    break
                except _Lost as lost:
                    at = lost.at
                    if at > before:
                        break  # patience begins anew with whatever arrives
                    self._wait(pause, lost.error)

    def _receive(self, at: int, end: int) -> int:
        """Where the answer to one request ended. Raises _Lost where it was cut."""
        is_whole = at == 0 and end == self._size
        asked = None if is_whole else f"bytes={at}-{end - 1}"
        try:
            with self._session.stream("GET", self._path, headers=self._fields(asked)) as answer:
                if asked is not None:
                    self._check_range(answer, at)
                elif self._part.etag is None:
                    self._part.etag = _strong_etag(answer.headers)
                for data in answer.iter_bytes():
                    if self._stop.is_set():
                        return end
                    self._write(at, end, data)
                    at += len(data)
        except (httpx.RequestError, ApiError) as error:
            if isinstance(error, ApiError) and error.status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise _Changed from error
            raise _Lost(at, error) from error
        if at < end:
            raise _Lost(at, httpx.ReadError("the answer was short"))
        return at

    def _write(self, at: int, end: int, data: bytes) -> None:
        if at + len(data) > end:
            raise _Changed
        self._part.write(at, data)
        self._progress.advance(self._file.name, len(data))

    def _check_range(self, answer: httpx.Response, at: int) -> None:
        told = answer.headers.get("Content-Range", "")
        is_asked = told.startswith(f"bytes {at}-") and told.endswith(f"/{self._size}")
        if answer.status_code != httpx.codes.PARTIAL_CONTENT or not is_asked or "Content-Encoding" in answer.headers:
            raise _Changed

    def _fields(self, asked: str | None) -> dict[str, str]:
        fields = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if asked is not None:
            fields["Range"] = asked
            if self._part.etag is not None:
                fields["If-Range"] = self._part.etag
        return fields

    def _wait(self, pause: Pause, error: Exception) -> None:
        """Wait before the next try. Raises what cannot pass, and Unavailable at the end of patience."""
        if self._stop.is_set() or (isinstance(error, ApiError) and error.status not in PASSING):
            raise error
        if not pause(error):
            raise self._session.away(error) from error


class _Lost(Exception):
    """An answer that ended early: all before `at` is there."""

    def __init__(self, at: int, error: Exception) -> None:
        super().__init__(str(error))
        self.at, self.error = at, error


def _strong_etag(fields: Mapping[str, str]) -> str | None:
    etag = fields.get("ETag", "")
    return etag if is_strong_etag(etag) else None
