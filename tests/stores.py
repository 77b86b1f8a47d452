"""What tests of stores and of services on them say often."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path

from sqlalchemy import StaticPool, create_engine

from transfer_service.db.database import Database, Executor
from transfer_service.storage.blobs import WHOLE, BlobFacts, BlobStore, BlobWriter, Key
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.disk_reader import DiskReader


def put(store: BlobStore, key: Key, data: bytes, *, offset: int = 0) -> None:
    """A blob with these bytes."""
    with store.open_writer(key, WHOLE, create=True, wait_seconds=0) as writer:
        writer.make_room(len(data))
        writer.write(offset, [data])
        count(store, writer)


_no_tables = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})


@contextmanager
def recording(store: BlobStore) -> Iterator[Executor]:
    """A transaction of the database that the store needs, if it needs one."""
    database: Database | None = getattr(store, "database", None)
    with database.write_rows() if database is not None else _no_tables.begin() as rows:
        yield rows


def count(store: BlobStore, writer: BlobWriter) -> None:
    """Let what was written count."""
    writer.sync()
    with recording(store) as rows:
        writer.record(rows)


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
