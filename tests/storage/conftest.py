"""A store with nothing in it, and one blob's id."""

import uuid
from pathlib import Path

import pytest

from tests.storage.memory import MemoryStore
from transfer_service.storage.blobs import BlobStore
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.rooms import ARCHIVES, ATTACHMENTS, FILES, Room


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def store(root: Path) -> DiskStore:
    return DiskStore(root, FILES)


KINDS = ["disk", "memory", "remote"]


def room_on(kind: str, root: Path, room: Room) -> BlobStore:
    """An empty room on that kind of store."""
    return DiskStore(root, room) if kind == "disk" else MemoryStore(room, is_remote=kind == "remote")


@pytest.fixture(params=KINDS)
def any_store(request: pytest.FixtureRequest, root: Path) -> BlobStore:
    """Ask for this one to run a test on each kind of store."""
    return room_on(request.param, root, FILES)


@pytest.fixture(params=KINDS)
def attachments(request: pytest.FixtureRequest, root: Path) -> BlobStore:
    return room_on(request.param, root, ATTACHMENTS)


@pytest.fixture(params=KINDS)
def archives(request: pytest.FixtureRequest, root: Path) -> BlobStore:
    return room_on(request.param, root, ARCHIVES)


@pytest.fixture
def blob_id() -> uuid.UUID:
    return uuid.uuid4()
