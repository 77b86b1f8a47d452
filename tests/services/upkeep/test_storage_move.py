"""Carrying the bytes of a full installation over to another place, killed anywhere and while it runs."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from config import Settings
from tests.everything import PHOTO, UPLOADED, Everything, fill
from tests.stores import path_of
from tests.web.conftest import MakeApp
from transfer_service.db.move_journal import MoveJournal
from transfer_service.errors import MoveRefused
from transfer_service.models.files import File
from transfer_service.models.games import RemoteDownload
from transfer_service.services.upkeep.promises import promises
from transfer_service.services.upkeep.storage_move import Outcome, StorageMove
from transfer_service.services.upkeep.verification import Problem
from transfer_service.storage.blobs import BlobStore
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.landing import Landing, StoreLanding
from transfer_service.storage.rooms import ARCHIVES, ATTACHMENTS, FILES, PREVIEWS
from transfer_service.storage.s3.landing import RemoteLanding, part_bytes
from transfer_service.storage.s3.layout import RoomLayout
from transfer_service.storage.s3.objects import MAX_PARTS, Objects

pytestmark = pytest.mark.long

Landings = dict[str, Landing]
ROOMS = {"blobs": FILES, "attachments": ATTACHMENTS, "archives": ARCHIVES, "previews": PREVIEWS}


class ObjectMark:
    """The mark of a room in an object store."""

    def __init__(self, objects: Objects, name: str) -> None:
        self._objects, self._name = objects, name

    def read(self) -> str | None:
        return self._objects.get(self._name, 0, 100).decode() if self._objects.head(self._name) else None

    def write(self, value: str) -> None:
        self._objects.put(self._name, [value.encode()])


@pytest.fixture
def there(make_app: MakeApp, make_settings: Callable[..., Settings]) -> Everything:
    return fill(make_app(trash_days=30), make_settings().data_dir)


@pytest.fixture(params=["disk", "object store"])
def landings(request: pytest.FixtureRequest, tmp_path: Path) -> Landings:
    """A new place of either kind."""
    if request.param == "disk":
        return {name: StoreLanding(DiskStore(tmp_path / "new" / name, room)) for name, room in ROOMS.items()}
    objects: Objects = request.getfixturevalue("objects")
    prefix = request.getfixturevalue("store_address").prefix
    layouts = {name: RoomLayout(prefix, room) for name, room in ROOMS.items()}
    return {
        name: RemoteLanding(objects, layout, ObjectMark(objects, layout.mark_name)) for name, layout in layouts.items()
    }


@pytest.fixture
def begin(there: Everything, tmp_path: Path) -> Iterator[Callable[..., StorageMove]]:
    """A move from where the installation is; each time the journal of the one before."""
    journals: list[MoveJournal] = []

    def make(landings: Landings) -> StorageMove:
        journals.append(MoveJournal(tmp_path / "journal.sqlite3"))
        core = there.services.core
        sources: dict[str, BlobStore] = {
            "blobs": core.store,
            "attachments": core.attachments,
            "archives": core.games,
            "previews": core.previews,
        }
        return StorageMove(core.database, sources=sources, landings=landings, journal=journals[-1])

    yield make
    for journal in journals:
        journal.close()


def lacking(there: Everything, landings: Landings) -> list[str]:
    """What records promise and the new place has not, or has otherwise than the old one."""
    core = there.services.core
    rooms = {"blobs": core.store, "attachments": core.attachments, "archives": core.games, "previews": core.previews}
    found = []
    for batch in promises(core.database):
        for each in batch:
            old = rooms[each.room].open_reader(each.blob_key)
            same = landings[each.room].size(each.blob_key) == each.length and (
                not each.length or landings[each.room].read(each.blob_key, 0, each.length) == old.read(0, each.length)
            )
            old.close()
            found += [] if same else [f"{each.kind} {each.name}"]
    return found


def test_all_that_records_name_is_brought_and_verified(
    there: Everything, landings: Landings, begin: Callable[..., StorageMove]
) -> None:
    move = begin(landings)
    outcome = move.run()
    assert (outcome.is_settled, outcome.faults) == (True, [])
    assert outcome.kept == outcome.brought.count > 15
    assert lacking(there, landings) == []
    mark = there.services.store.mark.read()
    assert {landing.mark.read() for landing in landings.values()} == {f"moving {mark}"}
    move.finish(nobody_writes=True)
    assert {landing.mark.read() for landing in landings.values()} == {mark}


def test_what_was_brought_is_not_brought_again(
    there: Everything, landings: Landings, begin: Callable[..., StorageMove]
) -> None:
    begin(landings).run()
    again = begin(landings).run()
    assert (again.is_settled, again.brought.count) == (True, 0)
    landings["blobs"].delete(uuid.UUID(there.ids["file_id"]).hex)  # by somebody, at the new place
    assert begin(landings).run().brought.count == 1
    assert lacking(there, landings) == []


@pytest.mark.parametrize("batches", [1, 3])
def test_a_move_that_was_killed_goes_on(
    there: Everything, landings: Landings, begin: Callable[..., StorageMove], batches: int
) -> None:
    told: list[int] = []

    def tell(outcome: Outcome) -> None:
        told.append(outcome.brought.count)
        if len(told) == batches:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin(landings).run(tell)
    outcome = begin(landings).run()
    assert 0 < outcome.brought.count + told[-1] == outcome.kept
    assert lacking(there, landings) == []


def test_what_changes_meanwhile_is_carried_over(
    there: Everything, landings: Landings, begin: Callable[..., StorageMove]
) -> None:
    device, done = there.device, list[str]()

    def tell(_outcome: Outcome) -> None:
        if not done:
            done.append(device.store(PHOTO, "came later.bin")["file_id"])
            headers = {"Upload-Offset": str(len(UPLOADED)), "Tus-Resumable": "1.0.0"}
            headers |= {"Content-Type": "application/offset+octet-stream"}
            patch = device.request("PATCH", f"/api/uploads/{there.ids['tus_id']}", headers=headers, data=b"more of it")
            assert patch.status_code == 204
            assert device.delete("/api/files/文件.txt", query_string={"permanent": "true"}).status_code == 200
            device.delete(f"/api/uploads/{there.ids['upload_id']}")

    outcome = begin(landings).run(tell)
    assert outcome.is_settled
    assert lacking(there, landings) == []
    assert landings["blobs"].size(uuid.UUID(there.ids["tus_id"])) == len(UPLOADED) + 10
    assert landings["blobs"].size(uuid.UUID(there.ids["upload_id"])) is None


def test_what_is_damaged_or_missing_is_named_and_the_rest_is_brought(
    there: Everything, landings: Landings, begin: Callable[..., StorageMove]
) -> None:
    store = there.services.store
    ids = [uuid.UUID(there.device.store(PHOTO, name)["file_id"]) for name in ("flipped", "short", "gone")]
    path_of(store, ids[0]).write_bytes(b"A" + PHOTO[1:])
    path_of(store, ids[1]).write_bytes(PHOTO[:-1])
    path_of(store, ids[2]).unlink()
    outcome = begin(landings).run()
    assert outcome.is_settled
    assert {fault.name: fault.problem for fault in outcome.faults} == {
        "flipped": Problem.DAMAGED,
        "short": Problem.DAMAGED,
        "gone": Problem.MISSING,
    }
    assert landings["blobs"].read(ids[0], 0, 9) == b"A" + PHOTO[1:9]  # as it is: somebody may mend it
    assert landings["blobs"].size(ids[1]) == len(PHOTO) - 1


def test_an_archive_that_was_removed_by_hand_is_no_fault(
    there: Everything, landings: Landings, begin: Callable[..., StorageMove]
) -> None:
    path_of(there.services.core.games, "1.zip").unlink()
    outcome = begin(landings).run()
    assert (outcome.is_settled, outcome.faults) == (True, [])


@pytest.mark.usefixtures("there")
def test_another_installations_place_is_not_touched(landings: Landings, begin: Callable[..., StorageMove]) -> None:
    landings["archives"].mark.write(str(uuid.uuid4()))
    with pytest.raises(MoveRefused, match="another installation"):
        begin(landings).run()
    assert landings["blobs"].mark.read() is None


@pytest.mark.usefixtures("there")
def test_a_place_that_holds_something_is_not_touched(landings: Landings, begin: Callable[..., StorageMove]) -> None:
    landings["attachments"].put("0" * 24 + "/a.png", iter([b"somebody's"]), length=10)
    with pytest.raises(MoveRefused, match="has attachments already"):
        begin(landings).run()


@pytest.mark.usefixtures("there")
def test_an_old_place_whose_disk_is_gone_is_not_taken_for_an_empty_one(
    landings: Landings, begin: Callable[..., StorageMove], make_settings: Callable[..., Settings]
) -> None:
    shutil.rmtree(make_settings().data_dir / "blobs")
    with pytest.raises(MoveRefused, match="marks are missing"):
        begin(landings).run()


class Lying(StoreLanding):
    """A place that gives other bytes back than it was given."""

    def read(self, key: Any, start: int, size: int) -> bytes:
        return super().read(key, start, size)[::-1]


def test_a_place_that_loses_bytes_ends_the_move(
    there: Everything, begin: Callable[..., StorageMove], tmp_path: Path
) -> None:
    with there.services.database.write() as session:
        session.execute(update(File).values(updated_at=File.updated_at))
        session.execute(delete(RemoteDownload).where(RemoteDownload.game_data_id == 2))
    lying: Landings = {name: Lying(DiskStore(tmp_path / "new" / name, room)) for name, room in ROOMS.items()}
    with pytest.raises(MoveRefused, match="other bytes back"):
        begin(lying).run()
    assert str(lying["blobs"].mark.read()).startswith("moving ")


def test_large_blobs_go_in_equal_parts_of_which_there_are_not_too_many(objects: Objects, store_address: Any) -> None:
    layout = RoomLayout(store_address.prefix, FILES)
    landing = RemoteLanding(objects, layout, ObjectMark(objects, layout.mark_name))
    data, key = bytes(range(256)) * 4096 * 17 + b"the end", uuid.uuid4()
    blocks = [data[at : at + 700_001] for at in range(0, len(data), 700_001)]
    landing.put(key, iter(blocks), length=len(data))
    assert landing.size(key) == len(data)
    assert landing.read(key, 0, len(data)) == data
    assert [each for batch in objects.multiparts(store_address.prefix) for each in batch] == []
    for length in (1, 8 * 1024**2 * MAX_PARTS, 8 * 1024**2 * MAX_PARTS + 1, 5 * 1024**4):
        assert -(-length // part_bytes(length)) <= MAX_PARTS


def test_a_part_that_was_begun_by_a_killed_move_is_ended(objects: Objects, store_address: Any) -> None:
    layout = RoomLayout(store_address.prefix, FILES)
    landing = RemoteLanding(objects, layout, ObjectMark(objects, layout.mark_name))
    key = uuid.uuid4()
    objects.begin_multipart(layout.own_name(key))
    data = b"x" * (9 * 1024**2)
    landing.put(key, iter([data]), length=len(data))
    assert [each for batch in objects.multiparts(layout.own_prefix) for each in batch] == []


def test_a_blob_that_ends_early_is_no_blob(objects: Objects, store_address: Any) -> None:
    layout = RoomLayout(store_address.prefix, FILES)
    landing = RemoteLanding(objects, layout, ObjectMark(objects, layout.mark_name))
    key = uuid.uuid4()

    def broken() -> Iterator[bytes]:
        yield b"x" * (9 * 1024**2)
        raise OSError

    with pytest.raises(OSError):
        landing.put(key, broken(), length=20 * 1024**2)
    assert landing.size(key) is None
    assert [each for batch in objects.multiparts(layout.own_prefix) for each in batch] == []
