"""A store with nothing in it, and one blob's id."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import delete

from tests.prepared import migrated_sqlite
from tests.storage.memory import MemoryStore
from transfer_service.db.database import Database
from transfer_service.models.pieces import StoredPiece
from transfer_service.storage.blobs import BlobStore
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.rooms import ARCHIVES, ATTACHMENTS, FILES, Room
from transfer_service.storage.s3.store import build_rooms


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def store(root: Path) -> DiskStore:
    return DiskStore(root, FILES)


KINDS = ["disk", "memory", "remote", "s3"]


@pytest.fixture(scope="session")
def claims_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database for stores that need one; every test has keys of its own, or a prefix."""
    yield from migrated_sqlite(tmp_path_factory)


@pytest.fixture
def room_on(request: pytest.FixtureRequest, root: Path) -> Iterator[Callable[[str, Room], BlobStore]]:
    """Makes an empty room on that kind of store."""
    with ExitStack() as ending:

        def make(kind: str, room: Room) -> BlobStore:
            if kind == "disk":
                return DiskStore(root, room)
            if kind != "s3":
                return MemoryStore(room, is_remote=kind == "remote")
            database = request.getfixturevalue("claims_database")
            with database.write_rows() as rows:  # keys of archives are the same in every test
                rows.execute(delete(StoredPiece))
            rooms = build_rooms(request.getfixturevalue("store_address"), database)
            ending.callback(rooms.leases.close)
            return {FILES: rooms.files, ATTACHMENTS: rooms.attachments, ARCHIVES: rooms.archives}[room]

        yield make


@pytest.fixture(params=KINDS)
def any_store(request: pytest.FixtureRequest, room_on: Callable[[str, Room], BlobStore]) -> BlobStore:
    """Ask for this one to run a test on each kind of store."""
    return room_on(request.param, FILES)


@pytest.fixture(params=KINDS)
def attachments(request: pytest.FixtureRequest, room_on: Callable[[str, Room], BlobStore]) -> BlobStore:
    return room_on(request.param, ATTACHMENTS)


@pytest.fixture(params=KINDS)
def archives(request: pytest.FixtureRequest, room_on: Callable[[str, Room], BlobStore]) -> BlobStore:
    return room_on(request.param, ARCHIVES)


@pytest.fixture
def blob_id() -> uuid.UUID:
    return uuid.uuid4()
