"""`flask --app wsgi backup` and `restore`: everything of a full installation, on each kind of database and store."""

import uuid
from pathlib import Path

import pytest

from tests.backups import Place, Places, generation, read, run, state_of
from tests.conftest import SECRET, Device
from tests.everything import ATTACHED, MEMBER, PHOTO, UPLOADED, Everything
from tests.live.server import wait_until
from tests.stores import path_of
from transfer_service.app import begin_serving
from transfer_service.bootstrap import build_compaction
from transfer_service.errors import InstallationMismatch
from transfer_service.key_file import Keys, read_keys
from transfer_service.models.previews import Preview, PreviewState
from transfer_service.storage.disk import DiskStore
from transfer_service.web.context import EXTENSION

pytestmark = pytest.mark.long


def assert_all_is_there(device: Device, ids: dict[str, str]) -> None:
    """Everything can be read, and uploads go on."""
    assert device.get("/readyz").status_code == 200
    assert device.get(f"/api/files/{ids['file_id']}/download").data == PHOTO
    assert device.get(f"/uploads/chats/{ids['message_id']}/a.png").data == ATTACHED
    assert device.get(f"/game-zip/{ids['game_id']}/index.html").data == MEMBER
    wait_until(lambda: device.status("due.bin")["status"] == "complete")  # by whoever looks, or comes first to it
    headers = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
    headers["Upload-Offset"] = str(len(UPLOADED))
    rest = bytes(1000 - len(UPLOADED))
    address = f"/api/uploads/{ids['tus_id']}"
    assert device.request("HEAD", address, headers=headers).headers["Upload-Offset"] == str(len(UPLOADED))
    assert device.request("PATCH", address, headers=headers, data=rest).status_code == 204
    assert device.get(f"/api/files/{ids['tus_id']}/download").data == UPLOADED + rest


WAYS = [
    pytest.param(("sqlite", "disk"), ("sqlite", "disk"), id="same"),
    pytest.param(("sqlite", "disk"), ("postgresql", "s3"), id="grown"),
    pytest.param(("postgresql", "disk"), ("postgresql", "disk"), id="postgresql"),
    pytest.param(("postgresql", "s3"), ("postgresql", "s3"), id="many-machines"),
    pytest.param(("sqlite", "s3"), ("sqlite", "disk"), id="from-the-store"),
]


def carried(places: Places, there: Everything, kind: tuple[str, str]) -> Place:
    """The full installation at a place of a kind, by the moves."""
    core = there.services.core
    place: Place = {"data_dir": core.settings.data_dir, "trash_days": 30}
    wanted = places.new(*kind)
    there.services.recovery.note_flushed()
    there.services.database.dispose()
    if "database_url" in wanted:
        moved = run(there.app, "database", "move", there.services.database.url, wanted["database_url"])
        assert moved.exit_code == 0, moved.output
        place["database_url"] = wanted["database_url"]
    if "storage_url" in wanted:
        source = f"file:{core.settings.data_dir / 'blobs'}"
        moved = run(places.app(place, read_only=True), "storage", "move", source, wanted["storage_url"])
        assert moved.exit_code == 0, moved.output
        place["storage_url"] = wanted["storage_url"]
    return place


@pytest.mark.parametrize(("source", "target"), WAYS)
def test_everything_comes_back(
    places: Places, there: Everything, tmp_path: Path, source: tuple[str, str], target: tuple[str, str]
) -> None:
    here, folder = carried(places, there, source), tmp_path / "backup"
    device = places.serve(here, there)
    in_pieces = device.store(PHOTO * 3, "in pieces.bin")["file_id"]
    made = run(device.client.application, "backup", folder)
    assert made.exit_code == 0, made.output
    assert (folder.stat().st_mode & 0o777, read(folder)["database"]) == (0o700, source[0])
    before = state_of(folder)

    new = places.new(*target)
    restored = run(places.app(new), "restore", folder)
    assert (restored.exit_code, "All is well" in restored.output) == (0, True), restored.output
    assert state_of(folder) == before
    device = places.serve(new, there)
    assert device.get(f"/api/files/{in_pieces}/download").data == PHOTO * 3
    assert_all_is_there(device, there.ids)
    verified = run(device.client.application, "verify")
    assert verified.exit_code == 0, verified.output
    refused = run(places.app(new), "restore", folder)
    assert (refused.exit_code, "here already" in refused.output) == (1, True), refused.output


