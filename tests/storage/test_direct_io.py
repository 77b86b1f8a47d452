"""Writing past the page cache: the same bytes as through it, wherever they begin, and where a file system will not."""

import errno
import fcntl
import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transfer_service.storage import direct_io as writing
from transfer_service.storage.windows import WINDOW_BYTES, WindowPair
from transfer_service.wire.ranges import Span

MEBIBYTE = 1024 * 1024
OLD = bytes(range(256)) * 16 * 1024  # 4 MiB


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    """A file that holds OLD."""
    (tmp_path / "file").write_bytes(OLD)
    descriptor = os.open(tmp_path / "file", os.O_RDWR)
    yield descriptor
    os.close(descriptor)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    offset=st.integers(0, len(OLD)) | st.integers(0, len(OLD) // 4096).map(lambda block: block * 4096),
    size=st.sampled_from([0, 1, 100, 4095, 4096, 65536, WINDOW_BYTES]) | st.integers(0, WINDOW_BYTES),
)
def test_the_bytes_land_where_they_belong_and_nowhere_else(descriptor: int, offset: int, size: int) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, OLD, 0)
    data = os.urandom(min(size, WINDOW_BYTES - offset % WINDOW_BYTES))
    writing.write_direct(descriptor, offset, aligned(data, offset))
    assert os.pread(descriptor, 2 * len(OLD), 0) == OLD[:offset] + data + OLD[offset + len(data) :]


def aligned(data: bytes, offset: int) -> memoryview:
    """The data in memory that is aligned as the offset is."""
    windows = WindowPair()
    windows.room(offset)[: len(data)] = data
    return windows.take(Span(offset, offset + len(data)))


class SystemCalls:
    """What is written, and how: `direct` and `cached` hold the sizes; `write_direct` writes past the cache."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.direct: list[int] = []
        self.cached: list[int] = []
        self.write_direct: Callable[[int, memoryview, int], int] = os.pwrite
        self._pwritev = os.pwritev
        monkeypatch.setattr(os, "pwrite", self._write_direct)
        monkeypatch.setattr(os, "pwritev", self._write_cached)

    def _write_direct(self, descriptor: int, data: memoryview, offset: int) -> int:
        assert fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT
        self.direct.append(self.write_direct(descriptor, data, offset))
        return self.direct[-1]

    def _write_cached(self, descriptor: int, blocks: list[memoryview], offset: int) -> int:
        assert not fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT
        self.cached.append(self._pwritev(descriptor, blocks, offset))
        return self.cached[-1]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> SystemCalls:
    return SystemCalls(monkeypatch)


@pytest.mark.parametrize(
    ("offset", "size", "direct", "cached"),
    [
        pytest.param(MEBIBYTE, MEBIBYTE, [MEBIBYTE], [], id="aligned"),
        pytest.param(MEBIBYTE + 7, MEBIBYTE - 8, [MEBIBYTE - 8192], [4089, 4095], id="not-aligned"),
        pytest.param(4096 + 1, 4096, [], [4095, 1], id="no-whole-block"),
        pytest.param(4096, 4097, [4096], [1], id="one-block"),
        pytest.param(100, 3000, [], [3000], id="within-a-block"),
        pytest.param(4096, 0, [], [], id="nothing"),
    ],
)
def test_whole_blocks_go_past_the_cache(
    descriptor: int, calls: SystemCalls, offset: int, size: int, direct: list[int], cached: list[int]
) -> None:
    data = os.urandom(size)
    writing.write_direct(descriptor, offset, aligned(data, offset))
    assert (calls.direct, calls.cached) == (direct, cached)
    assert os.pread(descriptor, size, offset) == data


def test_a_write_that_falls_short_is_continued(descriptor: int, calls: SystemCalls) -> None:
    write = calls.write_direct
    calls.write_direct = lambda descriptor, data, offset: write(descriptor, data[:4096], offset)
    data = os.urandom(8 * 4096)
    writing.write_direct(descriptor, 0, aligned(data, 0))
    assert calls.direct == [4096] * 8
    assert os.pread(descriptor, len(data), 0) == data


def test_what_falls_short_of_a_block_is_continued_through_the_cache(descriptor: int, calls: SystemCalls) -> None:
    def fall_short(descriptor: int, data: memoryview, offset: int) -> int:
        write(descriptor, data[:4096], offset)
        return 1000

    write = calls.write_direct
    calls.write_direct = fall_short
    data = os.urandom(8 * 4096)
    writing.write_direct(descriptor, 0, aligned(data, 0))
    assert (calls.direct, calls.cached) == ([1000], [8 * 4096 - 1000])
    assert os.pread(descriptor, len(data), 0) == data


@pytest.mark.parametrize("error_number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_file_system_without_direct_io_takes_it_through_the_cache(
    descriptor: int, calls: SystemCalls, monkeypatch: pytest.MonkeyPatch, error_number: int
) -> None:
    def refuse(descriptor: int, command: int, argument: int = 0) -> int:
        if command == fcntl.F_SETFL:
            raise OSError(error_number, "no direct I/O")
        return real(descriptor, command, argument)

    real = fcntl.fcntl
    monkeypatch.setattr(fcntl, "fcntl", refuse)
    writing.write_direct(descriptor, 0, aligned(b"x" * MEBIBYTE, 0))
    assert (calls.direct, calls.cached) == ([], [MEBIBYTE])
    assert os.pread(descriptor, MEBIBYTE, 0) == b"x" * MEBIBYTE


def test_memory_that_is_not_aligned_goes_through_the_cache(descriptor: int, calls: SystemCalls) -> None:
    data = os.urandom(8192)
    writing.write_direct(descriptor, 4096, aligned(b"x" + data, 0)[1:])
    assert (calls.direct, calls.cached) == ([], [8192])
    assert os.pread(descriptor, 8192, 4096) == data


def test_a_full_or_broken_disk_is_told(descriptor: int, calls: SystemCalls) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "broken")

    calls.write_direct = fail
    with pytest.raises(OSError, match="broken"):
        writing.write_direct(descriptor, 0, aligned(b"x" * MEBIBYTE, 0))
    assert not fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT
    assert calls.cached == []


def test_while_many_write_past_the_cache_others_go_through_it(
    descriptor: int, calls: SystemCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_turns", deque[int]())
    data = os.urandom(MEBIBYTE)
    writing.write_direct(descriptor, 0, aligned(data, 0))
    assert (calls.direct, calls.cached) == ([], [MEBIBYTE])
    assert os.pread(descriptor, MEBIBYTE, 0) == data


def test_a_failed_write_gives_its_turn_back(descriptor: int, calls: SystemCalls) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "broken")

    calls.write_direct = fail
    for _ in range(2 * writing.DIRECT_WRITES_AT_ONCE):
        with pytest.raises(OSError, match="broken"):
            writing.write_direct(descriptor, 0, aligned(b"x" * 4096, 0))
    assert calls.cached == []
