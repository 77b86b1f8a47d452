"""The body of a request in bounded blocks, whole or refused."""

from collections.abc import Callable, Iterator
from typing import Any

from flask import current_app, request

from transfer_service.errors import BodyCutShort, BodyTimeout, RangeBusy, UploadGone
from transfer_service.services.running import current_request
from transfer_service.web.metrics import upload_state
from transfer_service.web.request_log import note

BLOCK_BYTES = 256 * 1024
DISPLACED_AFTER_SECONDS = 1.0
CHANCE_SECONDS = 0.5
"""So long a body may take to bring its first bytes, whoever comes: or two clients could keep each other from it."""


def expects_continue() -> bool:
    """Whether the client waits for leave to send its body (RFC 9110 section 10.1.1)."""
    return request.headers.get("Expect", "").lower() == "100-continue"


class RequestBody:
    """Reads the current request's body once.

    An idle client is given up after the read timeout, or after a second as soon as somebody else waits for its
    place (`give_up_when`). Where the newest request wins (`end_when`), nobody is waited for. The worker's sockets then
    pretend that the stream has ended, so nothing that arrived is lost on the way here.
    """

    def __init__(self) -> None:
        stream = request.environ["wsgi.input"]
        self._readinto: Callable[[memoryview], int] = stream.readinto  # server.lazy_body.LazyBody
        self._socket: Any = request.environ.get("gunicorn.socket")  # server.worker.TransferSocket
        self._read_timeout: float = current_app.config["READ_TIMEOUT_SECONDS"]
        self._is_displaced: Callable[[], bool] = lambda: False
        self._is_over: Callable[[], bool] = lambda: False
        self._on_idle: Callable[[], object] = lambda: None
        self._running = current_request()
        self.announced = request.content_length
        self.received = 0
        self._ahead = memoryview(b"")
        self._reason: Exception | None = None
        self._state = upload_state()

    @property
    def is_absent(self) -> bool:
        """Whether the request has no body at all."""
        return not self.announced and not is_chunked()

    @property
    def awaits_leave(self) -> bool:
        """Whether nothing of it comes before it is asked for."""
        return not self.received and expects_continue()

    def has_arrived(self, most: int) -> bool:
        """Whether all of a body of at most `most` bytes is here. What comes at once is kept for whoever reads it.

        Raises like `readinto` where nothing comes at all.
        """
        if self.is_absent:
            return True
        if self.announced is None or self.announced > most:
            return False
        if not self.received:
            ahead = memoryview(bytearray(self.announced))
            self._ahead = ahead[: RequestBody.readinto(self, ahead)]
        return not self._left()

    def give_up_when(self, condition: Callable[[], bool]) -> None:
        """Stop waiting for an idle client as soon as `condition` holds."""
        self._is_displaced = condition

    def end_when(self, condition: Callable[[], bool]) -> None:
        """End the body where it is as soon as `condition` holds, idle or not, once the client has had its chance."""
        self._is_over = condition

    def while_idle(self, work: Callable[[], object]) -> None:
        """Call `work` again and again while the client sends nothing; what it raises ends the body."""
        self._on_idle = work

    def blocks(self) -> Iterator[bytes]:
        """Every block. Raises like `readinto`."""
        left = BLOCK_BYTES if self.announced is None else self._left() + len(self._ahead)
        buffer = memoryview(bytearray(min(BLOCK_BYTES, left)))
        while count := self.readinto(buffer):
            yield bytes(buffer[:count])

    def readinto(self, buffer: memoryview, /) -> int:
        """Put what comes next into `buffer`, and give its length: 0 at the end.

        Raises BodyCutShort, BodyTimeout, RangeBusy where less came than was announced, UploadGone where nobody wants
        the rest any more, and what `while_idle` raised.
        """
        if self._ahead:
            count = min(len(buffer), len(self._ahead))
            buffer[:count], self._ahead = self._ahead[:count], self._ahead[count:]
            return count
        if self._socket is not None:
            self._socket.gives_up = self._gives_up
        count = 0
        if self._is_lost and self._has_more:
            self._abandon()
            raise UploadGone
        if self.received and self._has_more and self._is_over():
            self._abandon()
            self._state.taken_over()
            raise RangeBusy
        if not self.is_absent:
            try:
                count = self._readinto(buffer if self.announced is None else buffer[: self._left()])
            except OSError as error:  # a reset, or a chunked body that breaks off
                raise self._reason or BodyCutShort from error
            finally:
                self._state.moved()
        self.received += count
        if not count:
            note(received_bytes=self.received)
            if self._left():
                raise self._reason or BodyCutShort
        return count

    def _left(self) -> int:
        """How much is still missing of what was announced."""
        return max((self.announced or 0) - self.received, 0)

    @property
    def _has_more(self) -> bool:
        return self.announced is None or bool(self._left())

    @property
    def _is_lost(self) -> bool:
        """Whether the upload that these bytes are for has gone, cancelled by whomever."""
        return self._running is not None and self._running.is_lost

    def _abandon(self) -> None:
        """Whatever else comes on this connection belongs to nobody: it must close."""
        if self._socket is not None:
            self._socket.has_given_up = True

    def _gives_up(self, idle_seconds: float) -> bool:
        try:
            self._on_idle()
        except Exception as error:  # noqa: BLE001 - raised by `readinto`: no fault of the client's
            self._reason = error
            return True
        self._state.idle(idle_seconds)
        if self._is_lost:
            self._reason = UploadGone()
        elif idle_seconds >= self._read_timeout:
            self._reason = BodyTimeout()
        elif self._has_lost_its_place(idle_seconds):
            self._state.taken_over()
            self._reason = RangeBusy()
        return self._reason is not None

    def _has_lost_its_place(self, idle_seconds: float) -> bool:
        if idle_seconds >= DISPLACED_AFTER_SECONDS and self._is_displaced():
            return True
        return bool(self.received or idle_seconds >= CHANCE_SECONDS) and self._is_over()


def is_chunked() -> bool:
    """Whether only the end of the current request's body tells its length."""
    return "chunked" in request.headers.get("Transfer-Encoding", "").lower()
