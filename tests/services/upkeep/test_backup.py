"""What a backup holds of an installation that changes meanwhile, and what a kill or a full disk leaves of it."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import small_disk
from tests.backups import Places, generation, run, state_of
from tests.conftest import frame
from tests.everything import ATTACHED, Everything
from transfer_service.bootstrap import build_compaction
from transfer_service.services.upkeep.backup import Backup
from transfer_service.storage.backup_folder import BackupFolder
from transfer_service.web.context import EXTENSION

REPOSITORY = Path(__file__).parents[3]
CONTENT = b"deleted while a backup was under way " * 9000
FAR = 40 * 1024**2
Change = Callable[[], object]


def before_copying(monkeypatch: pytest.MonkeyPatch, change: Change) -> None:
    """Let something happen between the copy of the database and that of the bytes."""
    copy = Backup._copy

    def changing(self: Backup, *arguments: Any) -> None:
        change()
        copy(self, *arguments)

    monkeypatch.setattr(Backup, "_copy", changing)


def test_what_is_deleted_meanwhile_is_in_it(
    there: Everything, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, data_dir = there.device, there.services.core.settings.data_dir
    stored = device.store(CONTENT, "deleted.bin")

    def delete_much() -> None:
        assert device.delete("/api/files/deleted.bin?permanent=true").status_code == 200
        assert device.delete(f"/messages/{there.ids['message_id']}").status_code == 200
        assert device.request("DELETE", f"/api/uploads/{there.ids['tus_id']}", headers=TUS).status_code == 204
        assert device.delete("/api/trash").status_code == 204
        assert run(there.app, "cleanup").exit_code == 0  # nor does a cleanup take them
        assert list((data_dir / "blobs" / ".deleted").iterdir()) != []

    before_copying(monkeypatch, delete_much)
    made = run(there.app, "backup", tmp_path / "backup")
    assert made.exit_code == 0, made.output
    assert [path.name for room in ("blobs", "uploads/chats") for path in (data_dir / room / ".deleted").iterdir()] == [
        ".lock", ".lock"
    ]  # fmt: skip
    restored = places.new("sqlite", "disk")
    came_back = run(places.app(restored), "restore", tmp_path / "backup")
    assert came_back.exit_code == 0, came_back.output
    again = places.serve(restored, there)
    assert again.get(f"/api/files/{stored['file_id']}/download").data == CONTENT
    assert again.get(f"/uploads/chats/{there.ids['message_id']}/a.png").data == ATTACHED
    assert again.request("HEAD", f"/api/uploads/{there.ids['tus_id']}", headers=TUS).status_code == 200


TUS = {"Tus-Resumable": "1.0.0"}


def test_in_an_object_store_what_is_deleted_or_made_one_meanwhile_is_in_it(
    places: Places, there: Everything, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = remote_place(places, there)
    device = places.serve(place, there)
    services = device.client.application.extensions[EXTENSION]
    large = CONTENT * 30  # of several pieces
    gone, both = (device.store(large, f"{name}.bin")["file_id"] for name in ("gone", "both"))
    for start, data in ((0, b"the start"), (FAR, b"the end")):
        assert device.send(frame(start, data), "far.bin", query={"total_size": FAR + 7}).status_code == 200
    compact = build_compaction(services.core)
    assert compact is not None
    objects = services.store.backing.objects

    def change() -> None:
        assert device.delete("/api/files/gone.bin?permanent=true").status_code == 200
        assert compact() > 0
        assert device.delete("/api/files/both.bin?permanent=true").status_code == 200
        assert run(device.client.application, "cleanup", "--yes-remove-many").exit_code == 0

    before_copying(monkeypatch, change)
    made = run(device.client.application, "backup", tmp_path / "backup")
    assert made.exit_code == 0, made.output
    restored = places.new("sqlite", "disk")
    came_back = run(places.app(restored), "restore", tmp_path / "backup")
    assert came_back.exit_code == 0, came_back.output
    again = places.serve(restored, there)
    for each in (gone, both):
        assert again.get(f"/api/files/{each}/download").data == large
    assert again.status("far.bin")["bytes_received"] == len(b"the start") + 7
    assert run(device.client.application, "cleanup", "--yes-remove-many").exit_code == 0  # now they go
    left = [facts.name for page in objects.list(services.store.backing.layout.own_prefix[:-6]) for facts in page]
    assert [name for name in left if uuid.UUID(gone).hex in name or uuid.UUID(both).hex in name] == []


def remote_place(places: Places, there: Everything) -> dict[str, Any]:
    """The full installation, with its bytes in an object store."""
    data_dir = there.services.core.settings.data_dir
    url = places.new("sqlite", "s3")["storage_url"]
    there.services.recovery.note_flushed()
    moved = run(there.app, "storage", "move", f"file:{data_dir / 'blobs'}", url)
    assert moved.exit_code == 0, moved.output
    there.services.database.dispose()
    return {"data_dir": data_dir, "trash_days": 30, "storage_url": url}


@pytest.mark.parametrize(
    "place",
    [
        pytest.param((BackupFolder, "begin"), id="at-the-start"),
        pytest.param((Backup, "_copy"), id="before-the-bytes"),
        pytest.param((BackupFolder, "settle"), id="in-the-bytes"),
        pytest.param((Backup, "_write_facts"), id="behind-the-bytes"),
        pytest.param((BackupFolder, "publish"), id="before-it-counts"),
        pytest.param((BackupFolder, "prune"), id="after-it-counts"),
    ],
)
def test_a_backup_that_was_killed_leaves_the_one_before(
    there: Everything, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[type, str]
) -> None:
    folder = tmp_path / "backup"
    assert run(there.app, "backup", folder).exit_code == 0
    before, first = state_of(folder), generation(folder)
    new = there.device.store(CONTENT, "new.bin")
    with monkeypatch.context() as patch:
        patch.setattr(*place, killed)
        assert run(there.app, "backup", folder).exit_code != 0
    if place[1] != "prune":
        assert generation(folder) == first
        assert {name: facts for name, facts in state_of(folder).items() if name in before} == before
    restored = places.new("sqlite", "disk")
    assert run(places.app(restored), "restore", folder).exit_code == 0
    assert run(there.app, "backup", folder).exit_code == 0
    assert sorted(each.name for each in folder.iterdir()) == sorted(
        [".transfer-backup", "bytes", "current", generation(folder).name]
    )
    again = places.new("sqlite", "disk")
    assert run(places.app(again), "restore", folder).exit_code == 0
    assert places.serve(again, there).get(f"/api/files/{new['file_id']}/download").data == CONTENT


def killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_what_a_killed_backup_had_kept_goes_with_the_cleanup(there: Everything) -> None:
    data_dir = there.services.core.settings.data_dir
    stored = there.device.store(CONTENT, "deleted.bin")
    environment = {**os.environ, "TRANSFER_DATA_DIR": str(data_dir)}
    keeper = subprocess.Popen(
        [sys.executable, "-c", KEEPER], env=environment, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert keeper.stdout is not None
    assert keeper.stdout.readline() == "kept\n"
    assert there.device.delete("/api/files/deleted.bin?permanent=true").status_code == 200
    kept = data_dir / "blobs" / ".deleted" / uuid.UUID(stored["file_id"]).hex
    assert kept.read_bytes() == CONTENT
    assert run(there.app, "cleanup").exit_code == 0
    assert kept.exists()
    keeper.send_signal(signal.SIGKILL)
    keeper.communicate()
    assert run(there.app, "cleanup").exit_code == 0
    assert not kept.exists()


KEEPER = """
import time
from transfer_service.bootstrap import build_folders
from transfer_service.config import Settings
with build_folders(Settings())[0].deleted.keep():
    print("kept", flush=True)
    time.sleep(600)
