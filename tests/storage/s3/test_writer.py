"""Writing into an object store: what was recorded is read back, and what was not is nobody's."""

import os
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from tests.storage.s3.memory_objects import Bucket, failing
from tests.storage.s3.rig import Claim, Rig, forget_pieces
from transfer_service.db.database import Database
from transfer_service.errors import BlobMissing, ClaimLost, StorageFull, StoreUnavailable
from transfer_service.storage.s3.outgoing import PIECE_BYTES
from transfer_service.wire.ranges import Span

KEY = uuid.UUID(int=7)
MIB = 1024 * 1024
LATER = datetime.now(UTC) + timedelta(hours=2)


@pytest.fixture(autouse=True)
def _no_pieces(database: Database) -> None:
    forget_pieces(database)


def scattered(rig: Rig) -> list[tuple[str, int]]:
    with rig.database.read_rows() as rows:
        return [tuple(row) for row in rows.exec_driver_sql("SELECT key, length FROM scattered_blobs").fetchall()]


def test_a_small_whole_is_one_object_at_its_own_name_and_no_row(any_rig: Rig) -> None:
    any_rig.put(KEY, b"some bytes", whole=True)
    assert any_rig.names() == {any_rig.layout.own_name(KEY)}
    assert (any_rig.pieces(KEY), any_rig.read(KEY)) == ([], b"some bytes")


def test_an_empty_whole_is_there(any_rig: Rig) -> None:
    with any_rig.writer(KEY) as writer:
        writer.seal(0, flush=True)
        any_rig.record(writer)
    assert (any_rig.read(KEY), any_rig.backing.find_length(any_rig.layout.key_of(KEY))) == (b"", 0)


def test_a_larger_whole_is_pieces_cut_at_multiples_and_waits_to_be_one(any_rig: Rig) -> None:
    data = os.urandom(2 * PIECE_BYTES + 3)
    with any_rig.writer(KEY) as writer:
        for start in range(0, len(data), 2 * MIB):
            writer.make_room(2 * MIB)
            writer.write_direct(start, memoryview(data)[start : start + 2 * MIB])
        writer.seal(len(data), flush=True)
        any_rig.record(writer)
    spans = [each.span for each in any_rig.pieces(KEY)]
    assert spans == [Span(0, PIECE_BYTES), Span(PIECE_BYTES, 2 * PIECE_BYTES), Span(2 * PIECE_BYTES, len(data))]
    assert (any_rig.read(KEY), scattered(any_rig)) == (data, [(KEY.hex, len(data))])


def test_appends_add_up_wherever_they_begin(any_rig: Rig) -> None:
    data = os.urandom(PIECE_BYTES + 100)
    for start, stop in ((0, 5), (5, PIECE_BYTES - 1), (PIECE_BYTES - 1, len(data))):
        any_rig.put(KEY, data[start:stop], start)
    assert any_rig.read(KEY) == data
    assert len(any_rig.pieces(KEY)) == 4


def test_what_is_settled_may_be_recorded_while_more_is_written(rig: Rig, bucket: Bucket) -> None:
    with rig.writer(KEY) as writer:
        writer.make_room(PIECE_BYTES)
        writer.write(0, [bytes(PIECE_BYTES)])
        writer.write(PIECE_BYTES, [b"more"])
        assert writer.settled == 0
        writer.make_room(MIB)
        assert writer.settled == PIECE_BYTES
        rig.record(writer)
        assert len(rig.read(KEY)) == PIECE_BYTES
        writer.sync()
        assert writer.settled == PIECE_BYTES + 4
        rig.record(writer)
    assert rig.read(KEY)[-5:] == b"\0more"
    assert len(bucket.objects) == 2


def test_a_transaction_that_is_undone_is_repeated(rig: Rig) -> None:
    with rig.writer(KEY) as writer:
        writer.write(0, [b"abc"])
        writer.sync()
        with pytest.raises(ZeroDivisionError), rig.database.write_rows() as rows:
            writer.record(rows)
            _ = 1 / 0
        assert rig.pieces(KEY) == []
        rig.record(writer)
        rig.record(writer)
        writer.write(3, [b"def"])
        writer.sync()
        rig.record(writer)
    assert rig.read(KEY) == b"abcdef"


def test_a_lost_claim_lets_nothing_count_and_leaves_nothing(rig: Rig, bucket: Bucket) -> None:
    rig.put(KEY, b"abc")
    claim = Claim(Span(3, 1 << 62))
    with pytest.raises(ClaimLost), rig.writer(KEY, claim=claim) as writer:
        writer.write(3, [b"def"])
        writer.sync()
        claim.is_lost = True
        rig.record(writer)
    assert (rig.read(KEY), len(bucket.objects)) == (b"abc", 1)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_piece_that_could_not_be_stored_counts_not_and_nothing_after_it(
    rig: Rig, bucket: Bucket, moment: str
) -> None:
    rig.put(KEY, b"abc")
    bucket.fault = failing("put", moment)
    with pytest.raises(StoreUnavailable), rig.writer(KEY, 3) as writer:
        writer.write(3, [b"x" * (PIECE_BYTES - 3), b"tail"])
        with pytest.raises(StoreUnavailable):
            writer.sync()
        assert writer.settled == 3
        with pytest.raises(StoreUnavailable):
            writer.write(PIECE_BYTES + 4, [b"y"])
        rig.record(writer)
        assert rig.read(KEY) == b"abc"
        writer.make_room(1)
    rig.put(KEY, b"def", 3)
    assert rig.read(KEY) == b"abcdef"
    rig.discards.finish(now=LATER)
    assert len(bucket.objects) == 2


