"""Windows of memory: where bytes lie in them, and that they are used again and let go."""

import ctypes

import pytest

from transfer_service.storage.windows import SPARE_WINDOWS, WINDOW_BYTES, WindowPair
from transfer_service.wire.ranges import Span

PAGE_BYTES = 4096


def put(windows: WindowPair, offset: int, data: bytes) -> None:
    windows.room(offset)[: len(data)] = data


def address(view: memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(view))


@pytest.mark.parametrize("offset", [0, 1, PAGE_BYTES, WINDOW_BYTES - 1, WINDOW_BYTES, 5 * WINDOW_BYTES + 7])
def test_memory_is_aligned_as_the_file_is_and_ends_with_the_window(offset: int) -> None:
    room = WindowPair().room(offset)
    assert address(room) % PAGE_BYTES == offset % PAGE_BYTES
    assert (offset + len(room)) % WINDOW_BYTES == 0
    assert len(room) <= WINDOW_BYTES


def test_what_is_put_behind_bytes_that_were_taken_leaves_them_alone() -> None:
    windows = WindowPair()
    put(windows, 10, b"abc")
    taken = windows.take(Span(10, 13))
    put(windows, 13, b"def")
    assert (bytes(taken), bytes(windows.take(Span(13, 16)))) == (b"abc", b"def")


def test_the_other_window_is_filled_while_a_full_one_is_written() -> None:
    windows = WindowPair()
    put(windows, 0, b"a" * WINDOW_BYTES)
    taken = windows.take(Span(0, WINDOW_BYTES))
    put(windows, WINDOW_BYTES, b"b" * WINDOW_BYTES)
    other = windows.take(Span(WINDOW_BYTES, 2 * WINDOW_BYTES))
    assert (bytes(taken), bytes(other)) == (b"a" * WINDOW_BYTES, b"b" * WINDOW_BYTES)


def test_memory_is_used_again_by_the_next_file() -> None:
    first = WindowPair()
    used = address(first.room(0))
    first.close()
    second = WindowPair()
    assert address(second.room(0)) == used
    assert address(WindowPair().room(0)) != used


def test_no_more_than_a_few_windows_are_kept() -> None:
    pairs = [WindowPair() for _ in range(2 * SPARE_WINDOWS)]
    for pair in pairs:
        put(pair, 0, b"x")
    for pair in pairs:
        pair.close()
    found = [bytes(WindowPair().room(0)[:1]) for _ in range(2 * SPARE_WINDOWS)]
    assert found.count(b"x") <= SPARE_WINDOWS


def test_memory_at_rest_is_given_back_to_the_machine_and_can_be_filled_again() -> None:
    windows = WindowPair()
    put(windows, 5, b"abc")
    windows.rest()
    assert bytes(windows.room(5)[:3]) == bytes(3)
    put(windows, 8, b"def")
    assert bytes(windows.take(Span(8, 11))) == b"def"


def test_what_is_forgotten_is_given_back_by_whole_pages() -> None:
    windows = WindowPair()
    put(windows, WINDOW_BYTES, b"x" * 3 * PAGE_BYTES)
    windows.forget(WINDOW_BYTES + 2 * PAGE_BYTES + 1)
    assert bytes(windows.room(WINDOW_BYTES)[: 3 * PAGE_BYTES]) == bytes(2 * PAGE_BYTES) + b"x" * PAGE_BYTES
    windows.forget(2 * WINDOW_BYTES)
    windows.close()
    windows.forget(WINDOW_BYTES + PAGE_BYTES)


def test_only_what_was_put_in_can_be_taken() -> None:
    with pytest.raises(ValueError, match="Nothing"):
        WindowPair().take(Span(0, 3))
