"""Blobs in pieces become one object, whoever is killed, and none loses a byte."""

import os
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.storage.s3.memory_objects import Bucket, Killed, MemoryObjects, failing
from tests.storage.s3.rig import Locks, Rig, forget_pieces
from transfer_service.db.database import Database
from transfer_service.errors import ServerAway
from transfer_service.storage.s3.compaction import CompactedRoom, Compaction
from transfer_service.storage.s3.outgoing import PIECE_BYTES

KEY = uuid.UUID(int=7)
LATER = datetime.now(UTC) + timedelta(hours=2)


@pytest.fixture(autouse=True)
def _no_pieces(database: Database) -> None:
    forget_pieces(database)


def compaction(rig: Rig, locks: Locks | None = None, *, object_bytes: int = 1 << 40) -> Compaction:
    room = CompactedRoom(rig.backing, locks or Locks())
    return Compaction(rig.database, [room], sleep=lambda _seconds: None, object_bytes=object_bytes)


def put_whole(rig: Rig, data: bytes, *cuts: int) -> None:
    """A whole that came in several requests."""
    for start, stop in zip((0, *cuts), (*cuts, len(data)), strict=True):
        rig.put(KEY, data[start:stop], start, whole=stop == len(data))


def is_one_object(rig: Rig) -> bool:
    return rig.names() == {rig.layout.own_name(KEY)} and rig.pieces(KEY) == []


def test_a_whole_becomes_one_object_at_its_own_name(any_rig: Rig) -> None:
    data = os.urandom(2 * PIECE_BYTES + 5)
    put_whole(any_rig, data, 100, PIECE_BYTES)
    assert len(any_rig.pieces(KEY)) == 4
    assert compaction(any_rig).work() == 1
    assert is_one_object(any_rig)
    assert any_rig.read(KEY) == data
    assert compaction(any_rig).work() == 0