def test_previews_are_made_again(places: Places, there: Everything, tmp_path: Path) -> None:
    assert run(there.app, "backup", tmp_path / "backup").exit_code == 0
    new = places.new("sqlite", "disk")
    assert run(places.app(new), "restore", tmp_path / "backup").exit_code == 0
    device = places.serve(new, there)
    assert device.get(f"/api/files/{there.ids['file_id']}/thumbnail?size=160").status_code == 503  # not 404
    with device.client.application.extensions[EXTENSION].database.read() as session:
        preview = session.get_one(Preview, uuid.UUID(there.ids["file_id"]).hex)
    assert preview.state is PreviewState.WAITING


def test_the_keys_come_along(places: Places, there: Everything, tmp_path: Path) -> None:
    here = {"data_dir": there.services.core.settings.data_dir, "trash_days": 30}
    assert (
        run(places.app(here, previous_secret_keys=["one-of-before-" * 3]), "backup", tmp_path / "backup").exit_code == 0
    )
    kept = generation(tmp_path / "backup") / "secret_key"
    assert (kept.stat().st_mode & 0o777, read_keys(kept)) == (0o600, Keys(SECRET, previous=("one-of-before-" * 3,)))
    refused = run(
        places.app(places.new("sqlite", "disk"), secret_key="another-one-" * 4), "restore", tmp_path / "backup"
    )
    assert (refused.exit_code, "SECRET_KEY" in refused.output) == (1, True)

    settings = places.settings(places.new("sqlite", "disk"), secret_key=None)
    settings.use_generated_key()  # for an empty folder, and so for nobody
    restored = run(places.app_of(settings), "restore", tmp_path / "backup")
    assert restored.exit_code == 0, restored.output
    assert settings.generated_key is not None
    assert read_keys(settings.generated_key) == read_keys(kept)
    assert run(places.app_of(settings), "backup", tmp_path / "backup").exit_code == 0
    assert read_keys(generation(tmp_path / "backup") / "secret_key") == read_keys(settings.generated_key)


