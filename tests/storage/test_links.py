"""Symbolic links in the place of blobs, attachments and archives: never followed, by anything."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stores import content, listed, path_of
from transfer_service.errors import BlobMissing, StoreUnavailable
from transfer_service.storage.blobs import WHOLE
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.rooms import ARCHIVES, ATTACHMENTS, FILES
from transfer_service.wire.ranges import Span

MESSAGE_ID = "65a1b2c3d4e5f60718293a4b"
SECRET = b"secret of somebody else"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder with a file that is none of the store's business."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_bytes(SECRET)
    return folder


def is_untouched(outside: Path) -> bool:
    return (outside / "secret").read_bytes() == SECRET


def link_blob(store: DiskStore, blob_id: uuid.UUID, outside: Path) -> None:
    path_of(store, blob_id).symlink_to(outside / "secret")


def link_folder(store: DiskStore, blob_id: uuid.UUID, outside: Path) -> None:
    folder = path_of(store, blob_id).parent
    folder.rmdir()
    folder.symlink_to(outside)
    (outside / "secret").rename(outside / blob_id.hex)
    (outside / "secret").hardlink_to(outside / blob_id.hex)


LINKS = [pytest.param(link_blob, id="file"), pytest.param(link_folder, id="folder")]
Link = Callable[[DiskStore, uuid.UUID, Path], None]


@pytest.mark.parametrize("link", LINKS)
def test_no_blob_is_read_through_a_link(store: DiskStore, blob_id: uuid.UUID, outside: Path, link: Link) -> None:
    link(store, blob_id, outside)
    with pytest.raises(BlobMissing):
        store.open_reader(blob_id)
    with pytest.raises(BlobMissing):
        store.size(blob_id)
    assert (store.stored_bytes(blob_id), store.claims.is_in_use(blob_id), listed(store)) == (None, False, [])


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("create", [True, False])
def test_no_blob_is_written_through_a_link(
    store: DiskStore, blob_id: uuid.UUID, outside: Path, link: Link, create: bool
) -> None:
    link(store, blob_id, outside)
    with pytest.raises(BlobMissing), store.open_writer(blob_id, Span(0, 9), create=create, wait_seconds=0) as writer:
        writer.write(0, [b"overwrite"])
    with pytest.raises(BlobMissing):
        store.sync(blob_id)
    assert is_untouched(outside)


@pytest.mark.parametrize("link", LINKS)
def test_no_blob_is_deleted_through_a_link(store: DiskStore, blob_id: uuid.UUID, outside: Path, link: Link) -> None:
    link(store, blob_id, outside)
    assert store.delete(blob_id) == 0
    assert is_untouched(outside)


def test_a_pipe_in_the_place_of_a_blob_holds_nobody_up(store: DiskStore, blob_id: uuid.UUID) -> None:
    os.mkfifo(path_of(store, blob_id))
    with pytest.raises(BlobMissing):
        store.open_reader(blob_id)
    assert (store.stored_bytes(blob_id), listed(store)) == (None, [])


def test_the_store_itself_may_be_behind_a_link(tmp_path: Path, blob_id: uuid.UUID) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "blobs").symlink_to(tmp_path / "disk")
    store = DiskStore(tmp_path / "blobs", FILES)
    with store.open_writer(blob_id, Span(0, 3), create=True, wait_seconds=0) as writer:
        writer.write(0, [b"abc"])
    store.sync(blob_id)
    assert content(store, blob_id) == b"abc"


@pytest.fixture
def attachments(tmp_path: Path) -> DiskStore:
    return DiskStore(tmp_path / "chats", ATTACHMENTS)


@pytest.mark.parametrize("place", ["file", "folder"])
def test_no_attachment_is_read_or_deleted_through_a_link(
    attachments: DiskStore, tmp_path: Path, outside: Path, place: str
) -> None:
    folder = tmp_path / "chats" / MESSAGE_ID
    if place == "folder":
        folder.symlink_to(outside)
    else:
        folder.mkdir()
        (folder / "secret").symlink_to(outside / "secret")
    with pytest.raises(BlobMissing):
        attachments.open_reader(f"{MESSAGE_ID}/secret")
    with pytest.raises((BlobMissing, StoreUnavailable)):
        attachments.sync(f"{MESSAGE_ID}/secret")
    assert not attachments.claims.is_in_use(MESSAGE_ID)
    assert sum(each.stored_bytes for each in listed(attachments)) == 0
    assert attachments.delete(MESSAGE_ID) == 0
    assert (is_untouched(outside), os.path.lexists(folder)) == (True, False)


@pytest.fixture
def games(tmp_path: Path) -> DiskStore:
    return DiskStore(tmp_path / "games", ARCHIVES)


def test_no_archive_is_read_or_deleted_through_a_link(games: DiskStore, tmp_path: Path, outside: Path) -> None:
    (tmp_path / "games" / "7.zip").symlink_to(outside / "secret")
    with pytest.raises(BlobMissing):
        games.open_reader("7.zip")
    with pytest.raises(BlobMissing):
        games.size("7.zip")
    assert (games.stored_bytes("7.zip"), listed(games)) == (None, [])
    games.delete("7.zip")
    assert is_untouched(outside)


def test_an_archive_is_published_over_a_link_and_not_through_it(
    games: DiskStore, tmp_path: Path, outside: Path
) -> None:
    (tmp_path / "games" / "7.zip").symlink_to(outside / "secret")
    with games.open_writer("5.part", WHOLE, create=True, wait_seconds=0) as part:
        part.write(0, [b"fetched"])
        part.publish("7.zip")
    assert content(games, "7.zip") == b"fetched"
    assert is_untouched(outside)
