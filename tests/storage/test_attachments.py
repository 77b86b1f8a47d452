"""The folder of attachments: `<root>/<message id>/<filename>`."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests import stores
from tests.storage.other_process import REPOSITORY
from tests.stores import listed
from transfer_service.errors import BlobMissing, ReadFailed
from transfer_service.storage.blobs import WHOLE, BlobFacts
from transfer_service.storage.disk import DiskStore, DiskWriter
from transfer_service.storage.rooms import ATTACHMENTS

MESSAGE_ID = "65a1b2c3d4e5f60718293a4b"
OTHER_ID = "f" * 24
NAME = "photo.jpg"
BAD_NAMES = ["", ".", "..", "../a", "a/b", "/etc/passwd", f"../{OTHER_ID}/{NAME}"]
BAD_IDS = ["", ".", "..", "../..", "a", "0" * 23, "0" * 25, "F" * 24, "g" * 24, "0" * 24 + "\n", "../" + "0" * 21]
_HOLD = """
import sys
from pathlib import Path
from transfer_service.storage.blobs import WHOLE
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.rooms import ATTACHMENTS

store = DiskStore(Path(sys.argv[1]), ATTACHMENTS)
with store.open_writer(f"{sys.argv[2]}/held", WHOLE, create=True, wait_seconds=0) as writer:
    writer.write(0, [b"held"])
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "uploads" / "chats"


@pytest.fixture
def attachments(folder: Path) -> DiskStore:
    return DiskStore(folder, ATTACHMENTS)


