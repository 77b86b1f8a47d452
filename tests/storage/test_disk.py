"""Reading, cutting, syncing, deleting and listing blobs."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from transfer_service.errors import BlobMissing, RangeBusy, ReadFailed, StoreUnavailable
from transfer_service.storage.blobs import END
from transfer_service.storage.disk import DiskStore
from transfer_service.wire.ranges import Span

ROOM = Span(0, 1 << 40)


def put(store: DiskStore, blob_id: uuid.UUID, data: bytes, *, offset: int = 0) -> None:
    with store.open_writer(blob_id, ROOM, create=True, wait_seconds=0) as writer:
        writer.write(offset, [data])


def content(store: DiskStore, blob_id: uuid.UUID) -> bytes:
    with store.open_reader(blob_id) as file:
        return file.read()


def test_a_blob_lies_under_the_first_two_digits_of_its_id(store: DiskStore, root: Path, blob_id: uuid.UUID) -> None:
    put(store, blob_id, b"abc")
    assert (root / blob_id.hex[:2] / blob_id.hex).read_bytes() == b"abc"
    assert store.path_of(blob_id).stat().st_mode & 0o007 == 0


def test_a_second_store_on_the_folder_sees_the_same_blobs(store: DiskStore, root: Path, blob_id: uuid.UUID) -> None:
    put(store, blob_id, b"abc")
    assert content(DiskStore(root), blob_id) == b"abc"


def test_a_blob_that_is_not_there_cannot_be_read(store: DiskStore, blob_id: uuid.UUID) -> None:
    with pytest.raises(BlobMissing):
        store.open_reader(blob_id)
    assert store.stored_bytes(blob_id) is None
    assert not store.path_of(blob_id).exists()


def test_what_cannot_be_opened_is_a_failed_read(store: DiskStore, blob_id: uuid.UUID) -> None:
    store.path_of(blob_id).mkdir()
    with pytest.raises(ReadFailed):
        store.open_reader(blob_id)


def test_stored_bytes_do_not_count_holes(store: DiskStore, blob_id: uuid.UUID) -> None:
    put(store, blob_id, b"x", offset=100 * 1024 * 1024)
    assert store.path_of(blob_id).stat().st_size > 100 * 1024 * 1024
    assert 0 < (store.stored_bytes(blob_id) or 0) < 1024 * 1024


@pytest.mark.parametrize(
    ("length", "left"),
    [
        pytest.param(0, b"", id="everything"),
        pytest.param(3, b"abc", id="the-tail"),
        pytest.param(6, b"abcdef", id="nothing"),
    ],
)
def test_cutting_removes_the_claimed_end(store: DiskStore, blob_id: uuid.UUID, length: int, left: bytes) -> None:
    put(store, blob_id, b"abcdef")
    with store.open_writer(blob_id, Span(length, END), create=True, wait_seconds=0) as writer:
        writer.cut()
    assert content(store, blob_id) == left
    assert store.size(blob_id) == length


def test_the_end_cannot_be_claimed_while_somebody_writes_there(store: DiskStore, blob_id: uuid.UUID) -> None:
    put(store, blob_id, b"abcdef")
    with store.open_writer(blob_id, Span(5, 6), create=True, wait_seconds=0):
        with pytest.raises(RangeBusy), store.open_writer(blob_id, Span(3, END), create=True, wait_seconds=0):
            pass
        with store.open_writer(blob_id, Span(6, END), create=True, wait_seconds=0):
            pass
    assert content(store, blob_id) == b"abcdef"


def test_the_size_of_a_blob_is_where_it_ends(store: DiskStore, blob_id: uuid.UUID) -> None:
    put(store, blob_id, b"abc", offset=1000)
    assert store.size(blob_id) == 1003


def test_syncing_changes_nothing(store: DiskStore, blob_id: uuid.UUID) -> None:
    put(store, blob_id, b"abc")
    store.sync(blob_id)
    assert content(store, blob_id) == b"abc"


def test_syncing_and_measuring_a_missing_blob_tell_and_make_none(store: DiskStore, blob_id: uuid.UUID) -> None:
    with pytest.raises(BlobMissing):
        store.sync(blob_id)
    with pytest.raises(BlobMissing):
        store.size(blob_id)
    assert list(store.list_blobs()) == []


def test_deleting_tells_what_it_freed_and_the_second_time_nothing(store: DiskStore, blob_id: uuid.UUID) -> None:
    put(store, blob_id, bytes(10_000))
    assert store.delete(blob_id) >= 10_000
    assert store.delete(blob_id) == 0
    assert not store.path_of(blob_id).exists()


def test_an_open_reader_keeps_the_old_bytes_of_a_deleted_blob(store: DiskStore, blob_id: uuid.UUID) -> None:
    put(store, blob_id, b"old bytes")
    with store.open_reader(blob_id) as file:
        assert file.read(4) == b"old "
        store.delete(blob_id)
        put(store, blob_id, b"new")
        assert file.read() == b"bytes"
    assert content(store, blob_id) == b"new"


def test_a_listing_tells_age_and_size(store: DiskStore) -> None:
    blob_ids = {uuid.uuid4() for _ in range(20)}
    for blob_id in blob_ids:
        put(store, blob_id, bytes(5000))
    facts = list(store.list_blobs())
    assert {blob.blob_id for blob in facts} == blob_ids
    assert all(blob.stored_bytes >= 5000 for blob in facts)
    assert all(abs(blob.modified_at - datetime.now(UTC)) < timedelta(minutes=5) for blob in facts)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("README", id="in-the-root"),
        pytest.param("ab/README", id="in-a-folder"),
        pytest.param("ab/.ab000000000000000000000000000000", id="hidden"),
        pytest.param("ab/ab0000000000000000000000000000", id="too-few-digits"),
        pytest.param("ab/ab000000000000000000000000000000.part", id="extension"),
        pytest.param("ab/ab000000-0000-0000-0000-000000000000", id="with-dashes"),
        pytest.param("ab/{ab000000000000000000000000000000}", id="with-braces"),
        pytest.param("ab/AB000000000000000000000000000000", id="capitals"),
        pytest.param("ab/cd000000000000000000000000000000", id="in-the-wrong-folder"),
        pytest.param("lost+found/ab000000000000000000000000000000", id="in-a-foreign-folder"),
    ],
)
def test_a_listing_ignores_foreign_files(store: DiskStore, root: Path, path: str) -> None:
    (root / path).parent.mkdir(exist_ok=True)
    (root / path).write_bytes(b"not ours")
    assert list(store.list_blobs()) == []


def test_a_listing_ignores_folders_and_links(store: DiskStore, tmp_path: Path) -> None:
    folder, link = uuid.uuid4(), uuid.uuid4()
    store.path_of(folder).mkdir()
    store.path_of(link).symlink_to(tmp_path)
    assert list(store.list_blobs()) == []


def test_a_check_leaves_nothing_behind(store: DiskStore, root: Path) -> None:
    before = sorted(root.rglob("*"))
    store.check()
    assert sorted(root.rglob("*")) == before


def test_a_check_of_a_store_that_went_away_fails(store: DiskStore, root: Path) -> None:
    for folder in root.iterdir():
        folder.rmdir()
    root.rmdir()
    with pytest.raises(StoreUnavailable, match="The store cannot be written"):
        store.check()
