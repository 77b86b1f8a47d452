"""Names of objects and keys of blobs, there and back."""

import uuid

import pytest

from transfer_service.errors import BlobMissing
from transfer_service.storage.blobs import Key
from transfer_service.storage.rooms import ARCHIVES, ATTACHMENTS, FILES, Room
from transfer_service.storage.s3.layout import RoomLayout

FILE_ID = uuid.UUID("0123456789abcdef0123456789abcdef")
MESSAGE_ID = "a" * 24


@pytest.mark.parametrize(
    ("room", "key", "name"),
    [
        pytest.param(FILES, FILE_ID, f"p/files/01/{FILE_ID.hex}", id="file"),
        pytest.param(ATTACHMENTS, f"{MESSAGE_ID}/文 件.bin", f"p/attachments/{MESSAGE_ID}/文 件.bin", id="attachment"),
        pytest.param(ARCHIVES, "17.zip", "p/archives/17.zip", id="archive"),
    ],
)
def test_a_blob_has_a_name_and_the_name_tells_the_blob(room: Room, key: Key, name: str) -> None:
    layout = RoomLayout("p", room)
    assert layout.own_name(key) == layout.own_name(layout.key_of(key)) == name
    assert layout.key_at(name) == layout.key_of(key)


@pytest.mark.parametrize(
    ("room", "name"),
    [
        pytest.param(FILES, f"p/files/02/{FILE_ID.hex}", id="another-shard"),
        pytest.param(FILES, f"p/files/{FILE_ID.hex}", id="no-shard"),
        pytest.param(FILES, f"q/files/01/{FILE_ID.hex}", id="another-prefix"),
        pytest.param(ATTACHMENTS, f"p/attachments/{MESSAGE_ID}", id="no-filename"),
        pytest.param(ATTACHMENTS, f"p/attachments/{MESSAGE_ID}/a/b", id="too-deep"),
        pytest.param(ARCHIVES, "p/archives/017.zip", id="another-number"),
        pytest.param(ARCHIVES, "p/archives/", id="the-folder"),
    ],
)
def test_what_is_no_blob_has_no_key(room: Room, name: str) -> None:
    assert RoomLayout("p", room).key_at(name) is None


def test_pieces_lie_apart_and_no_two_are_called_the_same() -> None:
    layout = RoomLayout("p", FILES)
    names = {layout.new_piece_name(FILE_ID) for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith(f"p/pieces/files/01/{FILE_ID.hex}/") for name in names)
    assert not any(layout.key_at(name) for name in names)
    assert (
        RoomLayout("p", ATTACHMENTS).new_piece_name(f"{MESSAGE_ID}/x").startswith(f"p/pieces/attachments/{MESSAGE_ID}/")
    )


@pytest.mark.parametrize("key", ["..", "x" * 32, f"{MESSAGE_ID}/", f"{MESSAGE_ID}/.."])
def test_what_is_no_key_has_no_name(key: str) -> None:
    for room in (FILES, ATTACHMENTS, ARCHIVES):
        with pytest.raises(BlobMissing):
            RoomLayout("p", room).own_name(key)
