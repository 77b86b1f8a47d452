"""Bodies whose bytes lie in many places: those in files are sent by the kernel, between blocks that are not."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from typing import Any

from transfer_service.storage.bodies import Body, LocalPiece
from transfer_service.wire.ranges import Span


def blocks_of(environ: Mapping[str, Any], body: Body, span: Span) -> Iterator[bytes]:
    """The bytes of a span as a server sends them, block by block; where its connection can, files by the kernel."""
    connection: Any = environ.get("gunicorn.socket")  # server.client_socket.TransferSocket
    pieces = getattr(body, "pieces", None)
    if pieces is None or not hasattr(connection, "send_piece"):
        return body.blocks(span)
    return _sent(connection, pieces(span))


def _sent(connection: Any, pieces: Generator[bytes | LocalPiece, None, None]) -> Iterator[bytes]:
    """What is left to the server: it has sent what was yielded before when it asks for more."""
    held, is_first = b"", True
    with closing(pieces):
        for piece in pieces:
            if isinstance(piece, bytes):
                if held:
                    yield held
                    is_first = False
                held = piece
                continue
            if is_first:
                yield b""  # the head goes first
                is_first = False
            connection.send_piece(piece, held)
            held = b""
        if held:
            yield held
