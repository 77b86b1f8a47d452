"""Opening a blob for writing, by one or by several."""

import uuid
from pathlib import Path

import pytest

from tests.storage.other_process import holding
from tests.stores import content, path_of
from transfer_service.errors import BlobMissing, RangeBusy
from transfer_service.storage.disk import DiskStore
from transfer_service.wire.ranges import Span

PATIENCE_SECONDS = 20.0


def test_a_writer_of_another_process_excludes_this_one(store: DiskStore, root: Path, blob_id: uuid.UUID) -> None:
    with holding(root, blob_id, Span(0, 10)):
        assert store.claims.is_in_use(blob_id)
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
        assert not store.claims.is_in_use(blob_id)
        with store.open_writer(blob_id, Span(0, 10), create=True, wait_seconds=0) as writer:
            writer.write(0, [b"next"])
    assert content(store, blob_id) == b"next"


def test_a_link_planted_in_place_of_a_blob_is_not_written_through(
    store: DiskStore, blob_id: uuid.UUID, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    path_of(store, blob_id).symlink_to(victim)
    with (
        pytest.raises(BlobMissing),
        store.open_writer(blob_id, Span(0, 4), create=True, wait_seconds=0),
    ):
        pass
    assert victim.read_bytes() == b"precious"


def test_a_writer_that_is_closed_writes_into_no_other_file(store: DiskStore, blob_id: uuid.UUID) -> None:
    with store.open_writer(blob_id, Span(0, 10), create=True, wait_seconds=0) as closed:
        pass
    with store.open_writer(uuid.uuid4(), Span(0, 10), create=True, wait_seconds=0):  # with the same number
        with pytest.raises(OSError, match="Bad file descriptor"):
            closed.write(0, [b"x"])
        with pytest.raises(OSError, match="Bad file descriptor"):
            closed.write_direct(0, memoryview(b"x"))
