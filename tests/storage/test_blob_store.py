"""What every store must do, whatever it keeps the bytes in: each test runs on a disk and in memory."""

import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from tests.storage.memory import MemoryStore
from tests.stores import content, count, listed, put, recording
from transfer_service.errors import BlobMissing, ClaimLost, RangeBusy, ReadFailed
from transfer_service.storage.blobs import END, WHOLE, BlobStore
from transfer_service.storage.bodies import BlobReader
from transfer_service.storage.rooms import FILES
from transfer_service.storage.s3.pieces import Piece
from transfer_service.storage.s3.store import RemoteStore
from transfer_service.wire.ranges import Span

PATIENCE_SECONDS = 20.0


def new(store: BlobStore, data: bytes) -> uuid.UUID:
    """A blob of these bytes."""
    blob_id = uuid.uuid4()
    put(store, blob_id, data)
    return blob_id


def old_bytes(store: BlobStore, reader: BlobReader) -> bytes:
    """The first three bytes of a deleted blob, as its open reader has them: a remote store may have let go of them."""
    if not isinstance(store, RemoteStore):
        return reader.read(0, 3)
    with pytest.raises(ReadFailed):
        reader.read(0, 3)
    return b"abc"


@pytest.mark.parametrize(
    ("length", "left"),
    [
        pytest.param(0, b"", id="everything"),
        pytest.param(3, b"abc", id="the-tail"),
        pytest.param(6, b"abcdef", id="nothing"),
    ],
)
def test_cutting_removes_the_claimed_end(any_store: BlobStore, blob_id: uuid.UUID, length: int, left: bytes) -> None:
    put(any_store, blob_id, b"abcdef")
    with any_store.open_writer(blob_id, Span(length, END), create=True, wait_seconds=0) as writer:
        writer.cut()
        count(any_store, writer)
    assert content(any_store, blob_id) == left
    assert any_store.size(blob_id) == length