def test_again_only_what_is_new_is_copied(there: Everything, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    (folder / "lost+found").mkdir(parents=True)  # it may be a disk of its own
    assert run(there.app, "backup", folder).exit_code == 0
    before = state_of(folder / "bytes")
    there.device.store(b"new", "new.bin")
    assert there.device.delete("/api/files/day/photo 1.jpg?permanent=true").status_code == 200
    again = run(there.app, "backup", folder)
    assert (again.exit_code, "new in this backup: 1, 3 bytes" in again.output) == (0, True), again.output
    after = state_of(folder / "bytes")
    assert len([name for name in after if name not in before]) == 1
    assert all(after[name] == before[name] for name in before if name in after)
    assert {each.name for each in folder.iterdir() if each.is_dir()} == {"bytes", "lost+found", generation(folder).name}


def test_unfinished_uploads_are_copied_as_far_as_they_count(places: Places, there: Everything, tmp_path: Path) -> None:
    blob = path_of(there.services.store, uuid.UUID(there.ids["tus_id"]))
    with blob.open("ab") as file:  # what has arrived and was not acknowledged
        file.write(b"more that nobody knows of")
    assert run(there.app, "backup", tmp_path / "backup").exit_code == 0
    new = places.new("sqlite", "disk")
    assert run(places.app(new), "restore", tmp_path / "backup").exit_code == 0
    store = DiskStore(new["data_dir"] / "blobs", there.services.store._room)  # type: ignore[attr-defined]
    assert path_of(store, uuid.UUID(there.ids["tus_id"])).read_bytes() == UPLOADED


def test_what_is_damaged_is_named_and_kept_as_it_is(places: Places, there: Everything, tmp_path: Path) -> None:
    lost, damaged = there.device.store(b"lost", "lost.bin"), there.device.store(b"damaged", "damaged.bin")
    path_of(there.services.store, uuid.UUID(lost["file_id"])).unlink()
    path_of(there.services.store, uuid.UUID(damaged["file_id"])).write_bytes(b"dAmaged")
    made = run(there.app, "backup", tmp_path / "backup")
    assert made.exit_code == 1
    assert "missing: file lost.bin" in made.output
    assert "damaged: file damaged.bin" in made.output
    new = places.new("sqlite", "disk")
    restored = run(places.app(new), "restore", tmp_path / "backup")
    assert (restored.exit_code, "2 damaged or missing" in restored.output) == (1, True), restored.output
    assert_all_is_there(places.serve(new, there), there.ids)


def test_what_was_damaged_since_comes_back_right(places: Places, there: Everything, tmp_path: Path) -> None:
    stored = there.device.store(b"right", "right.bin")
    assert run(there.app, "backup", tmp_path / "backup").exit_code == 0
    path_of(there.services.store, uuid.UUID(stored["file_id"])).write_bytes(b"wrong")
    assert run(there.app, "backup", tmp_path / "backup").exit_code == 0
    new = places.new("sqlite", "disk")
    assert run(places.app(new), "restore", tmp_path / "backup").exit_code == 0
    assert places.serve(new, there).get(f"/api/files/{stored['file_id']}/download").data == b"right"


def test_a_damaged_backup_is_told(places: Places, there: Everything, tmp_path: Path) -> None:
    assert run(there.app, "backup", tmp_path / "backup").exit_code == 0
    first, second = sorted((tmp_path / "backup" / "bytes").glob("*/*"))[:2]
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1] + b"?")
    restored = run(places.app(places.new("sqlite", "disk")), "restore", tmp_path / "backup")
    assert restored.exit_code == 1
    assert ("missing: " in restored.output, "damaged: " in restored.output) == (True, True), restored.output


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        pytest.param("data/backup", "lie in each other", id="in-the-data-folder"),
        pytest.param(".", "lie in each other", id="around-the-data-folder"),
        pytest.param("other", "is not empty", id="not-ours"),
    ],
)
def test_a_folder_that_is_no_place_for_a_backup_is_refused(
    there: Everything, tmp_path: Path, folder: str, said: str
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine").write_text("mine")
    before = state_of(tmp_path / "other")
    refused = run(there.app, "backup", tmp_path / folder)
    assert (refused.exit_code, said in refused.output) == (1, True), refused.output
    assert state_of(tmp_path / "other") == before
    assert run(there.app, "restore", tmp_path / "other").exit_code == 1


def test_the_backup_of_another_installation_is_left_alone(places: Places, there: Everything, tmp_path: Path) -> None:
    assert run(there.app, "backup", tmp_path / "backup").exit_code == 0
    before = state_of(tmp_path / "backup")
    app = places.app(places.new("sqlite", "disk"))
    assert run(app, "database", "upgrade").exit_code == 0
    refused = run(app, "backup", tmp_path / "backup")
    assert (refused.exit_code, "another installation" in refused.output) == (1, True), refused.output
    assert {name: facts for name, facts in state_of(tmp_path / "backup").items() if name in before} == before


def test_a_place_that_is_not_empty_is_refused(places: Places, there: Everything, tmp_path: Path) -> None:
    assert run(there.app, "backup", tmp_path / "backup").exit_code == 0
    new = places.new("sqlite", "disk")
    app = places.app(new)
    assert run(app, "database", "upgrade").exit_code == 0
    app.extensions[EXTENSION].accounts.create("somebody", "a password of somebody")
    app.extensions[EXTENSION].database.dispose()
    refused = run(places.app(new), "restore", tmp_path / "backup")
    assert (refused.exit_code, "table accounts" in refused.output) == (1, True), refused.output

    another = places.new("sqlite", "disk")
    blob = another["data_dir"] / "blobs" / "00" / f"{uuid.UUID(int=1).hex}"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"somebody's")
    refused = run(places.app(another), "restore", tmp_path / "backup")
    assert (refused.exit_code, "not empty" in refused.output) == (1, True), refused.output
    assert blob.read_bytes() == b"somebody's"


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_place_that_was_only_migrated_is_empty(
    places: Places, there: Everything, tmp_path: Path, database: str
) -> None:
    here = carried(places, there, (database, "disk"))
    assert run(places.app(here), "backup", tmp_path / "backup").exit_code == 0
    new = places.new(database, "disk")
    assert run(places.app(new), "database", "upgrade").exit_code == 0
    restored = run(places.app(new), "restore", tmp_path / "backup")
    assert restored.exit_code == 0, restored.output
    assert_all_is_there(places.serve(new, there), there.ids)


