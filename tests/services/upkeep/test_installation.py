"""Which database and which store belong together."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from config import Settings
from tests.conftest import PASSWORD, Clock
from tests.services.conftest import Bench, Body
from tests.stores import listed, path_of
from transfer_service.bootstrap import Services, build_services
from transfer_service.db.schema import upgrade
from transfer_service.errors import InstallationMismatch
from transfer_service.models.upkeep import Installation
from transfer_service.services.uploads.whole_files import Draft
from transfer_service.storage.blob_files import NAME, InstallationMark

FOLDERS = ["blobs", "uploads/chats", "games"]
Open = Callable[..., Services]


@pytest.fixture
def open_installation(make_settings: Callable[..., Settings], clock: Clock, tmp_path: Path) -> Open:
    """The services on a database and a data folder, each by name; whichever is new is empty."""

    def open_them(database: str = "database", data: str = "data", **settings: Any) -> Services:
        url = f"sqlite:///{tmp_path / database}.sqlite3"
        upgrade(url)
        return build_services(make_settings(database_url=url, data_dir=tmp_path / data, **settings), now=clock)

    return open_them


def put(services: Services, *names: str) -> None:
    """Some files of the account `alice`."""
    if not services.accounts.list_accounts():
        services.accounts.create("alice", PASSWORD)
    owner = services.accounts.get("alice").account_id
    for name in names:
        draft = Draft(name=name, media_type="text/plain", length=None, overwrite=False)
        services.whole_files.receive(owner, draft, Body([name.encode()]))


def marks(folder: Path) -> list[str | None]:
    return [InstallationMark(folder / name).read() for name in FOLDERS]


def forget_ids(services: Services, folder: Path) -> None:
    """Make it look as if it were made before there were ids."""
    with services.database.write() as session:
        session.execute(delete(Installation))
    for name in FOLDERS:
        (folder / name / NAME).unlink(missing_ok=True)


def test_a_new_database_and_a_new_store_are_joined(open_installation: Open, tmp_path: Path) -> None:
    services = open_installation()
    services.installation.ensure()
    survey = services.installation.survey()
    assert survey.are_joined
    assert marks(tmp_path / "data") == [survey.database_id] * 3
    services.installation.ensure()
    assert marks(tmp_path / "data") == [survey.database_id] * 3


def test_a_new_database_is_refused_by_a_store_in_use(open_installation: Open, tmp_path: Path) -> None:
    old = open_installation()
    old.installation.ensure()
    put(old, "a", "b")
    before = marks(tmp_path / "data")
    with pytest.raises(InstallationMismatch, match="flask --app wsgi database adopt"):
        open_installation("new").installation.ensure()
    assert marks(tmp_path / "data") == before


def test_another_installations_database_is_refused(open_installation: Open) -> None:
    for database, data in (("one", "one"), ("two", "two")):
        services = open_installation(database, data)
        services.installation.ensure()
        put(services, "a")
    with pytest.raises(InstallationMismatch, match="another installation"):
        open_installation("one", "two").installation.ensure()


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_has_to_be_the_right_one(open_installation: Open, tmp_path: Path, folder: str) -> None:
    services = open_installation()
    services.installation.ensure()
    (tmp_path / "data" / "games" / "7.zip").write_bytes(b"x")
    (tmp_path / "data" / folder / NAME).write_text(str(uuid.uuid4()))
    with pytest.raises(InstallationMismatch):
        services.installation.ensure()


def test_cleanup_touches_nothing_of_a_store_that_is_not_its_own(open_installation: Open, clock: Clock) -> None:
    old = open_installation()
    old.installation.ensure()
    put(old, "a", "b")
    clock.advance(days=30)
    with pytest.raises(InstallationMismatch):
        open_installation("new").cleanup.run(even_many=True)
    assert (len(listed(old.store)), list(old.store.quarantine.items())) == (2, [])


def test_an_empty_folder_where_files_should_be_looks_unmounted(open_installation: Open, tmp_path: Path) -> None:
    services = open_installation(storage_url=f"file:{tmp_path / 'mounted'}")
    services.installation.ensure()
    put(services, "a")
    elsewhere = open_installation(storage_url=f"file:{tmp_path / 'empty'}")
    with pytest.raises(InstallationMismatch, match="is empty"):
        elsewhere.installation.ensure()
    assert InstallationMark(tmp_path / "empty").read() is None


@pytest.mark.parametrize("mark", [None, "that of a new machine, on which a backup was restored"])
def test_archives_need_not_come_from_a_backup(open_installation: Open, tmp_path: Path, mark: str | None) -> None:
    open_installation().installation.ensure()
    (tmp_path / "data" / "games" / NAME).unlink()
    if mark is not None:
        (tmp_path / "data" / "games" / NAME).write_text(mark)
    open_installation().installation.ensure()
    assert len(set(marks(tmp_path / "data"))) == 1


def test_a_folder_without_id_that_holds_something_is_refused(open_installation: Open, tmp_path: Path) -> None:
    services = open_installation()
    services.installation.ensure()
    put(services, "a")
    (tmp_path / "data" / "blobs" / NAME).unlink()
    with pytest.raises(InstallationMismatch, match="holds something"):
        services.installation.ensure()


def test_a_database_that_was_lost_while_nothing_was_stored_begins_anew(open_installation: Open, tmp_path: Path) -> None:
    open_installation().installation.ensure()
    before = marks(tmp_path / "data")
    open_installation("new").installation.ensure()
    assert marks(tmp_path / "data") == before


@pytest.mark.parametrize(
    ("lost", "strangers", "is_joined"),
    [
        pytest.param(0, 0, True, id="whole"),
        pytest.param(2, 2, True, id="some-damage"),
        pytest.param(6, 0, False, id="most-lost"),
        pytest.param(0, 11, False, id="mostly-strangers"),
    ],
)
def test_an_installation_from_before_is_joined_where_the_facts_speak_for_it(
    open_installation: Open, tmp_path: Path, lost: int, strangers: int, is_joined: bool
) -> None:
    services = open_installation()
    put(services, *(f"file {number}" for number in range(10)))
    forget_ids(services, tmp_path / "data")
    for blob in listed(services.store)[:lost]:
        services.store.delete(blob.key)
    for blob_id in (uuid.uuid4() for _ in range(strangers)):
        path_of(services.store, blob_id).write_bytes(b"x")
    if is_joined:
        services.installation.ensure()
    else:
        with pytest.raises(InstallationMismatch, match="the other one does not know"):
            services.installation.ensure()
    assert services.installation.survey().are_joined is is_joined
    assert (marks(tmp_path / "data") != [None] * 3) is is_joined


def test_a_join_that_was_killed_is_completed(open_installation: Open, tmp_path: Path) -> None:
    services = open_installation()
    put(services, "a")
    forget_ids(services, tmp_path / "data")
    with services.database.write() as session:
        session.add(Installation(id=1, installation_id="the id", is_joined=False, created_at=services.cleanup._now()))
    (tmp_path / "data" / "uploads" / "chats" / NAME).write_text("the id\n")
    services.installation.ensure()
    assert (services.installation.survey().are_joined, marks(tmp_path / "data")) == (True, ["the id"] * 3)


def test_adopting_joins_what_did_not_belong_together_and_parts_what_did(open_installation: Open) -> None:
    for name in ("one", "two"):
        services = open_installation(name, name)
        services.installation.ensure()
        put(services, "a")
    mixed = open_installation("one", "two")
    assert mixed.installation.survey().census["the store of files"].lacking == 1
    mixed.installation.adopt()
    mixed.installation.ensure()
    for name in ("one", "two"):
        with pytest.raises(InstallationMismatch):
            open_installation(name, name).installation.ensure()


def test_the_id_is_kept_by_each_database(any_bench: Bench) -> None:
    any_bench.services.installation.ensure()
    any_bench.store(b"abc")
    any_bench.services.installation.ensure()
    assert any_bench.services.installation.survey().are_joined


def test_a_damaged_mark_is_no_mark_of_ours(open_installation: Open, tmp_path: Path) -> None:
    services = open_installation()
    services.installation.ensure()
    (tmp_path / "data" / "blobs" / NAME).write_bytes(b"\xff")
    with pytest.raises(InstallationMismatch):
        services.installation.ensure()
    services.installation.adopt()
    services.installation.ensure()
