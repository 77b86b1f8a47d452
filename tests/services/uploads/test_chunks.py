"""Appending a chunk: what is refused, what a crash leaves, and several writers at once."""

import hashlib
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.services.conftest import Bench
from tests.stores import path_of
from transfer_service.errors import (
    BodyCutShort,
    InvalidRequest,
    QuotaExceeded,
    RangeConflict,
    TooLarge,
    TransferError,
    UploadGone,
)
from transfer_service.models.files import File, FileState

MEBIBYTE = 1024 * 1024
BIG = bytes(range(256)) * 4 * 1024 * 3


@pytest.mark.parametrize(
    ("first", "second", "error"),
    [
        pytest.param({"total": 10}, {"start": 0, "data": b"XX"}, RangeConflict, id="other-bytes"),
        pytest.param({"total": 10}, {"start": 3, "data": b"XX"}, RangeConflict, id="other-bytes-at-the-end"),
        pytest.param({"total": 10}, {"start": 8, "data": b"xyz"}, TooLarge, id="past-the-total"),
        pytest.param({"total": 10}, {"start": 5, "data": b"x", "total": 11}, InvalidRequest, id="other-total"),
        pytest.param({}, {"start": 0, "data": b"a", "total": 4}, InvalidRequest, id="total-below-what-is-stored"),
        pytest.param({}, {"start": 5, "data": b"x", "total": 5}, TooLarge, id="past-its-own-total"),
        pytest.param({}, {"start": 99, "data": b"xy"}, TooLarge, id="past-the-limit"),
        pytest.param({}, {"start": 5, "data": b"x", "total": 101}, TooLarge, id="total-over-the-limit"),
        pytest.param({}, {"start": 79, "data": b"xy"}, QuotaExceeded, id="past-the-quota"),
        pytest.param({}, {"start": 5, "data": b"x", "late_total": 81}, QuotaExceeded, id="late-total-over-the-quota"),
        pytest.param({}, {"start": 5, "data": b"x", "late_total": 4}, InvalidRequest, id="late-total-too-small"),
        pytest.param({"total": 5}, {"start": 5, "data": b"x"}, RangeConflict, id="more-of-a-complete-file"),
        pytest.param({"total": 5}, {"start": 0, "data": b"X"}, RangeConflict, id="other-bytes-of-a-complete-file"),
    ],
)
def test_a_refused_chunk_changes_nothing(
    make_bench: Callable[..., Bench], first: dict[str, Any], second: dict[str, Any], error: type[TransferError]
) -> None:
    bench = make_bench(max_file_bytes=100, quota_bytes=80)
    before = bench.append(0, b"abcde", **first)
    with pytest.raises(error) as refusal:
        bench.append(**second)
    assert type(refusal.value) is error
    assert (bench.find(), bench.used_bytes()) == (before, bench.reserved_bytes())


@pytest.mark.parametrize("data", [pytest.param(b"abc", id="small"), pytest.param(BIG, id="streamed")])
def test_a_first_chunk_that_breaks_off_leaves_no_file_and_the_name_free(bench: Bench, data: bytes) -> None:
    with pytest.raises(BodyCutShort):
        bench.append(0, data, failure=BodyCutShort())
    assert (bench.find(), bench.names(), bench.used_bytes()) == (None, [], 0)
    assert bench.store(b"whole").name == "log.bin"


def test_a_first_chunk_refused_by_its_late_total_leaves_the_name_free(bench: Bench) -> None:
    with pytest.raises(TooLarge):
        bench.append(5, b"abc", late_total=6)
    assert (bench.find(), bench.used_bytes()) == (None, 0)
    assert bench.store(b"whole").name == "log.bin"


def test_a_streamed_chunk_that_breaks_off_behind_a_complete_file_is_cut_off(bench: Bench) -> None:
    complete = bench.append(0, b"abcde")
    with pytest.raises(BodyCutShort):
        bench.append(5, BIG, failure=BodyCutShort())
    assert bench.find() == complete
    assert bench.content(complete) == b"abcde"


