"""Blobs that get the bytes of whole ones in another room: what every store must do, and how a disk does it."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.missing import missing
from tests.storage.conftest import KINDS
from tests.stores import content, listed, path_of, put, recording
from transfer_service.errors import BlobMissing
from transfer_service.storage.blobs import BlobStore
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.rooms import ATTACHMENTS, FILES, Room

MESSAGE_ID = "65a1b2c3d4e5f60718293a4b"
KEY = f"{MESSAGE_ID}/photo.jpg"
DATA = os.urandom(100_000)
Rooms = tuple[BlobStore, BlobStore]


@pytest.fixture(params=KINDS)
def rooms(request: pytest.FixtureRequest, room_on: Callable[[str, Room], BlobStore]) -> Rooms:
    """The rooms of files and of attachments."""
    return room_on(request.param, FILES), room_on(request.param, ATTACHMENTS)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[DiskStore, DiskStore]:
    """The same on a disk."""
    return DiskStore(tmp_path / "blobs", FILES), DiskStore(tmp_path / "chats", ATTACHMENTS)


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder on another file system."""
    folder = Path("/dev/shm") / f"adoption-{uuid.uuid4().hex}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def put_whole(store: BlobStore, blob_id: uuid.UUID, data: bytes) -> None:
    """A blob that nothing is missing of, as those of finished files are."""
    with store.open_new(blob_id) as writer:
        writer.make_room(len(data))
        writer.write(0, [data])
        writer.seal(len(data), flush=True)
        with recording(store) as rows:
            writer.record(rows)


def adopt(rooms: Rooms, blob_id: uuid.UUID, length: int = len(DATA), *, may_grow: bool = False) -> None:
    files, attachments = rooms
    with (
        attachments.adopt(KEY, files, blob_id, length, may_grow=may_grow) as record,
        recording(attachments) as rows,
    ):
        record(rows)


@pytest.mark.parametrize("may_grow", [False, True])
@pytest.mark.parametrize("data", [b"", b"x", DATA], ids=["empty", "a-byte", "more"])
def test_both_have_all_bytes_and_each_stays_when_the_other_goes(
    rooms: Rooms, blob_id: uuid.UUID, data: bytes, may_grow: bool
) -> None:
    files, attachments = rooms
    put_whole(files, blob_id, data)
    adopt(rooms, blob_id, len(data), may_grow=may_grow)
    assert content(attachments, KEY) == content(files, blob_id) == data
    files.delete(blob_id)
    assert content(attachments, KEY) == data
    put_whole(files, blob_id, data)
    attachments.delete(MESSAGE_ID)
    assert content(files, blob_id) == data


def test_what_may_grow_grows_alone(rooms: Rooms, blob_id: uuid.UUID) -> None:
    files, attachments = rooms
    put(files, blob_id, DATA)
    adopt(rooms, blob_id, may_grow=True)
    put(files, blob_id, b"more", offset=len(DATA))
    assert (content(attachments, KEY), content(files, blob_id)) == (DATA, DATA + b"more")


def test_it_is_found_and_measured_like_any_other(rooms: Rooms, blob_id: uuid.UUID) -> None:
    files, attachments = rooms
    put(files, blob_id, DATA)
    adopt(rooms, blob_id)
    assert [facts.key for facts in listed(attachments)] == [MESSAGE_ID]
    assert attachments.size(KEY) == len(DATA)
    assert list(attachments.find_lacking([MESSAGE_ID])) == []


def test_nothing_comes_of_what_is_not_there(rooms: Rooms, blob_id: uuid.UUID) -> None:
    with pytest.raises(BlobMissing):
        adopt(rooms, blob_id)
    assert listed(rooms[1]) == []


def test_nothing_counts_that_was_not_recorded(rooms: Rooms, blob_id: uuid.UUID) -> None:
    files, attachments = rooms
    put(files, blob_id, DATA)
    with pytest.raises(ZeroDivisionError), attachments.adopt(KEY, files, blob_id, len(DATA), may_grow=False):
        _ = 1 / 0
    attachments.delete(MESSAGE_ID)
    assert (listed(attachments), content(files, blob_id)) == ([], DATA)


def inode(store: DiskStore, key: uuid.UUID | str) -> int:
    return path_of(store, key).stat().st_ino


def test_a_disk_has_the_bytes_once(folders: tuple[DiskStore, DiskStore], blob_id: uuid.UUID) -> None:
    files, attachments = folders
    put(files, blob_id, DATA)
    adopt(folders, blob_id)
    assert inode(files, blob_id) == inode(attachments, KEY)


def test_a_disk_copies_what_may_grow_and_no_more_than_counts(
    folders: tuple[DiskStore, DiskStore], blob_id: uuid.UUID
) -> None:
    files, attachments = folders
    put(files, blob_id, DATA + b"left by a refused chunk")
    adopt(folders, blob_id)
    assert inode(files, blob_id) != inode(attachments, KEY)
    assert content(attachments, KEY) == DATA


def test_another_file_system_gets_a_copy(tmp_path: Path, elsewhere: Path, blob_id: uuid.UUID) -> None:
    if elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        missing("there is one file system only")
    files, attachments = DiskStore(elsewhere / "blobs", FILES), DiskStore(tmp_path / "chats", ATTACHMENTS)
    put(files, blob_id, DATA)
    adopt((files, attachments), blob_id)
    files.delete(blob_id)
    assert content(attachments, KEY) == DATA


def test_a_reader_of_the_file_reads_on_when_it_has_gone(
    folders: tuple[DiskStore, DiskStore], blob_id: uuid.UUID
) -> None:
    files, attachments = folders
    put(files, blob_id, DATA)
    with closing(files.open_reader(blob_id)) as reader:
        adopt(folders, blob_id)
        files.delete(blob_id)
        attachments.delete(MESSAGE_ID)
        assert reader.read(0, len(DATA)) == DATA


def test_what_a_link_leads_to_is_not_taken(folders: tuple[DiskStore, DiskStore], blob_id: uuid.UUID) -> None:
    files, attachments = folders
    secret = files._root / "secret"
    secret.write_bytes(DATA)
    path_of(files, blob_id).symlink_to(secret)
    with pytest.raises(BlobMissing):
        adopt(folders, blob_id)
    assert listed(attachments) == []
