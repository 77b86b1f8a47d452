"""The command line: `flask --app wsgi cleanup | database | verify`."""

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import delete

from config import Settings
from tests.conftest import Clock, Device
from tests.stores import listed, path_of
from transfer_service.app import create_app
from transfer_service.bootstrap import Services
from transfer_service.models.files import File
from transfer_service.storage.blob_files import NAME
from transfer_service.web.context import EXTENSION


def run(app: Flask, *arguments: str, stdin: str = "") -> Result:
    return app.test_cli_runner().invoke(args=arguments, input=stdin)


def orphan(services: Services, device: Device, clock: Clock, count: int, *, of: int = 20) -> None:
    """So many files of which `count` have lost their rows, two hours ago."""
    ids = [uuid.UUID(device.store(b"abc", f"file {number}")["file_id"]) for number in range(of)]
    with services.database.write() as session:
        session.execute(delete(File).where(File.id.in_(ids[:count])))
    clock.advance(hours=2)


def test_cleanup_leaves_many_orphans_and_says_so(app: Flask, services: Services, device: Device, clock: Clock) -> None:
    orphan(services, device, clock, 3)
    result = run(app, "cleanup", "--json")
    assert result.exit_code == 1
    report = json.loads(result.output)
    assert (report["left"]["count"], "--yes-remove-many" in report["message"]) == (3, True)
    assert len(listed(services.store)) == 20


def test_cleanup_takes_many_orphans_where_it_is_told_to(
    app: Flask, services: Services, device: Device, clock: Clock
) -> None:
    orphan(services, device, clock, 3)
    result = run(app, "cleanup", "--yes-remove-many")
    assert (result.exit_code, "orphaned blobs: removed 3, " in result.output) == (0, True)
    assert "quarantine: holds 3, " in result.output
    assert run(app, "cleanup").exit_code == 0


def test_a_dry_run_says_beforehand_that_they_are_many(
    app: Flask, services: Services, device: Device, clock: Clock
) -> None:
    orphan(services, device, clock, 3)
    dry = run(app, "cleanup", "--dry-run")
    assert (dry.exit_code, "--yes-remove-many" in dry.stderr) == (1, True)
    result = run(app, "cleanup", "--dry-run", "--yes-remove-many")
    assert (result.exit_code, "orphaned blobs: would remove 3, " in result.output) == (0, True)
    assert len(listed(services.store)) == 20


def test_an_administrator_hears_of_many_orphans_too(
    services: Services, device: Device, admin: Device, clock: Clock
) -> None:
    orphan(services, device, clock, 3)
    answer = admin.post("/cleanup").get_json()
    assert answer["message"].startswith("Cleanup completed, but 3 orphaned files (")
    assert (answer["left"]["count"], answer["removed"]["orphaned_blobs"]["count"]) == (3, 0)


@pytest.fixture
def strangers(device: Device, make_settings: Callable[..., Settings], tmp_path: Path, clock: Clock) -> Iterator[Flask]:
    """A new database beside the store of `app`, in which there is a file."""
    device.store(b"abc")
    new = create_app(make_settings(database_url=f"sqlite:///{tmp_path / 'new.sqlite3'}"), now=clock)
    yield new
    new.extensions[EXTENSION].database.dispose()


def test_an_upgrade_refuses_what_does_not_belong_together(strangers: Flask) -> None:
    result = run(strangers, "database", "upgrade")
    assert result.exit_code == 1
    assert result.output.startswith("Error: The database and the store do not belong together: ")
    assert "flask --app wsgi database adopt" in result.output


def test_cleanup_refuses_what_does_not_belong_together(strangers: Flask, device: Device, clock: Clock) -> None:
    run(strangers, "database", "upgrade")
    clock.advance(days=1)
    result = run(strangers, "cleanup", "--yes-remove-many")
    assert (result.exit_code, "do not belong together" in result.output) == (1, True)
    assert device.get("/api/files/download/log.bin").data == b"abc"


@pytest.mark.parametrize(("arguments", "answer", "is_joined"), [
    pytest.param([], "n\n", False, id="no"),
    pytest.param([], "", False, id="no-answer"),
    pytest.param([], "y\n", True, id="yes"),
    pytest.param(["--yes"], "", True, id="not-asked"),
])  # fmt: skip
def test_adopting_tells_what_each_lacks_and_asks(
    strangers: Flask, arguments: list[str], answer: str, is_joined: bool
) -> None:
    run(strangers, "database", "upgrade")
    result = run(strangers, "database", "adopt", *arguments, stdin=answer)
    assert "The database belongs to no installation\n" in result.output
    assert "  there are 1, of which 1 are unknown to the database\n" in result.output
    assert (result.exit_code == 0, run(strangers, "database", "upgrade").exit_code == 0) == (is_joined, is_joined)


def test_what_belongs_together_is_not_joined_again(app: Flask, device: Device, tmp_path: Path) -> None:
    device.store(b"abc")
    before = (tmp_path / "data" / "blobs" / NAME).read_text()
    result = run(app, "database", "adopt", "--yes")
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "They belong together already")
    assert (tmp_path / "data" / "blobs" / NAME).read_text() == before


def harm(services: Services, file_id: str, *, missing: bool) -> None:
    path: Path = path_of(services.store, uuid.UUID(file_id))
    path.unlink()
    if not missing:
        path.write_bytes(b"xyz")


def test_verify_says_that_all_is_well(app: Flask, device: Device) -> None:
    device.store(b"abc")
    result = run(app, "verify")
    assert (result.exit_code, result.output.splitlines()[0]) == (0, "files: 1 checked, 3 bytes read")
    assert result.output.splitlines()[-1] == "All is well"


def test_verify_names_what_is_damaged_or_missing(app: Flask, services: Services, device: Device) -> None:
    damaged, missing = (device.store(b"abc", name)["file_id"] for name in ("damaged.bin", "missing.bin"))
    device.store(b"sound", "sound.bin")
    harm(services, damaged, missing=False)
    harm(services, missing, missing=True)
    result = run(app, "verify")
    assert result.exit_code == 1
    assert {
        f"damaged: file damaged.bin ({damaged}) of alice",
        f"missing: file missing.bin ({missing}) of alice",
    } <= set(result.output.splitlines())
    assert "sound.bin" not in result.output


def test_verify_reports_as_json(app: Flask, services: Services, device: Device) -> None:
    damaged = device.store(b"abc", "damaged.bin")["file_id"]
    harm(services, damaged, missing=False)
    result = run(app, "verify", "--json")
    report = json.loads(result.output)
    fault = {"kind": "file", "problem": "damaged", "account": "alice", "name": "damaged.bin", "id": damaged}
    assert (result.exit_code, report["faults"]) == (1, [fault])
    assert report["checked"]["file"] == {"count": 1, "bytes": 3}


def test_verify_brings_back_what_has_its_row_again(
    app: Flask, services: Services, device: Device, clock: Clock
) -> None:
    orphan(services, device, clock, 0)
    blob_id = uuid.UUID(device.status("file 0")["file_id"])
    services.store.quarantine.put(blob_id.hex, now=clock())
    assert device.get("/api/files/download/file 0").status_code == 404
    result = run(app, "verify")
    assert (result.exit_code, "1 came back from the quarantine" in result.output) == (0, True)
    assert device.get("/api/files/download/file 0").data == b"abc"
