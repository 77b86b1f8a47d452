"""Local files that the kernel sends while another thread hashes them."""

import errno
import hashlib
import os
import random
import socket
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from transfer_service_client.connection.file_parts import FilePart
from transfer_service_client.errors import FileChanged
from transfer_service_client.uploads.local_source import LocalSource

MIB = 1024 * 1024
FILM = random.Random(1).randbytes(11 * MIB + 5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "film"
    path.write_bytes(FILM)
    return path


@pytest.fixture
def source(path: Path) -> Iterator[LocalSource]:
    with LocalSource(path) as source:
        yield source


def _sent(part: FilePart | memoryview) -> bytes:
    """What arrives of it at the other end of a line."""
    here, there = socket.socketpair()
    arrived = bytearray()

    def receive() -> None:
        while data := there.recv(MIB):
            arrived.extend(data)

    receiving = threading.Thread(target=receive)
    with there:
        receiving.start()
        try:
            with here:
                assert isinstance(part, FilePart)
                part.send(here)
        finally:
            receiving.join()
    return bytes(arrived)


def test_parts_are_the_bytes_of_the_file_one_after_the_other(source: LocalSource) -> None:
    assert b"".join(_sent(part) for part in source.parts(3 * MIB + 1, 7 * MIB)) == FILM[3 * MIB + 1 : 7 * MIB]


def test_a_file_system_that_the_kernel_cannot_send_from_is_read(
    source: LocalSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    parts = list(source.parts(0, 2 * MIB))
    assert b"".join(map(_sent, parts)) == FILM[: 2 * MIB]
    monkeypatch.setattr(os, "sendfile", refuse)
    assert b"".join(map(_sent, parts)) == FILM[: 2 * MIB]


def test_a_part_can_be_had_as_bytes(source: LocalSource) -> None:
    assert b"".join(bytes(part) for part in source.parts(5, 2 * MIB)) == FILM[5 : 2 * MIB]


@pytest.mark.parametrize("taken", [0, 1, 5, 12])
def test_the_digest_is_that_of_the_whole_however_many_parts_were_taken(source: LocalSource, taken: int) -> None:
    list(islice(source.parts(0, len(FILM)), taken))
    list(source.parts(2 * MIB, 4 * MIB))
    assert source.sha256() == hashlib.sha256(FILM).digest()


def test_bytes_are_hashed_before_they_are_sent(source: LocalSource, path: Path) -> None:
    """So that who changes the file in between makes it another one than the digest says."""
    part = next(iter(source.parts(0, MIB)))
    with path.open("r+b") as file:
        file.write(b"x")
    assert _sent(part) != FILM[:MIB]
    assert source.sha256() == hashlib.sha256(FILM).digest()


@pytest.mark.parametrize("as_sent", [_sent, bytes], ids=["sent", "read"])
def test_a_file_that_is_cut_meanwhile_has_changed(source: LocalSource, path: Path, as_sent: type[bytes]) -> None:
    part = next(iter(source.parts(0, MIB)))
    os.truncate(path, MIB // 2)
    with pytest.raises(FileChanged, match="film was cut"):
        as_sent(part)


def test_a_file_that_is_cut_before_its_end_is_hashed_has_changed(source: LocalSource, path: Path) -> None:
    parts = source.parts(0, len(FILM))
    next(parts)
    os.truncate(path, 10 * MIB)
    with pytest.raises(FileChanged, match="film was cut"):
        list(parts)