@pytest.mark.parametrize("durability", ["process", "complete", "ack"])
def test_large_chunks_in_any_order_make_a_whole_file(make_bench: Callable[..., Bench], durability: str) -> None:
    bench = make_bench(durability=durability)
    for start in (2 * MEBIBYTE, 0, MEBIBYTE, MEBIBYTE // 2):
        status = bench.append(start, BIG[start : start + MEBIBYTE], total=len(BIG))
    assert status.sha256 == hashlib.sha256(BIG).hexdigest()
    assert bench.content(status) == BIG


def test_a_chunk_that_overlaps_stored_ranges_fills_the_gaps_between(bench: Bench) -> None:
    for start in (2, 6, 10):
        bench.append(start, b"abcdefghijklmnop"[start : start + 2])
    status = bench.append(0, b"abcdefghijklmnop", total=16)
    assert (status.is_complete, status.received_bytes) == (True, 16)
    assert bench.content(status) == b"abcdefghijklmnop"


def test_without_any_total_a_file_stays_open_until_one_comes(bench: Bench) -> None:
    first = bench.append(0, b"abc", infers_length=False)
    assert (first.length, first.is_complete, first.received_bytes) == (None, False, 3)
    last = bench.append(3, b"de", total=5, infers_length=False)
    assert (last.length, last.is_complete, last.sha256) == (5, True, hashlib.sha256(b"abcde").hexdigest())


def test_a_complete_file_of_guessed_length_is_opened_again_and_fixed_by_a_total(bench: Bench) -> None:
    assert bench.append(0, b"abc").is_complete
    grown = bench.append(5, b"f")
    assert (grown.length, grown.is_complete, grown.sha256) == (6, False, None)
    fixed = bench.append(3, b"de", late_total=6)
    assert fixed.is_complete
    with pytest.raises(RangeConflict):
        bench.append(6, b"g")


def test_a_crash_before_the_finish_is_made_good_by_the_next_look(any_bench: Bench) -> None:
    status = any_bench.append(0, b"abcde", total=5)
    with any_bench.services.database.write() as session:
        file = session.get_one(File, status.id)
        file.state, file.sha256, file.completed_at = FileState.RECEIVING, None, None
    found = any_bench.find()
    assert found is not None
    assert (found.is_complete, found.sha256) == (True, status.sha256)


def test_bytes_that_a_crash_left_behind_the_end_are_cut_off_at_the_finish(bench: Bench) -> None:
    status = bench.append(0, b"abc", total=5)
    with path_of(bench.services.store, status.id).open("ab") as blob:
        blob.write(b"..left over")
    whole = bench.append(3, b"de")
    assert whole.sha256 == hashlib.sha256(b"abcde").hexdigest()
    assert bench.content(whole) == b"abcde"


def test_a_streamed_chunk_whose_file_is_deleted_meanwhile_ends_without_a_trace(bench: Bench) -> None:
    bench.append(0, b"abc", total=10 * len(BIG))
    with pytest.raises(UploadGone):
        bench.append(3, BIG, before_the_end=lambda: bench.services.files.delete(bench.account_id, "log.bin"))
    assert (bench.rows(), bench.blobs(), bench.used_bytes()) == (0, set(), 0)


def test_a_small_chunk_whose_file_is_deleted_meanwhile_begins_a_new_one(bench: Bench) -> None:
    old = bench.append(0, b"abc", total=10)
    new = bench.append(3, b"xyz", before_the_end=lambda: bench.services.files.delete(bench.account_id, "log.bin"))
    assert (new.received_bytes, new.next_expected) == (3, 0)
    assert (new.id != old.id, bench.blobs()) == (True, {new.id})
    assert bench.used_bytes() == bench.reserved_bytes() == 6


def test_many_writers_at_once_make_one_whole_file(any_bench: Bench) -> None:
    data = bytes(range(240))
    failures: list[BaseException] = []

    def send(start: int) -> None:
        try:
            any_bench.append(start, data[start : start + 20], total=len(data))
        except BaseException as failure:  # noqa: BLE001 - told by the main thread
            failures.append(failure)

    threads = [threading.Thread(target=send, args=(start,)) for start in range(0, 240, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = any_bench.find()
    assert (failures, any_bench.rows()) == ([], 1)
    assert found is not None
    assert found.sha256 == hashlib.sha256(data).hexdigest()


def test_a_chunk_for_a_file_whose_bytes_are_gone_makes_no_file_with_a_hole(bench: Bench) -> None:
    status = bench.append(0, b"abc", total=6)
    blob = path_of(bench.services.store, status.id)
    with pytest.raises(UploadGone):
        bench.append(3, b"xyz", total=6, before_the_end=blob.unlink)
    found = bench.find()
    assert (bench.blobs(), found is not None and found.is_complete) == (set(), False)
