"""A framed chunk on its way from a request into the engine."""

from collections.abc import Callable, Iterator
from itertools import chain

from transfer_service.errors import InvalidRequest
from transfer_service.wire.chunk_frames import ChunkHeader, FrameFormat


class IncomingChunk:
    """The `Incoming` of the upload service: a frame's header, read at once, and its data, verified as it passes."""

    def __init__(
        self,
        frame: FrameFormat,
        pieces: Iterator[bytes],
        *,
        infers_length: bool,
        claimed_length: Callable[[], int | None],
        give_up_when: Callable[[Callable[[], bool]], None],
        media_type: str | None = None,
    ) -> None:
        self._frame = frame
        self._pieces = pieces
        self.infers_length = infers_length
        self.claimed_length = claimed_length
        self.give_up_when = give_up_when
        self.media_type = media_type
        self.header = self._read_header()

    def check_frame_bytes(self, size: int) -> None:
        """Refuse a frame whose announced size, header and all, cannot be right. Raises InvalidRequest."""
        if size != self._frame.header_bytes + self.header.span.size:
            raise InvalidRequest(self._frame.wrong_length)

    def blocks(self) -> Iterator[bytes]:
        """The data. Raises InvalidRequest where length or checksum is wrong."""
        pieces = chain([self._rest] if self._rest else [], self._pieces)
        return self._frame.verified_data(self.header, pieces)

    def _read_header(self) -> ChunkHeader:
        head = b""
        while len(head) < self._frame.header_bytes and (piece := next(self._pieces, None)) is not None:
            head += piece
        header = self._frame.parse_header(head)
        self._rest = head[self._frame.header_bytes :]
        return header