@contextmanager
def held_elsewhere(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that is writing an attachment of MESSAGE_ID."""
    command = [sys.executable, "-c", _HOLD, str(folder), MESSAGE_ID]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def store(attachments: DiskStore, data: bytes, message_id: str = MESSAGE_ID, filename: str = NAME) -> None:
    """A finished attachment."""
    with create(attachments, message_id, filename) as writer:
        writer.write(0, [data])


def create(attachments: DiskStore, message_id: str, filename: str) -> AbstractContextManager[DiskWriter]:
    """An attachment that is being written."""
    return attachments.open_writer(f"{message_id}/{filename}", WHOLE, create=True, wait_seconds=0)


def content(attachments: DiskStore, message_id: str = MESSAGE_ID) -> bytes:
    return stores.content(attachments, f"{message_id}/{NAME}")


def test_a_new_store_makes_its_folder(folder: Path) -> None:
    assert listed(DiskStore(folder, ATTACHMENTS)) == []
    assert folder.is_dir()
    DiskStore(folder, ATTACHMENTS)


def test_an_attachment_lies_under_its_message(attachments: DiskStore, folder: Path) -> None:
    with create(attachments, MESSAGE_ID, NAME) as writer:
        writer.write(0, [b"hel", b"lo"])
        writer.write(5, [b" world"])
    assert (folder / MESSAGE_ID / NAME).read_bytes() == content(attachments) == b"hello world"


def test_nobody_else_may_read_it(attachments: DiskStore, folder: Path) -> None:
    store(attachments, b"hello")
    modes = [path.stat().st_mode & 0o7 for path in (folder, folder / MESSAGE_ID, folder / MESSAGE_ID / NAME)]
    assert modes[1:] == [0, 0]


def test_a_link_planted_in_place_of_a_folder_is_not_followed(
    attachments: DiskStore, folder: Path, tmp_path: Path
) -> None:
    (folder / MESSAGE_ID).symlink_to(tmp_path)
    with pytest.raises(BlobMissing):
        store(attachments, b"hello")
    attachments.delete(MESSAGE_ID)
    assert listed(attachments) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["uploads"]


def test_it_is_in_use_while_it_is_written(attachments: DiskStore, folder: Path) -> None:
    assert not attachments.claims.is_in_use(MESSAGE_ID)
    with create(attachments, MESSAGE_ID, NAME):
        assert attachments.claims.is_in_use(MESSAGE_ID)
        assert DiskStore(folder, ATTACHMENTS).claims.is_in_use(MESSAGE_ID)
        assert not attachments.claims.is_in_use(OTHER_ID)
    assert not attachments.claims.is_in_use(MESSAGE_ID)


def test_readers_do_not_keep_it_in_use(attachments: DiskStore) -> None:
    store(attachments, b"hello")
    with closing(attachments.open_reader(f"{MESSAGE_ID}/{NAME}")):
        assert not attachments.claims.is_in_use(MESSAGE_ID)


def test_it_is_in_use_also_by_another_process_until_that_is_killed(attachments: DiskStore, folder: Path) -> None:
    with held_elsewhere(folder) as other:
        assert attachments.claims.is_in_use(MESSAGE_ID)
        other.kill()
        other.wait()
        assert not attachments.claims.is_in_use(MESSAGE_ID)
    assert [facts.key for facts in listed(attachments)] == [MESSAGE_ID]


def test_the_list_tells_age_and_room(attachments: DiskStore) -> None:
    store(attachments, bytes(10_000))
    with create(attachments, OTHER_ID, NAME):
        pass
    found = {facts.key: facts for facts in listed(attachments)}
    assert found.keys() == {MESSAGE_ID, OTHER_ID}
    assert (found[MESSAGE_ID].stored_bytes, found[OTHER_ID].stored_bytes) == (12_288, 0)
    assert abs(found[MESSAGE_ID].modified_at.timestamp() - time.time()) < 60


def test_the_list_has_an_empty_folder(attachments: DiskStore, folder: Path) -> None:
    (folder / MESSAGE_ID).mkdir()
    os.utime(folder / MESSAGE_ID, (1, 1))
    (facts,) = listed(attachments)
    assert facts == BlobFacts(MESSAGE_ID, facts.modified_at, 0, 0)
    assert facts.modified_at.timestamp() == 1


def test_the_list_has_nothing_that_is_not_the_stores(attachments: DiskStore, folder: Path, tmp_path: Path) -> None:
    for name in ("notes", "F" * 24, "0" * 23, "lost+found"):
        (folder / name).mkdir()
    (folder / OTHER_ID).write_bytes(b"no folder")
    (folder / MESSAGE_ID).symlink_to(tmp_path)
    assert listed(attachments) == []


def test_deleting_tells_what_it_freed(attachments: DiskStore, folder: Path) -> None:
    store(attachments, bytes(10_000))
    store(attachments, b"other", OTHER_ID)
    assert attachments.delete(MESSAGE_ID) == 12_288
    assert attachments.delete(MESSAGE_ID) == 0
    assert [path.name for path in folder.iterdir()] == [OTHER_ID]


def test_readers_of_a_deleted_attachment_read_on(attachments: DiskStore) -> None:
    store(attachments, b"hello")
    with closing(attachments.open_reader(f"{MESSAGE_ID}/{NAME}")) as file:
        attachments.delete(MESSAGE_ID)
        assert file.read(0, 9) == b"hello"
    with pytest.raises(BlobMissing):
        content(attachments)


def test_flushing_changes_nothing(attachments: DiskStore) -> None:
    with create(attachments, MESSAGE_ID, NAME) as writer:
        writer.write(0, [b"hello"])
        attachments.sync(f"{MESSAGE_ID}/{NAME}")
    assert content(attachments) == b"hello"


@pytest.mark.parametrize("filename", ["other", NAME.upper(), "e\u0301.jpg"])
def test_another_name_is_missing(attachments: DiskStore, filename: str) -> None:
    store(attachments, b"hello")
    with pytest.raises(BlobMissing):
        attachments.open_reader(f"{MESSAGE_ID}/{filename}")


def test_what_cannot_be_read_says_so(attachments: DiskStore, folder: Path) -> None:
    (folder / MESSAGE_ID / NAME).mkdir(parents=True)
    with pytest.raises(ReadFailed):
        attachments.open_reader(f"{MESSAGE_ID}/{NAME}")


def places() -> list[Any]:
    """Ids and names of which at least one leads elsewhere."""
    bad = [*((MESSAGE_ID, name) for name in BAD_NAMES), *((message_id, NAME) for message_id in BAD_IDS)]
    return [pytest.param(message_id, filename, id=f"{message_id!a} {filename!a}") for message_id, filename in bad]


@pytest.mark.parametrize(("message_id", "filename"), places())
def test_what_leads_elsewhere_is_refused(
    attachments: DiskStore, tmp_path: Path, message_id: str, filename: str
) -> None:
    store(attachments, b"hello", OTHER_ID)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BlobMissing), create(attachments, message_id, filename):
        pass
    with pytest.raises(BlobMissing):
        attachments.open_reader(f"{message_id}/{filename}")
    with pytest.raises(BlobMissing):
        attachments.sync(f"{message_id}/{filename}")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("message_id", BAD_IDS, ids=ascii)
def test_deleting_what_is_no_message_removes_nothing(attachments: DiskStore, tmp_path: Path, message_id: str) -> None:
    store(attachments, b"hello", OTHER_ID)
    before = sorted(tmp_path.rglob("*"))
    with suppress(BlobMissing):
        assert attachments.delete(message_id) == 0
    assert sorted(tmp_path.rglob("*")) == before
