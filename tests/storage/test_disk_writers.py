"""Opening a blob for writing, by one or by several."""

import threading
import time
import uuid
from pathlib import Path

import pytest

from tests.storage.other_process import holding
from transfer_service.errors import BlobMissing, RangeBusy
from transfer_service.storage.disk import DiskStore
from transfer_service.wire.ranges import Span

PATIENCE_SECONDS = 20.0


def content(store: DiskStore, blob_id: uuid.UUID) -> bytes:
    with store.open_reader(blob_id) as file:
        return file.read()


def test_blocks_land_one_after_the_other_at_their_offset(store: DiskStore, blob_id: uuid.UUID) -> None:
    with store.open_writer(blob_id, Span(0, 10), create=True, wait_seconds=0) as writer:
        writer.write(2, [b"ab", b"", b"cde"])
        assert writer.read(Span(0, 100)) == b"\0\0abcde"
    assert content(store, blob_id) == b"\0\0abcde"


def test_more_blocks_than_one_system_call_takes_are_all_written(store: DiskStore, blob_id: uuid.UUID) -> None:
    blocks = [bytes([number % 256]) * (number % 3) for number in range(3000)]
    with store.open_writer(blob_id, Span(0, 9000), create=True, wait_seconds=0) as writer:
        writer.write(0, blocks)
    assert content(store, blob_id) == b"".join(blocks)


def test_a_second_writer_of_the_same_range_is_refused(store: DiskStore, blob_id: uuid.UUID) -> None:
    with store.open_writer(blob_id, Span(0, 10), create=True, wait_seconds=0) as writer:
        writer.write(0, [b"first"])
        with pytest.raises(RangeBusy), store.open_writer(blob_id, Span(9, 20), create=True, wait_seconds=0):
            pass
    assert content(store, blob_id) == b"first"


def test_writers_of_different_ranges_work_side_by_side(store: DiskStore, blob_id: uuid.UUID) -> None:
    with (
        store.open_writer(blob_id, Span(0, 3), create=True, wait_seconds=0) as one,
        store.open_writer(blob_id, Span(3, 6), create=True, wait_seconds=0) as other,
    ):
        other.write(3, [b"def"])
        one.write(0, [b"abc"])
    assert content(store, blob_id) == b"abcdef"


def test_a_writer_that_fails_lets_go(store: DiskStore, blob_id: uuid.UUID) -> None:
    with pytest.raises(ZeroDivisionError), store.open_writer(blob_id, Span(0, 10), create=True, wait_seconds=0):
        _ = 1 / 0
    assert not store.is_in_use(blob_id)


def test_a_writer_of_another_process_excludes_this_one(store: DiskStore, root: Path, blob_id: uuid.UUID) -> None:
    with holding(root, blob_id, Span(0, 10)):
        assert store.is_in_use(blob_id)
        with pytest.raises(RangeBusy), store.open_writer(blob_id, Span(5, 6), create=True, wait_seconds=0):
            pass
        with store.open_writer(blob_id, Span(10, 20), create=True, wait_seconds=0) as writer:
            assert not writer.is_wanted()


def test_this_process_gets_the_range_when_the_other_lets_go(store: DiskStore, root: Path, blob_id: uuid.UUID) -> None:
    with holding(root, blob_id, Span(0, 10)) as other:
        assert other.stdin is not None
        other.stdin.close()
        with store.open_writer(blob_id, Span(0, 10), create=True, wait_seconds=PATIENCE_SECONDS) as writer:
            writer.write(0, [b"mine"])
    assert content(store, blob_id) == b"mine"


def test_the_claim_of_a_killed_process_is_gone(store: DiskStore, root: Path, blob_id: uuid.UUID) -> None:
    with holding(root, blob_id, Span(0, 10)) as other:
        other.kill()
        other.wait()
        assert not store.is_in_use(blob_id)
        with store.open_writer(blob_id, Span(0, 10), create=True, wait_seconds=0) as writer:
            writer.write(0, [b"next"])
    assert content(store, blob_id) == b"next"


def test_a_holder_sees_that_somebody_waits(store: DiskStore, blob_id: uuid.UUID) -> None:
    def wait_for_it() -> None:
        with store.open_writer(blob_id, Span(0, 1), create=True, wait_seconds=PATIENCE_SECONDS) as second:
            second.write(0, [b"2"])

    waiter = threading.Thread(target=wait_for_it)
    with store.open_writer(blob_id, Span(0, 10), create=True, wait_seconds=0) as writer:
        assert not writer.is_wanted()
        waiter.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not writer.is_wanted() and time.monotonic() < deadline:
            waiter.join(0.002)
        assert writer.is_wanted()
    waiter.join(PATIENCE_SECONDS)
    assert content(store, blob_id) == b"2"


def test_a_blob_is_in_use_only_while_somebody_writes(store: DiskStore, blob_id: uuid.UUID) -> None:
    assert not store.is_in_use(blob_id)
    with store.open_writer(blob_id, Span(5, 6), create=True, wait_seconds=0):
        assert store.is_in_use(blob_id)
    with store.open_reader(blob_id):
        assert not store.is_in_use(blob_id)


def test_a_link_planted_in_place_of_a_blob_is_not_written_through(
    store: DiskStore, blob_id: uuid.UUID, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    store.path_of(blob_id).symlink_to(victim)
    with (
        pytest.raises(BlobMissing),
        store.open_writer(blob_id, Span(0, 4), create=True, wait_seconds=0),
    ):
        pass
    assert victim.read_bytes() == b"precious"


def test_a_deleted_blob_does_not_come_back_by_writing(store: DiskStore) -> None:
    blob_id = uuid.uuid4()
    with pytest.raises(BlobMissing), store.open_writer(blob_id, Span(0, 10), create=False, wait_seconds=0):
        pass
    assert store.stored_bytes(blob_id) is None


def test_a_writer_that_is_closed_writes_into_no_other_file(store: DiskStore, blob_id: uuid.UUID) -> None:
    with store.open_writer(blob_id, Span(0, 10), create=True, wait_seconds=0) as closed:
        pass
    with store.open_writer(uuid.uuid4(), Span(0, 10), create=True, wait_seconds=0):  # with the same number
        with pytest.raises(OSError, match="Bad file descriptor"):
            closed.write(0, [b"x"])
        with pytest.raises(OSError, match="Bad file descriptor"):
            closed.write_direct(0, memoryview(b"x"))
