"""A store with nothing in it, and one blob's id."""

import uuid
from pathlib import Path

import pytest

from transfer_service.storage.disk import DiskStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def store(root: Path) -> DiskStore:
    return DiskStore(root)


@pytest.fixture
def blob_id() -> uuid.UUID:
    return uuid.uuid4()
