"""Writing to a store that is full."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.missing import missing
from tests.storage.other_process import REPOSITORY
from tests.stores import content
from transfer_service.errors import StorageFull, StoreUnavailable
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.rooms import FILES
from transfer_service.wire.ranges import Span

ROOM = Span(0, 1 << 40)
DISK_BYTES = 1024 * 1024
_WRITE_UNDER_A_LIMIT = """
import json, resource, signal, sys, uuid
from pathlib import Path
from transfer_service.errors import StorageFull
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.rooms import FILES
from transfer_service.wire.ranges import Span

store, blob_id = DiskStore(Path(sys.argv[1]), FILES), uuid.UUID(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
with store.open_writer(blob_id, Span(0, 1 << 40), create=True, wait_seconds=0) as writer:
    writer.write(0, [b"a" * 100_000])
    try:
        writer.write(100_000, [b"b" * 1000])
        outcome = "written"
    except StorageFull as error:
        outcome = type(error).__name__
print(json.dumps(outcome))
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        missing("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(store: DiskStore, blob_id: uuid.UUID) -> None:
    """Write as much as the store takes."""
    with store.open_writer(blob_id, ROOM, create=True, wait_seconds=0) as writer, pytest.raises(StorageFull):
        for offset in range(0, 2 * DISK_BYTES, 4096):
            writer.write(offset, [b"x" * 4096])


def test_a_write_past_the_end_of_the_disk_keeps_what_was_written_before(small_disk: Path, blob_id: uuid.UUID) -> None:
    store = DiskStore(small_disk, FILES)
    with store.open_writer(blob_id, ROOM, create=True, wait_seconds=0) as writer:
        writer.write(0, [b"a" * 500_000])
        with pytest.raises(StorageFull):
            writer.write(500_000, [b"b" * DISK_BYTES])
    assert content(store, blob_id)[:500_000] == b"a" * 500_000
    assert not store.claims.is_in_use(blob_id)


def test_writing_goes_on_once_there_is_room(small_disk: Path, blob_id: uuid.UUID) -> None:
    store, hog = DiskStore(small_disk, FILES), uuid.uuid4()
    fill(store, hog)
    with store.open_writer(blob_id, ROOM, create=True, wait_seconds=0) as writer:
        with pytest.raises(StorageFull):
            writer.write(0, [b"a" * 8192])
        assert store.delete(hog) > DISK_BYTES // 2
        writer.write(0, [b"a" * 8192])
    assert content(store, blob_id) == b"a" * 8192


def test_a_store_that_takes_no_more_leaves_room_for_the_database(small_disk: Path, blob_id: uuid.UUID) -> None:
    store = DiskStore(small_disk, FILES)
    fill(store, blob_id)
    store.check()
    (small_disk / "database").write_bytes(bytes(DISK_BYTES // 32))
    assert store.size(blob_id) > DISK_BYTES // 2


def test_a_disk_without_any_room_fails_the_check_and_keeps_nothing_of_it(small_disk: Path) -> None:
    store = DiskStore(small_disk, FILES)
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "hog").write_bytes(bytes(2 * DISK_BYTES))
    with pytest.raises(StoreUnavailable):
        store.check()
    assert [entry.name for entry in small_disk.iterdir() if entry.is_file()] == ["hog"]


def test_a_file_larger_than_the_system_allows_counts_as_full(store: DiskStore, root: Path, blob_id: uuid.UUID) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _WRITE_UNDER_A_LIMIT, str(root), str(blob_id)],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(result.stdout) == "StorageFull"
    assert content(store, blob_id) == b"a" * 100_000
