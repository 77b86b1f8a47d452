"""Reading, cutting, syncing, deleting and listing blobs."""

import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.stores import content, listed, path_of
from transfer_service.errors import BlobMissing, ReadFailed, StoreUnavailable
from transfer_service.storage.blobs import WHOLE
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.plain_files import PlainFiles
from transfer_service.storage.rooms import FILES
from transfer_service.wire.ranges import Span

ROOM = Span(0, 1 << 40)


def put(store: DiskStore, blob_id: uuid.UUID, data: bytes, *, offset: int = 0) -> None:
    with store.open_writer(blob_id, ROOM, create=True, wait_seconds=0) as writer:
        writer.write(offset, [data])


def test_a_blob_lies_under_the_first_two_digits_of_its_id(store: DiskStore, root: Path, blob_id: uuid.UUID) -> None:
    put(store, blob_id, b"abc")
    assert (root / blob_id.hex[:2] / blob_id.hex).read_bytes() == b"abc"
    assert path_of(store, blob_id).stat().st_mode & 0o007 == 0


def test_a_second_store_on_the_folder_sees_the_same_blobs(store: DiskStore, root: Path, blob_id: uuid.UUID) -> None:
    put(store, blob_id, b"abc")
    assert content(DiskStore(root, FILES), blob_id) == b"abc"


def test_a_blob_that_is_not_there_cannot_be_read(store: DiskStore, blob_id: uuid.UUID) -> None:
    with pytest.raises(BlobMissing):
        store.open_reader(blob_id)
    assert store.stored_bytes(blob_id) is None
    assert not path_of(store, blob_id).exists()


def test_what_cannot_be_opened_is_a_failed_read(store: DiskStore, blob_id: uuid.UUID) -> None:
    path_of(store, blob_id).mkdir()
    with pytest.raises(ReadFailed):
        store.open_reader(blob_id)


def test_stored_bytes_do_not_count_holes(store: DiskStore, blob_id: uuid.UUID) -> None:
    put(store, blob_id, b"x", offset=100 * 1024 * 1024)
    assert path_of(store, blob_id).stat().st_size > 100 * 1024 * 1024
    assert 0 < (store.stored_bytes(blob_id) or 0) < 1024 * 1024


def test_deleting_tells_what_it_freed_and_the_second_time_nothing(store: DiskStore, blob_id: uuid.UUID) -> None:
    put(store, blob_id, bytes(10_000))
    assert store.delete(blob_id) >= 10_000
    assert store.delete(blob_id) == 0
    assert not path_of(store, blob_id).exists()


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
    assert listed(store) == []


def test_a_listing_ignores_folders_and_links(store: DiskStore, tmp_path: Path) -> None:
    folder, link = uuid.uuid4(), uuid.uuid4()
    path_of(store, folder).mkdir()
    path_of(store, link).symlink_to(tmp_path)
    assert listed(store) == []


def test_a_check_leaves_nothing_behind(store: DiskStore, root: Path) -> None:
    before = sorted(root.rglob("*"))
    store.check()
    assert sorted(root.rglob("*")) == before


def test_a_check_of_a_store_that_went_away_fails(store: DiskStore, root: Path) -> None:
    root.rmdir()
    with pytest.raises(StoreUnavailable):
        store.check()


def test_folders_are_made_for_what_lies_in_them(store: DiskStore, root: Path, blob_id: uuid.UUID) -> None:
    assert list(root.iterdir()) == []
    put(store, blob_id, b"abc")
    assert [path.name for path in root.iterdir()] == [blob_id.hex[:2]]


def test_the_name_of_a_new_folder_is_flushed_with_its_first_blob_by_each_process(
    store: DiskStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(PlainFiles, "sync", lambda _self, path: flushed.append(path))
    first, second, elsewhere = (uuid.UUID(hex=name) for name in ("ab" * 16, "abcd" * 8, "cd" * 16))
    for blob_id in (first, second, elsewhere):
        put(store, blob_id, b"abc")
        store.sync(blob_id)
    folders, places = [root / "ab", root / "cd"], [root / "ab" / first.hex, root / "ab" / second.hex]
    assert flushed == [
        places[0], folders[0], root, places[1], folders[0], root / "cd" / elsewhere.hex, folders[1], root
    ]  # fmt: skip
    flushed.clear()
    with DiskStore(root, FILES).open_writer(first, WHOLE, create=False, wait_seconds=0) as writer:
        writer.sync()  # who made the folder may have died before its name was flushed
    assert flushed == [folders[0], root]


def test_where_its_disk_was_taken_away_nothing_is_missing_and_nothing_is_made(
    store: DiskStore, root: Path, blob_id: uuid.UUID
) -> None:
    store.mark.write("mine")
    with pytest.raises(BlobMissing):
        store.open_reader(blob_id)
    root.rename(root.with_name("disk"))
    root.mkdir()  # what a mount point is without its disk
    for call in (
        lambda: store.open_reader(blob_id),
        lambda: store.stored_bytes(blob_id),
        lambda: put(store, blob_id, b"abc"),
        store.check,
    ):
        with pytest.raises(StoreUnavailable):
            call()
    assert list(root.iterdir()) == []


KEEPS_NO_FOLDER = """
from gevent import monkey
monkey.patch_all()
import os, sys
from pathlib import Path
import gevent
from transfer_service.storage.plain_files import PlainFiles
gevent.get_hub()
path = Path(sys.argv[1])
files = PlainFiles(path.parent.parent)
before = len(os.listdir("/proc/self/fd"))
for _ in range(50):
    files.open_reader(path).close()
print(len(os.listdir("/proc/self/fd")) - before)
"""


def test_no_folder_stays_open_until_the_event_loop_turns(store: DiskStore, blob_id: uuid.UUID) -> None:
    put(store, blob_id, b"abc")
    command = [sys.executable, "-c", KEEPS_NO_FOLDER, str(path_of(store, blob_id))]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "0\n"
