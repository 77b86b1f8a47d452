"""Chunked bodies, piece by piece, as gunicorn's parser gives them."""

import socket
from types import SimpleNamespace
from typing import Any, cast

import gevent
import pytest
from gunicorn.config import Config
from gunicorn.http.message import Request
from gunicorn.http.unreader import SocketUnreader

from transfer_service.server.lazy_body import LazyBody

HEAD = b"PATCH / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"


def body_of(*segments: bytes) -> LazyBody:
    """The body of a request whose bytes come in these segments, one for each reading of the socket."""
    arriving = iter([HEAD, *segments, b""])
    connection = cast(socket.socket, SimpleNamespace(recv=lambda _size: next(arriving)))
    request: Any = Request(Config(), SocketUnreader(connection), ("127.0.0.1", 1))
    request._expected_100_continue = False
    return LazyBody(request, cast(Any, connection))


def read_some(body: LazyBody, size: int = 1000) -> bytes:
    buffer = bytearray(size)
    return bytes(buffer[: body.readinto(memoryview(buffer))])


def read_all(body: LazyBody, size: int = 1000) -> list[bytes]:
    """What is read until nothing comes."""
    return list(iter(lambda: read_some(body, size), b""))


@pytest.mark.parametrize(
    "segments",
    [
        pytest.param([b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"], id="at-once"),
        pytest.param([b"3\r\n", b"abc\r\n", b"2\r\n", b"de\r\n", b"0\r\n", b"\r\n"], id="sizes-by-themselves"),
        pytest.param([bytes([byte]) for byte in b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"], id="byte-by-byte"),
    ],
)
def test_a_body_is_read_to_its_end_however_it_is_cut_into_segments(segments: list[bytes]) -> None:
    body = body_of(*segments)
    assert b"".join(read_all(body)) == b"abcde"
    assert not body.leaves_much_unread


def test_what_came_before_a_break_is_read_before_the_error_is_raised() -> None:
    body, pieces = body_of(b"3\r\nabc\r\n5\r\nde"), list[bytes]()
    with pytest.raises(OSError):
        pieces.extend(iter(lambda: read_some(body), b""))  # keeps what it has when it breaks off
    assert b"".join(pieces) == b"abcde"
    assert body.leaves_much_unread


def test_a_piece_that_is_longer_than_what_was_asked_for_comes_in_several() -> None:
    assert read_all(body_of(b"5\r\nabcde\r\n0\r\n\r\n"), 2) == [b"ab", b"cd", b"e"]


def test_trailers_are_there_when_the_body_has_been_read() -> None:
    body = body_of(b"1\r\na\r\n0\r\nUpload-Checksum: crc32 AAAAAA==\r\n\r\n")
    read_all(body)
    assert body.trailers == {"UPLOAD-CHECKSUM": "crc32 AAAAAA=="}


def test_others_run_while_a_body_of_very_small_chunks_is_read() -> None:
    turns = list[int]()

    def take_turns() -> None:
        for number in range(5):
            turns.append(number)
            gevent.sleep(0)

    other = gevent.spawn(take_turns)
    read_all(body_of(b"1\r\na\r\n" * 1000 + b"0\r\n\r\n"))
    assert turns == [0, 1, 2, 3, 4]
    other.join()
