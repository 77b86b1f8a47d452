"""What tests of stores and of services on them say often."""

from contextlib import closing
from itertools import chain
from pathlib import Path

from transfer_service.storage.blobs import WHOLE, BlobFacts, BlobStore, Key
from transfer_service.storage.disk import DiskReader, DiskStore


def put(store: BlobStore, key: Key, data: bytes, *, offset: int = 0) -> None:
    """A blob with these bytes."""
    with store.open_writer(key, WHOLE, create=True, wait_seconds=0) as writer:
        writer.write(offset, [data])


def content(store: BlobStore, key: Key) -> bytes:
    """All bytes of a blob."""
    with closing(store.open_reader(key)) as blob:
        return blob.read(0, blob.size)


def listed(store: BlobStore) -> list[BlobFacts]:
    """Everything that is stored."""
    return list(chain.from_iterable(store.batches()))


def reader_of(path: Path) -> DiskReader:
    """A file as a store would open it."""
    return DiskReader(path.open("rb", buffering=0))


def path_of(store: BlobStore, key: Key) -> Path:
    """Where a disk has a blob or would have it, in a folder that is there."""
    assert isinstance(store, DiskStore)
    path = store._files.path_of(key)
    path.parent.mkdir(exist_ok=True)
    return path
