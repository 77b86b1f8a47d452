"""Request bodies that are asked for only when somebody reads them, and read without gunicorn's buffers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
from gunicorn.http import errors
from gunicorn.http.body import ChunkedReader, LengthReader

from transfer_service.server.client_socket import TransferSocket
from transfer_service.telemetry import meters

DRAIN_BYTES = 64 * 1024
BLOCK_BYTES = 256 * 1024
PIECES_A_TURN = 64  # of a chunked body, before other connections run


class LazyBody:
    """A request body that asks for itself: `100 Continue` goes out when the application first reads.

    So it never goes out for a request that is refused by its headers.
    """

    def __init__(self, request: Any, connection: TransferSocket) -> None:
        self._body = request.body
        self._request = request
        self._connection = connection
        self._piece = b""
        self._pieces = 0
        self._awaits_continue = request._expected_100_continue
        request._expected_100_continue = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)

    def read(self, size: int | None = None) -> bytes | bytearray:
        """Read `size` bytes, fewer where the body ends.

        Raises OSError where the body breaks off or its chunked coding is malformed.
        """
        self._continue()
        with _malformed_is_os_error():
            data = self._read_directly(size) if size and self._is_plain() else self._body.read(size)
        meters.count(meters.RECEIVED, amount=len(data))
        return data

    def readinto(self, buffer: memoryview) -> int:
        """Put what comes next into `buffer` and tell how much that is: 0 only at the end. Raises like `read`.

        It need not be full where a client is slow. What arrived before the body broke off comes before the error, also
        of a chunked body.
        """
        self._continue()
        with _malformed_is_os_error():
            if self._is_plain():
                count = self._fill(buffer, all_of_it=False)
                meters.count(meters.RECEIVED, amount=count)
                return count
            is_chunked = isinstance(self._body.reader, ChunkedReader)
            size = min(len(buffer), BLOCK_BYTES)
            piece = self._read_piece(size) if is_chunked else self._body.read(size)
        buffer[: len(piece)] = piece
        meters.count(meters.RECEIVED, amount=len(piece))
        return len(piece)

    @property
    def trailers(self) -> dict[str, str]:
        """The trailer fields of a chunked body by their upper-case names, once all of it has been read."""
        return {name: value.strip() for name, value in self._request.trailers or ()}

    def _continue(self) -> None:
        if self._awaits_continue:
            self._awaits_continue = False
            self._connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _read_piece(self, size: int) -> bytes:
        reader = self._body.reader
        while not self._piece and reader.parser:
            self._pieces += 1
            if self._pieces % PIECES_A_TURN == 0:  # they may all have come already, a byte in each
                gevent.sleep(0)
            try:
                self._piece = next(reader.parser)  # empty where only the size of a chunk has come so far
            except StopIteration:
                reader.parser = None
            except Exception:
                self._body.failed = True  # where the next request begins is unknown
                raise
        piece, self._piece = self._piece[:size], self._piece[size:]
        return piece

    def _is_plain(self) -> bool:
        """Whether the length of the body is known and all of it still ahead of gunicorn's own buffer for bodies."""
        is_known = isinstance(self._body.reader, LengthReader) and isinstance(self._connection, TransferSocket)
        return is_known and not self._body.buf.tell()

    def _read_directly(self, size: int) -> bytearray:
        data = bytearray(min(size, self._body.reader.length))
        count = self._fill(memoryview(data), all_of_it=True)  # callers such as Engine.IO read once, and count on all
        return data if count == len(data) else data[:count]

    def _fill(self, buffer: memoryview, *, all_of_it: bool) -> int:
        # gunicorn's own buffers would copy every byte four times on its way.
        reader = self._body.reader
        room = buffer[: reader.length]
        early = reader.unreader.take_buffered()  # what came in one piece with the head
        count = min(len(early), len(room))
        room[:count] = early[:count]
        if len(early) > count:
            reader.unreader.unread(early[count:])  # the head of the next request
        elif count < len(room):
            count += self._connection.receive_into(room[count:], all_of_it=all_of_it, has_some=bool(count))
        reader.length -= count
        return count

    @property
    def leaves_much_unread(self) -> bool:
        """Whether so much of the body is left that the connection is better closed than drained."""
        left = getattr(self._body.reader, "length", None)
        if self._body.failed or getattr(self._connection, "has_given_up", False):
            return True
        if left is None:  # chunked: nobody knows how much is left
            return not self._is_at_end()
        return bool(left > (0 if self._awaits_continue else DRAIN_BYTES))

    def _is_at_end(self) -> bool:
        return getattr(self._body.reader, "parser", None) is None


@contextmanager
def _malformed_is_os_error() -> Iterator[None]:
    try:
        yield
    except errors.ParseException as error:
        raise OSError("malformed body") from error