def test_without_bytes_a_restore_needs_the_store(places: Places, there: Everything, tmp_path: Path) -> None:
    here = carried(places, there, ("sqlite", "s3"))
    device = places.serve(here, there)
    in_pieces = device.store(PHOTO * 250, "in pieces.bin")["file_id"]
    made = run(device.client.application, "backup", tmp_path / "backup", "--without-bytes")
    assert made.exit_code == 0, made.output
    assert not (tmp_path / "backup" / "bytes").exists()
    compact = build_compaction(device.client.application.extensions[EXTENSION].core)
    assert compact is not None
    assert compact() > 0  # one object by now, which the rows of the backup do not know
    elsewhere = places.new("sqlite", "s3")
    refused = run(places.app(elsewhere), "restore", tmp_path / "backup")
    assert refused.exit_code == 1, refused.output
    new = places.new("sqlite", "disk") | {"storage_url": here["storage_url"]}
    restored = run(places.app(new), "restore", tmp_path / "backup")
    assert (restored.exit_code, "All is well" in restored.output) == (0, True), restored.output
    device = places.serve(new, there)
    assert device.get(f"/api/files/{in_pieces}/download").data == PHOTO * 250
    assert_all_is_there(device, there.ids)


def test_in_read_only_mode_a_backup_is_made(places: Places, there: Everything, tmp_path: Path) -> None:
    here = carried(places, there, ("sqlite", "disk"))
    made = run(places.app(here, read_only=True), "backup", tmp_path / "backup")
    assert made.exit_code == 0, made.output
    refused = run(places.app(places.new("sqlite", "disk"), read_only=True), "restore", tmp_path / "backup")
    assert refused.exit_code == 1


def test_no_service_begins_where_a_restore_has_not_ended(
    places: Places, there: Everything, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transfer_service.services.upkeep.restore import Restore

    assert run(there.app, "backup", tmp_path / "backup").exit_code == 0
    new = places.new("sqlite", "disk")
    with monkeypatch.context() as patch:
        patch.setattr(Restore, "_settle_batch", _killed)
        assert run(places.app(new), "restore", tmp_path / "backup").exit_code != 0
    refused = run(places.app(new), "database", "upgrade")  # as a unit of systemd does before the service
    assert (refused.exit_code, "call `restore` again" in refused.output) == (1, True), refused.output
    with monkeypatch.context() as patch:
        patch.setattr("transfer_service.cli.backup._keep_keys", _killed)
        assert run(places.app(new), "restore", tmp_path / "backup").exit_code != 0
    with pytest.raises(InstallationMismatch, match="restore"):
        begin_serving(places.app(new))
    restored = run(places.app(new), "restore", tmp_path / "backup")
    assert restored.exit_code == 0, restored.output
    assert_all_is_there(places.serve(new, there), there.ids)


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
