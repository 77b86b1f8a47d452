"""The body of a request in bounded blocks, whole or refused."""

from collections.abc import Callable, Iterator
from typing import Any

from flask import current_app, request

from transfer_service.errors import BodyCutShort, BodyTimeout, RangeBusy
from transfer_service.web.request_log import note

BLOCK_BYTES = 256 * 1024
DISPLACED_AFTER_SECONDS = 1.0


class RequestBody:
    """Reads the current request's body once.

    A client that goes quiet is given up after the read timeout, or after a second as soon as somebody else wants its
    place; the worker's sockets then pretend that the stream has ended, so nothing that arrived is lost on the way here.
    """

    def __init__(self) -> None:
        stream = request.environ["wsgi.input"]
        self._read_some: Callable[[int], bytes] = getattr(stream, "read_some", stream.read)  # server.lazy_body.LazyBody
        self._socket: Any = request.environ.get("gunicorn.socket")  # server.worker.TransferSocket
        self._read_timeout: float = current_app.config["READ_TIMEOUT_SECONDS"]
        self._is_displaced: Callable[[], bool] = lambda: False
        self._when_quiet: Callable[[], object] = lambda: None
        self.announced = request.content_length
        self.received = 0
        self._reason: BodyTimeout | RangeBusy | None = None

    @property
    def is_absent(self) -> bool:
        """Whether the request has no body at all."""
        return not self.announced and "chunked" not in request.headers.get("Transfer-Encoding", "").lower()

    def give_up_when(self, condition: Callable[[], bool]) -> None:
        """Stop waiting for a quiet client as soon as `condition` holds."""
        self._is_displaced = condition

    def when_quiet(self, use_the_time: Callable[[], object]) -> None:
        """Call `use_the_time` again and again while the client sends nothing; what it raises ends the body."""
        self._when_quiet = use_the_time

    def blocks(self) -> Iterator[bytes]:
        """Every block. Raises BodyCutShort, BodyTimeout, RangeBusy where less came than was announced."""
        if self.is_absent:
            return
        if self._socket is not None:
            self._socket.gives_up = self._gives_up
        while block := self._read():
            self.received += len(block)
            yield block
        note(received_bytes=self.received)
        if self.announced is not None and self.received < self.announced:
            raise self._reason or BodyCutShort

    def _read(self) -> bytes:
        wanted = BLOCK_BYTES if self.announced is None else min(BLOCK_BYTES, self.announced - self.received)
        try:
            return self._read_some(wanted)
        except OSError as error:  # a reset, or a chunked body that breaks off
            raise self._reason or BodyCutShort from error

    def _gives_up(self, idle_seconds: float) -> bool:
        self._when_quiet()
        if idle_seconds >= self._read_timeout:
            self._reason = BodyTimeout()
        elif idle_seconds >= DISPLACED_AFTER_SECONDS and self._is_displaced():
            self._reason = RangeBusy()
        return self._reason is not None
