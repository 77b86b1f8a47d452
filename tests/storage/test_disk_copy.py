"""Copying from one blob into another, and writing into one that is deleted."""

import uuid

import pytest

from transfer_service.errors import ReadFailed
from transfer_service.storage.blobs import END
from transfer_service.storage.disk import DiskStore
from transfer_service.wire.ranges import Span

ANYWHERE = Span(0, END)


def put(store: DiskStore, data: bytes) -> uuid.UUID:
    """A blob of these bytes."""
    blob_id = uuid.uuid4()
    with store.open_writer(blob_id, ANYWHERE, create=True, wait_seconds=0) as writer:
        writer.write(0, [data])
    return blob_id


def content(store: DiskStore, blob_id: uuid.UUID) -> bytes:
    with store.open_reader(blob_id) as blob:
        return blob.read()


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
    store: DiskStore, blob_id: uuid.UUID, start: int, length: int, to: int, expected: bytes
) -> None:
    source_id = put(store, b"0123456789")
    with (
        store.open_reader(source_id) as source,
        store.open_writer(blob_id, ANYWHERE, create=True, wait_seconds=0) as writer,
    ):
        writer.copy(source, start=start, length=length, to=to)
        assert source.tell() == 0
    assert (content(store, blob_id), content(store, source_id)) == (expected, b"0123456789")


def test_a_large_copy_is_whole(store: DiskStore, blob_id: uuid.UUID) -> None:
    data = b"".join(number.to_bytes(4, "big") for number in range(3_000_000))
    source_id = put(store, data)
    with (
        store.open_reader(source_id) as source,
        store.open_writer(blob_id, ANYWHERE, create=True, wait_seconds=0) as writer,
    ):
        writer.copy(source, start=0, length=len(data), to=0)
    assert content(store, blob_id) == data


def test_a_source_that_is_too_short_is_a_failed_read(store: DiskStore, blob_id: uuid.UUID) -> None:
    source_id = put(store, b"0123")
    with (
        store.open_reader(source_id) as source,
        store.open_writer(blob_id, ANYWHERE, create=True, wait_seconds=0) as writer,
        pytest.raises(ReadFailed),
    ):
        writer.copy(source, start=2, length=5, to=0)
    assert content(store, blob_id) == b"23"


def test_a_writer_whose_blob_was_deleted_is_told_to_give_up(store: DiskStore, blob_id: uuid.UUID) -> None:
    with store.open_writer(blob_id, ANYWHERE, create=True, wait_seconds=0) as writer:
        wanted = [writer.is_wanted()]
        store.delete(blob_id)
        wanted.append(writer.is_wanted())
        writer.write(0, [b"lost"])
    assert (wanted, list(store.list_blobs())) == ([False, True], [])


@pytest.mark.parametrize(
    ("start", "length", "left"),
    [
        pytest.param(0, 4, b"0123", id="longer"),
        pytest.param(3, 3, b"012", id="at-the-start-of-the-span"),
        pytest.param(0, 10, b"0123456789", id="exactly"),
        pytest.param(0, 12, b"0123456789", id="shorter"),
    ],
)
def test_trimming_only_ever_shortens(store: DiskStore, start: int, length: int, left: bytes) -> None:
    blob_id = put(store, b"0123456789")
    with store.open_writer(blob_id, Span(start, END), create=False, wait_seconds=0) as writer:
        writer.trim(length)
    assert content(store, blob_id) == left