def test_what_one_piece_has_is_copied_within_the_store(rig: Rig, bucket: Bucket) -> None:
    put_whole(rig, bytes(2 * PIECE_BYTES + 5), PIECE_BYTES // 2)
    before = len(bucket.calls)
    compaction(rig).work()
    calls = bucket.calls[before:]
    assert (calls.count("copy_part"), calls.count("put_part"), calls.count("get")) == (1, 2, 3)


def test_a_very_long_one_becomes_several_objects(any_rig: Rig) -> None:
    data = os.urandom(2 * PIECE_BYTES + 5)
    put_whole(any_rig, data, 5)
    assert compaction(any_rig, object_bytes=2 * PIECE_BYTES).work() == 1
    assert [each.span.size for each in any_rig.pieces(KEY)] == [2 * PIECE_BYTES, 5]
    assert (len(any_rig.names()), any_rig.read(KEY)) == (2, data)
    assert compaction(any_rig, object_bytes=2 * PIECE_BYTES).work() == 0


def test_a_blob_that_is_not_whole_is_left_alone(rig: Rig, bucket: Bucket) -> None:
    put_whole(rig, b"abcdef", 3)
    rig.put(KEY, b"ghi", 6)
    calls = len(bucket.calls)
    assert compaction(rig).work() == 0
    assert "begin_multipart" not in bucket.calls[calls:]
    rig.put(KEY, b"", 9, whole=True)
    assert compaction(rig).work() == 1
    assert rig.read(KEY) == b"abcdefghi"


def test_a_blob_that_grew_and_is_whole_again_is_made_anew(any_rig: Rig) -> None:
    put_whole(any_rig, b"abcdef", 3)
    compaction(any_rig).work()
    any_rig.put(KEY, b"ghi", 6, whole=True)
    assert any_rig.read(KEY) == b"abcdefghi"
    assert compaction(any_rig).work() == 1
    assert (is_one_object(any_rig), any_rig.read(KEY)) == (True, b"abcdefghi")


def test_a_blob_that_was_cut_is_made_anew(rig: Rig) -> None:
    rig.put(KEY, b"abcdef", whole=True)
    with rig.writer(KEY, 4) as writer:
        writer.seal(4, flush=True)
        rig.record(writer)
    assert compaction(rig).work() == 1
    assert (is_one_object(rig), rig.read(KEY)) == (True, b"abcd")


def test_a_blob_that_others_hold_is_left_to_them(rig: Rig) -> None:
    put_whole(rig, b"abcdef", 3)
    locks = Locks()
    with locks.lock(KEY.hex, None, wait_seconds=0):  # type: ignore[arg-type]
        assert compaction(rig, locks).work() == 0
    assert len(rig.pieces(KEY)) == 2
    assert compaction(rig, locks).work() == 1


def test_a_blob_that_is_wanted_meanwhile_is_let_go(rig: Rig, bucket: Bucket) -> None:
    put_whole(rig, bytes(PIECE_BYTES + 1), 3)
    locks = Locks()

    def want(call: str, _moment: str) -> None:
        if call == "put_part":
            locks.held[KEY.hex].wanted = True

    bucket.fault = want
    assert compaction(rig, locks).work() == 0
    assert (len(rig.read(KEY)), bucket.uploads, len(bucket.objects)) == (PIECE_BYTES + 1, {}, 3)


@pytest.mark.parametrize("call", ["multiparts", "get", "put_part", "complete", "head"])
def test_a_blob_that_is_deleted_meanwhile_leaves_nothing(rig: Rig, bucket: Bucket, call: str) -> None:
    put_whole(rig, b"abcdef", 3)
    _once(bucket, call, "before", lambda: rig.delete(KEY))
    assert compaction(rig).work() == 0
    assert (bucket.objects, bucket.uploads) == ({}, {})
    assert compaction(rig).work() == 0


def _once(bucket: Bucket, call: str, moment: str, work: Callable[[], object]) -> None:
    def fault(called: str, at: str) -> None:
        if (called, at) == (call, moment):
            bucket.fault = lambda _call, _moment: None
            work()

    bucket.fault = fault


CALLS = ["multiparts", "begin_multipart", "get", "put_part", "copy_part", "complete", "head", "delete"]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_a_kill_at_any_call_loses_nothing_and_the_next_worker_ends_it(
    rig: Rig, bucket: Bucket, call: str, moment: str
) -> None:
    data = os.urandom(PIECE_BYTES + 5)
    put_whole(rig, data, PIECE_BYTES)

    def kill() -> None:
        raise Killed

    _once(bucket, call, moment, kill)
    with pytest.raises(Killed):
        compaction(Rig(MemoryObjects(bucket), rig.database, prefix=rig.layout.own_prefix.split("/")[0])).work()
    assert rig.read(KEY) == data
    compaction(rig).work()
    rig.discards.finish(now=LATER)
    assert (rig.read(KEY), is_one_object(rig), bucket.uploads) == (data, True, {})


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_a_call_without_an_answer_is_made_again_later(rig: Rig, bucket: Bucket, call: str, moment: str) -> None:
    data = os.urandom(PIECE_BYTES + 5)
    put_whole(rig, data, PIECE_BYTES)
    bucket.fault = failing(call, moment)
    compaction(rig).work()
    assert rig.read(KEY) == data
    compaction(rig).work()
    rig.discards.finish(now=LATER)
    assert (rig.read(KEY), is_one_object(rig)) == (data, True)


def test_a_store_that_was_away_is_asked_again_at_once(rig: Rig, bucket: Bucket) -> None:
    put_whole(rig, b"abcdef", 3)
    worker = compaction(rig)
    away = [True]

    def fault(_call: str, _moment: str) -> None:
        if away[0]:
            raise ServerAway

    bucket.fault = fault
    assert worker.work() == 0
    away[0] = False
    assert worker.work() == 1


def test_one_that_comes_late_replaces_nothing(rig: Rig, bucket: Bucket) -> None:
    """It lost its claim just before its last call; meanwhile the blob was made one object, grew, and was made anew."""
    put_whole(rig, b"abcdef", 3)
    locks = Locks()

    def overtake() -> None:
        locks.held.pop(KEY.hex).is_lost = True
        assert compaction(rig, locks).work() == 1
        rig.put(KEY, b"ghi", 6, whole=True)
        assert compaction(rig, locks).work() == 1

    _once(bucket, "complete", "before", overtake)
    assert compaction(rig, locks).work() == 0
    assert (rig.read(KEY), is_one_object(rig)) == (b"abcdefghi", True)


def test_one_that_lost_its_claim_takes_no_rows_away(rig: Rig, bucket: Bucket) -> None:
    put_whole(rig, b"abcdef", 3)
    locks = Locks()
    _once(bucket, "complete", "after", lambda: setattr(locks.held[KEY.hex], "is_lost", True))
    assert compaction(rig, locks).work() == 0
    assert (rig.read(KEY), len(rig.pieces(KEY))) == (b"abcdef", 2)


def test_several_workers_share_the_work(rig: Rig, bucket: Bucket) -> None:
    keys = [uuid.UUID(int=number) for number in range(1, 13)]
    for key in keys:
        rig.put(key, b"abc")
        rig.put(key, b"def", 3, whole=True)
    locks, done = Locks(), []
    threads = [threading.Thread(target=lambda: done.append(compaction(rig, locks).work())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(done) == bucket.calls.count("complete") == len(keys)
    assert all(rig.read(key) == b"abcdef" and rig.pieces(key) == [] for key in keys)


def test_it_rests_as_long_as_it_works(rig: Rig) -> None:
    put_whole(rig, bytes(3 * PIECE_BYTES), 5)
    now = [0.0]
    rests: list[float] = []

    def tick() -> float:
        now[0] += 0.25
        return now[0]

    work = Compaction(rig.database, [CompactedRoom(rig.backing, Locks())], sleep=rests.append, monotonic=tick)
    assert work.work() == 1
    assert rests == [0.25] * 3


def test_a_store_whose_object_is_too_short_keeps_the_pieces(rig: Rig, bucket: Bucket) -> None:
    put_whole(rig, b"abcdef", 3)
    own_name = rig.layout.own_name(KEY)
    _once(bucket, "head", "before", lambda: bucket.objects.update({own_name: b"abc"}))
    assert compaction(rig).work() == 0
    assert rig.read(KEY) == b"abcdef"