def test_a_full_store_is_named(rig: Rig, bucket: Bucket) -> None:
    def fault(call: str, _moment: str) -> None:
        if call == "put":
            raise StorageFull

    bucket.fault = fault
    with pytest.raises(StorageFull), rig.writer(KEY) as writer:
        writer.write(0, [b"abc"])
        writer.sync()
    assert bucket.objects == {}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_whole_whose_one_object_could_not_be_put_is_there_at_the_next_try(
    rig: Rig, bucket: Bucket, moment: str
) -> None:
    bucket.fault = failing("put", moment)
    with pytest.raises(StoreUnavailable):
        rig.put(KEY, b"first", whole=True)
    rig.put(KEY, b"second!", whole=True)
    assert rig.read(KEY) == b"second!"
    assert len(rig.pieces(KEY)) == (moment == "after")


def test_of_two_wholes_of_one_blob_the_late_one_replaces_nothing(rig: Rig) -> None:
    claim = Claim()
    with pytest.raises(ClaimLost), rig.writer(KEY, claim=claim) as late:
        late.write(0, [b"late"])
        rig.put(KEY, b"right", whole=True)
        late.seal(4, flush=True)
        claim.is_lost = True
        rig.record(late)
    assert rig.read(KEY) == b"right"


def test_what_was_left_at_the_own_name_is_hidden_by_what_counts(rig: Rig) -> None:
    with pytest.raises(ZeroDivisionError), rig.writer(KEY) as writer:
        writer.write(0, [b"never counted"])
        writer.seal(13, flush=True)
        _ = 1 / 0
    rig.put(KEY, b"right", whole=True)
    assert (rig.read(KEY), len(rig.pieces(KEY))) == (b"right", 1)


def test_a_whole_that_grows_keeps_what_it_had(rig: Rig) -> None:
    rig.put(KEY, b"abc", whole=True)
    rig.put(KEY, b"def", 3)
    assert rig.read(KEY) == b"abcdef"
    rig.put(KEY, b"ghi", 6, whole=True)
    assert (rig.read(KEY), scattered(rig)) == (b"abcdefghi", [(KEY.hex, 9)])


def test_a_writer_reads_what_is_stored_and_what_it_has_itself(any_rig: Rig) -> None:
    any_rig.put(KEY, b"0123456789")
    with any_rig.writer(KEY) as writer:
        writer.write(3, [b"abc"])
        assert writer.read(Span(2, 7)) == b"2abc6"
        writer.sync()
        writer.write(10, [b"xyz"])
        assert writer.read(Span(0, 99)) == b"012abc6789xyz"
        assert (writer.length, writer.read(Span(13, 20)), writer.read(Span(50, 60))) == (13, b"", b"")


def test_a_hole_is_read_as_zeros(rig: Rig) -> None:
    rig.put(KEY, b"ab", 4)
    with rig.writer(KEY) as writer:
        assert writer.read(Span(1, 6)) == b"\0\0\0ab"


def test_what_is_written_twice_counts_as_it_was_written_last(rig: Rig, bucket: Bucket) -> None:
    with rig.writer(KEY) as writer:
        writer.write(0, [b"aaaaaaaa"])
        writer.write(2, [b"bb"])
        writer.sync()
        rig.record(writer)
        writer.write(0, [b"cccccccccc"])
        writer.write(0, [b"dddddddddd"])
        writer.sync()
        rig.record(writer)
        rig.record(writer)
    assert rig.read(KEY) == b"dddddddddd"
    assert len(bucket.objects) == 1


@pytest.mark.parametrize("is_whole", [False, True])
def test_cutting_takes_away_what_counted_too(rig: Rig, bucket: Bucket, is_whole: bool) -> None:
    rig.put(KEY, b"abcdef", whole=is_whole)
    with rig.writer(KEY, 2) as writer:
        writer.write(6, [b"gh"])
        writer.cut()
        assert writer.length == 2
        writer.write(2, [b"CD"])
        writer.seal(4, flush=True)
        rig.record(writer)
    assert rig.read(KEY) == b"abCD"
    assert len(bucket.objects) == 2


def test_sealing_leaves_out_what_lies_behind(rig: Rig) -> None:
    rig.put(KEY, b"abcdef")
    with rig.writer(KEY, 4) as writer:
        writer.seal(4, flush=True)
        rig.record(writer)
    assert (rig.read(KEY), scattered(rig)) == (b"abcd", [(KEY.hex, 4)])


def test_sealing_what_is_one_object_changes_nothing(rig: Rig, bucket: Bucket) -> None:
    rig.put(KEY, b"abcdef", whole=True)
    with rig.writer(KEY, 6, create=False) as writer:
        writer.seal(6, flush=True)
        rig.record(writer)
    assert (rig.pieces(KEY), scattered(rig), len(bucket.objects)) == ([], [], 1)


def test_only_what_is_there_is_opened_unless_it_is_to_be_made(rig: Rig) -> None:
    with pytest.raises(BlobMissing), rig.writer(KEY, create=False):
        pass
    rig.put(KEY, b"abc")
    with rig.writer(KEY, create=False) as writer:
        assert writer.length == 3


def test_a_new_blob_costs_one_request(rig: Rig, bucket: Bucket) -> None:
    with rig.writer(KEY, is_new=True) as writer:
        writer.make_room(3)
        writer.write(0, [b"abc"])
        writer.seal(3, flush=True)
        rig.record(writer)
    assert bucket.calls == ["put"]
    assert rig.read(KEY) == b"abc"


def test_is_wanted_is_the_claims(rig: Rig) -> None:
    claim = Claim()
    with rig.writer(KEY, claim=claim) as writer:
        assert not writer.is_wanted()
        claim.wanted = True
        assert writer.is_wanted()