"""


def test_a_full_disk_is_told_and_leaves_the_one_before(there: Everything, tmp_path: Path) -> None:
    with small_disk.mounted(tmp_path / "small", 12 * 1024**2) as disk:
        folder = disk / "backup"
        assert run(there.app, "backup", folder).exit_code == 0
        first = generation(folder)
        there.device.store(os.urandom(13 * 1024**2), "large.bin")
        refused = run(there.app, "backup", folder)
        assert (refused.exit_code, "There is no room left" in refused.output) == (1, True), refused.output
        assert "the backup that was there is as it was" in refused.output
        assert generation(folder) == first
        assert not list((folder / "incoming").glob("*"))
        small_disk.fill(disk)
        refused = run(there.app, "backup", folder)
        assert (refused.exit_code, "There is no room left" in refused.output) == (1, True), refused.output
        (disk / "filler").unlink()
        assert there.device.delete("/api/files/large.bin?permanent=true").status_code == 200
        assert run(there.app, "backup", folder).exit_code == 0


def test_two_backups_into_one_folder_at_once_are_refused(there: Everything, tmp_path: Path) -> None:
    with BackupFolder(tmp_path / "backup").writing():
        refused = run(there.app, "backup", tmp_path / "backup")
    assert (refused.exit_code, "under way" in refused.output) == (1, True), refused.output


def test_unchanged_unfinished_uploads_are_not_copied_again(there: Everything, tmp_path: Path) -> None:
    assert run(there.app, "backup", tmp_path / "backup").exit_code == 0
    again = run(there.app, "backup", tmp_path / "backup")
    assert "new in this backup: 0, 0 bytes" in again.output, again.output


def test_holes_of_unfinished_uploads_take_no_room(there: Everything, tmp_path: Path) -> None:
    """The last chunk of a file came first."""
    far = 1024**3
    sent = there.device.send(frame(far, b"the end"), "far.bin", query={"total_size": far + 7})
    assert sent.status_code == 200, sent.text
    assert run(there.app, "backup", tmp_path / "backup").exit_code == 0
    largest = max((tmp_path / "backup" / "bytes").glob("*/*"), key=lambda path: path.stat().st_size)
    assert (largest.stat().st_size, largest.stat().st_blocks * 512 < 1024**2) == (far + 7, True)


def test_a_missing_pg_dump_is_told(places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transfer_service.db import postgres_programs

    place = places.new("postgresql", "disk")
    app = places.app(place)
    assert run(app, "database", "upgrade").exit_code == 0
    with monkeypatch.context() as patch:
        patch.setattr(postgres_programs, "_newest", lambda _name: None)
        refused = run(app, "backup", tmp_path / "backup")
        assert (refused.exit_code, "pg_dump is not installed" in refused.output) == (1, True), refused.output
        patch.setattr(postgres_programs, "_newest", lambda name: (name, 9))
        refused = run(app, "backup", tmp_path / "backup")
        assert (refused.exit_code, "pg_dump is of version 9" in refused.output) == (1, True), refused.output
    assert run(app, "backup", tmp_path / "backup").exit_code == 0
    refused = run(places.app(places.new("sqlite", "disk")), "restore", tmp_path / "backup")
    assert (refused.exit_code, "SQLite cannot read" in refused.output) == (1, True), refused.output
