"""Hashing files while they arrive."""

import hashlib
import uuid
import zlib
from pathlib import Path

import pytest

from transfer_service.errors import BlobMissing
from transfer_service.services.digests import HEADWAY_BYTES, MAX_ENTRIES, PIECE_BYTES, RunningDigests
from transfer_service.services.file_digest import FileDigest
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.rooms import FILES
from transfer_service.threads import offload
from transfer_service.wire.ranges import Span

DATA = bytes(range(256)) * (HEADWAY_BYTES // 256)


@pytest.fixture
def store(tmp_path: Path) -> DiskStore:
    return DiskStore(tmp_path, FILES)


@pytest.fixture
def digests(store: DiskStore) -> RunningDigests:
    return RunningDigests(store=store, offload=offload)


def put(store: DiskStore, data: bytes = DATA, blob_id: uuid.UUID | None = None) -> uuid.UUID:
    blob_id = blob_id or uuid.uuid4()
    with store.open_writer(blob_id, Span(0, len(data) or 1), create=True, wait_seconds=0) as writer:
        writer.write(0, [data])
    return blob_id


def digest_of(data: bytes) -> FileDigest:
    return FileDigest(hashlib.sha256(data).hexdigest(), zlib.crc32(data))


@pytest.mark.parametrize("committed", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, 2 * PIECE_BYTES + 1, len(DATA)])
def test_headway_does_not_change_the_digest(digests: RunningDigests, store: DiskStore, committed: int) -> None:
    blob_id = put(store)
    digests.make_headway(blob_id, committed)
    assert digests.digest(blob_id, len(DATA)) == digest_of(DATA)
    assert digests.digest(blob_id, len(DATA)) == digest_of(DATA)


def test_what_was_hashed_on_the_way_is_not_read_again(digests: RunningDigests, store: DiskStore) -> None:
    blob_id = put(store)
    digests.make_headway(blob_id, len(DATA))
    store.delete(blob_id)
    assert digests.digest(blob_id, len(DATA)) == digest_of(DATA)


def test_headway_is_bounded(digests: RunningDigests, store: DiskStore) -> None:
    size = 3 * HEADWAY_BYTES
    blob_id = put(store, bytes(size))
    digests.make_headway(blob_id, size)
    store.delete(blob_id)
    with pytest.raises(BlobMissing):
        digests.digest(blob_id, size)
    assert digests.digest(blob_id, 2 * HEADWAY_BYTES) == digest_of(bytes(2 * HEADWAY_BYTES))


def test_an_evicted_state_is_computed_again(digests: RunningDigests, store: DiskStore) -> None:
    blob_id = put(store)
    digests.make_headway(blob_id, len(DATA))
    for _ in range(MAX_ENTRIES):
        digests.make_headway(uuid.uuid4(), 0)
    put(store, DATA[::-1], blob_id)
    assert digests.digest(blob_id, len(DATA)) == digest_of(DATA[::-1])


def test_a_state_in_use_is_not_evicted_by_as_many_others_as_fit(digests: RunningDigests, store: DiskStore) -> None:
    blob_id = put(store)
    digests.make_headway(blob_id, len(DATA))
    for _ in range(MAX_ENTRIES - 1):
        digests.make_headway(uuid.uuid4(), 0)
    store.delete(blob_id)
    assert digests.digest(blob_id, len(DATA)) == digest_of(DATA)


def test_a_forgotten_file_begins_anew(digests: RunningDigests, store: DiskStore) -> None:
    blob_id = put(store)
    digests.make_headway(blob_id, len(DATA))
    digests.forget(blob_id)
    digests.forget(blob_id)
    put(store, DATA[::-1], blob_id)
    assert digests.digest(blob_id, len(DATA)) == digest_of(DATA[::-1])


def test_headway_of_a_deleted_file_is_none(digests: RunningDigests, store: DiskStore) -> None:
    blob_id = uuid.uuid4()
    digests.make_headway(blob_id, len(DATA))
    put(store, DATA, blob_id)
    assert digests.digest(blob_id, len(DATA)) == digest_of(DATA)


def test_a_blob_that_is_too_short_has_no_digest(digests: RunningDigests, store: DiskStore) -> None:
    blob_id = put(store, b"short")
    with pytest.raises(BlobMissing, match="shorter"):
        digests.digest(blob_id, 6)


def test_an_empty_file_has_the_digest_of_nothing(digests: RunningDigests) -> None:
    assert digests.digest(uuid.uuid4(), 0) == digest_of(b"")