def test_the_end_cannot_be_claimed_while_somebody_writes_there(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    put(any_store, blob_id, b"abcdef")
    with any_store.open_writer(blob_id, Span(5, 6), create=True, wait_seconds=0):
        with pytest.raises(RangeBusy), any_store.open_writer(blob_id, Span(3, END), create=True, wait_seconds=0):
            pass
        with any_store.open_writer(blob_id, Span(6, END), create=True, wait_seconds=0):
            pass
    assert content(any_store, blob_id) == b"abcdef"


def test_the_size_of_a_blob_is_where_it_ends(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    put(any_store, blob_id, b"abc", offset=1000)
    assert any_store.size(blob_id) == 1003


def test_syncing_changes_nothing(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    put(any_store, blob_id, b"abc")
    any_store.sync(blob_id)
    assert content(any_store, blob_id) == b"abc"


def test_syncing_and_measuring_a_missing_blob_tell_and_make_none(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    with pytest.raises(BlobMissing):
        any_store.sync(blob_id)
    with pytest.raises(BlobMissing):
        any_store.size(blob_id)
    assert listed(any_store) == []


def test_an_open_reader_keeps_the_old_bytes_of_a_deleted_blob(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    put(any_store, blob_id, b"old bytes")
    with closing(any_store.open_reader(blob_id)) as file:
        assert file.read(0, 4) == b"old "
        any_store.delete(blob_id)
        put(any_store, blob_id, b"new")
        assert file.read(4, 99) == b"bytes"
    assert content(any_store, blob_id) == b"new"


def test_a_listing_tells_age_and_size(any_store: BlobStore) -> None:
    blob_ids = {uuid.uuid4() for _ in range(20)}
    for blob_id in blob_ids:
        put(any_store, blob_id, bytes(5000))
    facts = listed(any_store)
    assert {blob.key for blob in facts} == {blob_id.hex for blob_id in blob_ids}
    assert all(blob.stored_bytes >= 5000 for blob in facts)
    assert all(abs(blob.modified_at - datetime.now(UTC)) < timedelta(minutes=5) for blob in facts)


@pytest.mark.parametrize(
    ("start", "length", "to", "expected"),
    [
        pytest.param(0, 10, 0, b"0123456789", id="all"),
        pytest.param(2, 3, 0, b"234", id="a-part"),
        pytest.param(8, 2, 3, b"\0\0\00089", id="further-on"),
        pytest.param(0, 0, 0, b"", id="nothing"),
    ],
)
def test_a_copy_has_the_bytes_where_they_were_asked_for(
    any_store: BlobStore, blob_id: uuid.UUID, start: int, length: int, to: int, expected: bytes
) -> None:
    source_id = new(any_store, b"0123456789")
    with any_store.open_writer(blob_id, WHOLE, create=True, wait_seconds=0) as writer:
        writer.copy(source_id, Span(start, start + length), to=to)
        writer.seal(to + length, flush=True)
        count(any_store, writer)
    assert (content(any_store, blob_id), content(any_store, source_id)) == (expected, b"0123456789")


def test_a_large_copy_is_whole(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    data = b"".join(number.to_bytes(4, "big") for number in range(3_000_000))
    source_id = new(any_store, data)
    with any_store.open_writer(blob_id, WHOLE, create=True, wait_seconds=0) as writer:
        writer.copy(source_id, Span(0, len(data)), to=0)
        count(any_store, writer)
    assert content(any_store, blob_id) == data


def test_a_source_that_is_too_short_is_a_failed_read(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    source_id = new(any_store, b"0123")
    with any_store.open_writer(blob_id, WHOLE, create=True, wait_seconds=0) as writer:
        with pytest.raises(ReadFailed):
            writer.copy(source_id, Span(2, 7), to=0)
        count(any_store, writer)
    assert any_store.stored_bytes(blob_id) is None or content(any_store, blob_id) == b"23"
    assert content(any_store, source_id) == b"0123"


def test_a_writer_whose_blob_was_deleted_is_told_to_give_up(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    with any_store.open_writer(blob_id, WHOLE, create=True, wait_seconds=0) as writer:
        writer.write(0, [b"first"])
        count(any_store, writer)
        wanted = [writer.is_wanted()]
        any_store.delete(blob_id)
        wanted.append(writer.is_wanted())
        writer.write(0, [b"lost"])
    assert (wanted, listed(any_store)) == ([False, True], [])


@pytest.mark.parametrize(
    ("start", "length", "left"),
    [
        pytest.param(0, 4, b"0123", id="longer"),
        pytest.param(3, 3, b"012", id="at-the-start-of-the-span"),
        pytest.param(0, 10, b"0123456789", id="exactly"),
        pytest.param(0, 12, b"0123456789", id="shorter"),
    ],
)
def test_sealing_only_ever_shortens(any_store: BlobStore, start: int, length: int, left: bytes) -> None:
    blob_id = new(any_store, b"0123456789")
    with any_store.open_writer(blob_id, Span(start, END), create=False, wait_seconds=0) as writer:
        writer.seal(length, flush=True)
        count(any_store, writer)
    assert content(any_store, blob_id) == left


def test_blocks_land_one_after_the_other_at_their_offset(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    with any_store.open_writer(blob_id, Span(0, 10), create=True, wait_seconds=0) as writer:
        writer.write(2, [b"ab", b"", b"cde"])
        assert writer.read(Span(0, 100)) == b"\0\0abcde"
        count(any_store, writer)
    assert content(any_store, blob_id) == b"\0\0abcde"


def test_more_blocks_than_one_system_call_takes_are_all_written(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    blocks = [bytes([number % 256]) * (number % 3) for number in range(3000)]
    with any_store.open_writer(blob_id, Span(0, 9000), create=True, wait_seconds=0) as writer:
        writer.write(0, blocks)
        count(any_store, writer)
    assert content(any_store, blob_id) == b"".join(blocks)


def test_a_second_writer_of_the_same_range_is_refused(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    with any_store.open_writer(blob_id, Span(0, 10), create=True, wait_seconds=0) as writer:
        writer.write(0, [b"first"])
        count(any_store, writer)
        with pytest.raises(RangeBusy), any_store.open_writer(blob_id, Span(9, 20), create=True, wait_seconds=0):
            pass
    assert content(any_store, blob_id) == b"first"


def test_writers_of_different_ranges_work_side_by_side(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    with (
        any_store.open_writer(blob_id, Span(0, 3), create=True, wait_seconds=0) as one,
        any_store.open_writer(blob_id, Span(3, 6), create=True, wait_seconds=0) as other,
    ):
        other.write(3, [b"def"])
        one.write(0, [b"abc"])
        count(any_store, other)
        count(any_store, one)
    assert content(any_store, blob_id) == b"abcdef"


def test_a_writer_that_fails_lets_go(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    with pytest.raises(ZeroDivisionError), any_store.open_writer(blob_id, Span(0, 10), create=True, wait_seconds=0):
        _ = 1 / 0
    assert not any_store.claims.is_in_use(blob_id)


def test_a_holder_sees_that_somebody_waits(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    def wait_for_it() -> None:
        with any_store.open_writer(blob_id, Span(0, 1), create=True, wait_seconds=PATIENCE_SECONDS) as second:
            second.write(0, [b"2"])
            count(any_store, second)

    waiter = threading.Thread(target=wait_for_it)
    with any_store.open_writer(blob_id, Span(0, 10), create=True, wait_seconds=0) as writer:
        assert not writer.is_wanted()
        waiter.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not writer.is_wanted() and time.monotonic() < deadline:
            waiter.join(0.002)
        assert writer.is_wanted()
    waiter.join(PATIENCE_SECONDS)
    assert content(any_store, blob_id) == b"2"


def test_a_blob_is_in_use_only_while_somebody_writes(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    assert not any_store.claims.is_in_use(blob_id)
    with any_store.open_writer(blob_id, Span(5, 6), create=True, wait_seconds=0) as writer:
        assert any_store.claims.is_in_use(blob_id)
        writer.write(5, [b"x"])
        count(any_store, writer)
    with closing(any_store.open_reader(blob_id)):
        assert not any_store.claims.is_in_use(blob_id)


def test_a_deleted_blob_does_not_come_back_by_writing(any_store: BlobStore) -> None:
    blob_id = uuid.uuid4()
    with pytest.raises(BlobMissing), any_store.open_writer(blob_id, Span(0, 10), create=False, wait_seconds=0):
        pass
    assert any_store.stored_bytes(blob_id) is None


MESSAGE = "0123456789abcdef01234567"


def test_a_group_is_listed_measured_and_removed_as_one(attachments: BlobStore) -> None:
    put(attachments, f"{MESSAGE}/a.bin", b"abc")
    with closing(attachments.open_reader(f"{MESSAGE}/a.bin")) as kept:
        assert [(each.key, each.length) for each in listed(attachments)] == [(MESSAGE, 3)]
        assert attachments.stored_bytes(MESSAGE) == attachments.delete(MESSAGE) != 0
        assert old_bytes(attachments, kept) == b"abc"
    assert (listed(attachments), attachments.stored_bytes(MESSAGE)) == ([], None)
    with pytest.raises(BlobMissing):
        attachments.open_reader(f"{MESSAGE}/a.bin")


def test_a_group_is_in_use_while_one_of_it_is_written(attachments: BlobStore) -> None:
    with attachments.open_writer(f"{MESSAGE}/a.bin", WHOLE, create=True, wait_seconds=0) as writer:
        writer.write(0, [b"abc"])
        writer.sync()
        assert attachments.claims.is_in_use(MESSAGE)
    assert not attachments.claims.is_in_use(MESSAGE)


@pytest.mark.parametrize("key", ["", "..", "../x", MESSAGE, f"{MESSAGE}/", f"{MESSAGE}/..", f"{MESSAGE}/a/b", "x/a"])
def test_what_is_no_key_is_missing(attachments: BlobStore, key: str) -> None:
    with pytest.raises(BlobMissing):
        put(attachments, key, b"abc")
    with pytest.raises(BlobMissing):
        attachments.open_reader(key)
    assert listed(attachments) == []


def test_what_is_published_has_its_new_key_and_no_other(archives: BlobStore) -> None:
    put(archives, "7.zip", b"old")
    with archives.open_writer("5.part", WHOLE, create=True, wait_seconds=0) as part:
        part.write(0, [b"new", b"est"])
        part.sync()
        part.publish("7.zip")
    assert (content(archives, "7.zip"), [each.key for each in listed(archives)]) == (b"newest", ["7.zip"])


def test_what_was_deleted_is_not_published(archives: BlobStore) -> None:
    with archives.open_writer("5.part", WHOLE, create=True, wait_seconds=0) as part:
        part.write(0, [b"new"])
        count(archives, part)
        archives.delete("5.part")
        with pytest.raises(BlobMissing):
            part.publish("7.zip")
    assert listed(archives) == []


def test_an_orphan_goes_and_comes_back(any_store: BlobStore) -> None:
    blob_id, now = new(any_store, b"abc"), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert any_store.quarantine.put(blob_id.hex, now=now)
    assert not any_store.quarantine.put(blob_id.hex, now=now)
    (kept,) = any_store.quarantine.items()
    assert (kept.key, kept.since, listed(any_store)) == (blob_id.hex, now, [])
    assert any_store.quarantine.take_back(kept)
    assert not any_store.quarantine.take_back(kept)
    assert (list(any_store.quarantine.items()), content(any_store, blob_id)) == ([], b"abc")


def test_an_orphan_stays_where_its_place_is_taken_and_can_be_removed(any_store: BlobStore) -> None:
    blob_id = new(any_store, b"abc")
    any_store.quarantine.put(blob_id.hex, now=datetime.now(UTC))
    put(any_store, blob_id, b"new")
    (kept,) = any_store.quarantine.items()
    assert not any_store.quarantine.take_back(kept)
    any_store.quarantine.remove(kept)
    assert (list(any_store.quarantine.items()), content(any_store, blob_id)) == ([], b"new")


def test_a_room_keeps_its_mark(any_store: BlobStore) -> None:
    assert any_store.mark.read() is None
    any_store.mark.write("one")
    any_store.mark.write("two")
    assert (any_store.mark.read(), listed(any_store)) == ("two", [])
    any_store.check()


def test_what_somebody_uses_is_not_secluded_and_the_other_way_round(any_store: BlobStore) -> None:
    blob_id = new(any_store, b"abc")
    with any_store.claims.in_use(blob_id), any_store.claims.secluded(blob_id) as is_free:
        assert not is_free
    with any_store.claims.lock(blob_id, Span(0, 1), wait_seconds=0), any_store.claims.secluded(blob_id) as is_free:
        assert not is_free
    with any_store.claims.secluded(blob_id) as is_free:
        assert is_free


def test_a_lock_is_seen_where_it_is(any_store: BlobStore) -> None:
    blob_id = new(any_store, b"abc")
    with any_store.claims.lock(blob_id, Span(3, 6), wait_seconds=0):
        seen = [any_store.claims.is_locked(blob_id, span) for span in (Span(0, 3), Span(2, 4), Span(6, END))]
    assert (seen, any_store.claims.is_locked(blob_id, WHOLE)) == ([False, True, False], False)


def test_a_reader_gives_spans_in_pieces_and_fails_past_the_end(any_store: BlobStore) -> None:
    data = bytes(range(256)) * 1000
    with closing(any_store.open_reader(new(any_store, data))) as reader:
        assert (reader.size, reader.is_made, reader.read(255_990, 99)) == (len(data), False, data[-10:])
        assert b"".join(reader.blocks(Span(5, 200_005))) == data[5:200_005]
        with pytest.raises(ReadFailed):
            list(reader.blocks(Span(0, len(data) + 1)))


def test_everything_can_be_flushed(any_store: BlobStore) -> None:
    blob_id = new(any_store, b"abc")
    any_store.sync(blob_id)
    any_store.sync_all()
    assert content(any_store, blob_id) == b"abc"


def test_settled_is_where_the_bytes_without_a_gap_end(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    with any_store.open_writer(blob_id, Span(2, END), create=True, wait_seconds=0) as writer:
        seen = [writer.settled]
        for offset, data in [(2, b"cd"), (4, b"e"), (9, b"x")]:
            writer.write(offset, [data])
            writer.sync()
            seen.append(writer.settled)
        writer.cut()
        writer.sync()
        assert (seen, writer.settled) == ([2, 4, 5, 5], 2)


def test_what_is_settled_can_be_recorded_before_the_rest(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    data = bytes(range(256)) * 40
    with any_store.open_writer(blob_id, Span(0, END), create=True, wait_seconds=0) as writer:
        for start in range(0, len(data), 1000):
            writer.write(start, [data[start : start + 1000]])
        settled = writer.settled
        with recording(any_store) as rows:
            writer.record(rows)
        assert settled <= len(data)
        if settled:
            assert content(any_store, blob_id)[:settled] == data[:settled]
        count(any_store, writer)
        assert writer.settled == len(data)
    assert content(any_store, blob_id) == data


def test_a_sealed_blob_is_there_once_it_is_recorded(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    with any_store.open_new(blob_id) as writer:
        writer.write(0, [b"abcdef"])
        writer.seal(3, flush=True)
        for _ in range(2):
            with recording(any_store) as rows:
                writer.record(rows)
    assert (content(any_store, blob_id), any_store.claims.is_in_use(blob_id)) == (b"abc", False)


def test_nothing_can_be_sealed_too(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    with any_store.open_writer(blob_id, WHOLE, create=True, wait_seconds=0) as writer:
        writer.seal(0, flush=True)
        with recording(any_store) as rows:
            writer.record(rows)
    assert (content(any_store, blob_id), any_store.size(blob_id)) == (b"", 0)


def test_what_a_second_writer_goes_on_with_is_what_was_recorded(any_store: BlobStore, blob_id: uuid.UUID) -> None:
    put(any_store, blob_id, b"abc")
    with any_store.open_writer(blob_id, Span(3, END), create=False, wait_seconds=0) as writer:
        assert (writer.length, writer.settled, writer.read(Span(1, 9))) == (3, 3, b"bc")
        writer.write(3, [b"def"])
        writer.seal(6, flush=True)
        assert (writer.length, writer.read(Span(1, 9))) == (6, b"bcdef")
        with recording(any_store) as rows:
            writer.record(rows)
    assert content(any_store, blob_id) == b"abcdef"


def test_bytes_that_were_not_recorded_are_nobodys(blob_id: uuid.UUID) -> None:
    store = MemoryStore(FILES, is_remote=True)
    put(store, blob_id, b"abc")
    with store.open_writer(blob_id, Span(1, END), create=False, wait_seconds=0) as writer:
        writer.write(1, [b"XYZ"])
        writer.seal(4, flush=True)
    assert content(store, blob_id) == b"abc"


def test_a_claim_that_ran_out_lets_nothing_count(blob_id: uuid.UUID) -> None:
    store = MemoryStore(FILES, is_remote=True)
    with store.open_writer(blob_id, WHOLE, create=True, wait_seconds=0) as writer:
        writer.write(0, [b"abc"])
        store.claims.are_lost = True
        with pytest.raises(ClaimLost):
            count(store, writer)
    assert listed(store) == []


def test_what_is_deleted_is_kept_while_somebody_wants_that(any_store: BlobStore) -> None:
    before, kept, after = (new(any_store, data) for data in (b"before", b"kept", b"after"))
    # Of an object store whoever reads by records of before has the rows of before, too.
    pieces = any_store.backing.find(kept.hex, WHOLE) if isinstance(any_store, RemoteStore) else []
    any_store.delete(before)
    with any_store.deleted.keep() as check, any_store.deleted.keep():
        assert any_store.delete(kept) > 0
        any_store.deleted.remove()
        with pytest.raises(BlobMissing):
            any_store.deleted.open_reader(before)
        with pytest.raises(BlobMissing):
            any_store.open_reader(kept)
        assert read_deleted(any_store, kept, pieces) == b"kept"
        check()
    any_store.delete(after)
    any_store.deleted.remove()
    for each in (before, kept, after):
        with pytest.raises(BlobMissing):
            read_deleted(any_store, each, pieces)
    assert listed(any_store) == []


def read_deleted(store: BlobStore, key: uuid.UUID, pieces: Sequence[Piece]) -> bytes:
    """The bytes of a blob that was deleted, and which had these pieces."""
    if isinstance(store, RemoteStore):
        return b"".join(map(store.backing.read, pieces))
    with closing(store.deleted.open_reader(key)) as reader:
        return reader.read(0, 100)
