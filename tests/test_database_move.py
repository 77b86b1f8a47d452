"""`flask --app wsgi database move`: everything of a full installation, both ways, killed anywhere."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import create_engine, func, insert, select, text, update

from config import Settings
from tests.conftest import SECRET, Clock, Device
from tests.everything import LETTER, PHOTO, Everything, fill, tables
from tests.live.server import wait_until
from transfer_service.app import create_app
from transfer_service.db.move_ends import Source, Target
from transfer_service.db.moving import Moved, move_database
from transfer_service.db.schema import upgrade
from transfer_service.db.table_digests import TableDigest, digest_of
from transfer_service.errors import MoveRefused
from transfer_service.models.accounts import Account
from transfer_service.models.chat import Message
from transfer_service.models.events import Activity
from transfer_service.models.games import RemoteDownload
from transfer_service.models.upkeep import Installation
from transfer_service.web.context import EXTENSION

pytestmark = pytest.mark.long

REPOSITORY = Path(__file__).parents[1]
WAYS = [("sqlite", "postgresql"), ("postgresql", "sqlite"), ("postgresql", "postgresql")]


@dataclass
class Full:
    """A full installation whose service has stopped: its data folder, and its database in a file to be copied."""

    there: Everything
    data_dir: Path

    @property
    def file(self) -> Path:
        """The database."""
        return self.data_dir / "transfer.sqlite3"


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, prepared_database: Path) -> Full:
    """Made once; tests take copies."""
    data_dir = tmp_path_factory.mktemp("full") / "data"
    data_dir.mkdir()
    shutil.copyfile(prepared_database, data_dir / "transfer.sqlite3")
    settings = Settings(data_dir=data_dir, secret_key=SecretStr(SECRET), trash_days=30)
    app = create_app(settings, now=Clock())
    app.testing = True
    there = fill(app, data_dir)
    there.services.database.dispose()
    return Full(there, data_dir)


class Databases:
    """Makes databases of either kind: new ones, migrated ones, and full ones."""

    def __init__(self, folder: Path, server: str, full: Full) -> None:
        self._folder, self._server, self._full = folder, server, full
        self._number = 0
        self._templates: dict[str, str] = {}

    def new(self, kind: str, *, template: str = "template1") -> str:
        """The URL of an empty one, or of a copy."""
        self._number += 1
        if kind == "sqlite":
            return f"sqlite:///{self._folder}/{self._number}.sqlite3"
        name = f"move_{self._number}"
        with psycopg.connect(f"{self._server}/postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return f"{self._server.replace('postgresql:', 'postgresql+psycopg:')}/{name}"

    def migrated(self, kind: str) -> str:
        """The URL of one as `database upgrade` makes it."""
        if kind not in self._templates:
            self._templates[kind] = url = self.new(kind)
            upgrade(url)
        return self._copy(kind, self._templates[kind])

    def full(self, kind: str) -> str:
        """The URL of a full one."""
        source = f"sqlite:///{self._full.file}"
        if kind == "sqlite":
            return self._copy(kind, source)
        if "full" not in self._templates:
            self._templates["full"] = url = self.migrated(kind)
            move_database(source, url)
        return self._copy(kind, self._templates["full"])

    def _copy(self, kind: str, url: str) -> str:
        if kind == "postgresql":
            return self.new(kind, template=url.rpartition("/")[2])
        copied = self.new(kind)
        shutil.copyfile(url.removeprefix("sqlite:///"), copied.removeprefix("sqlite:///"))
        return copied


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory, postgres_server: str, full: Full) -> Databases:
    return Databases(tmp_path_factory.mktemp("databases"), postgres_server, full)


def digests(url: str) -> dict[str, TableDigest]:
    """What each table holds."""
    end = Target(url)
    with end.engine.begin() as rows:
        found = {table.name: digest_of(rows, table) for table in tables()}
    end.engine.dispose()
    return found


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way[0]}-{way[1]}")
def test_every_row_of_every_table_goes_along(way: tuple[str, str], databases: Databases) -> None:
    source, target = databases.full(way[0]), databases.new(way[1])
    before = digests(source)
    assert [name for name, digest in before.items() if not digest.rows] == []
    heard: list[Moved] = []
    moved = move_database(source, target, tell=heard.append, batch_rows=2)
    assert digests(source) == before
    assert digests(target) == before
    if way[1] == "sqlite":  # a web server may be in the group
        assert Path(target.removeprefix("sqlite:///")).stat().st_mode & 0o777 == 0o600
    assert {each.table: each.rows for each in moved} == {name: digest.rows for name, digest in before.items()}
    assert {each.table: each.rows for each in heard} == {each.table: each.rows for each in moved}


@pytest.mark.parametrize("way", WAYS[:2], ids=lambda way: f"{way[0]}-{way[1]}")
def test_the_service_goes_on_at_the_new_place(
    way: tuple[str, str], databases: Databases, full: Full, make_settings: Callable[..., Settings], clock: Clock
) -> None:
    source, target = databases.full(way[0]), databases.new(way[1])
    there = full.there
    move_database(source, target, batch_rows=3)
    settings = make_settings(database_url=target, trash_days=30)
    shutil.copytree(full.data_dir, settings.data_dir)
    app = create_app(settings, now=clock)
    app.testing = True
    device = Device(app.test_client(use_cookies=False), there.device.headers)
    assert device.get("/readyz").status_code == 200  # the store takes the database for its own
    assert device.get(f"/api/files/{there.ids['file_id']}/download").data == PHOTO
    assert device.get("/download/文件.txt").data == LETTER
    wait_until(lambda: device.status("due.bin")["status"] == "complete")  # by whoever looks, or comes first to it
    assert device.post(f"/api/trash/{there.ids['trashed_id']}/restore").status_code == 200
    assert device.store(b"new", "day/new.bin")["status"] == "complete"
    said = device.post("/messages", json={"conversation_id": there.ids["conversation_id"], "content": "still here"})
    assert said.status_code == 200
    assert device.delete("/api/folders/day", query_string={"recursive": "true"}).status_code == 204
    assert app.test_cli_runner().invoke(args=["verify"]).exit_code == 0
    clock.advance(hours=2)
    assert device.get("/api/downloads").get_json()["success"]  # ends the abandoned job: an activity with the next id


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way[0]}-{way[1]}")
def test_numbers_go_on_behind_those_that_were_given(way: tuple[str, str], databases: Databases) -> None:
    source, target = databases.full(way[0]), databases.migrated(way[1])
    highest: dict[Any, int] = {}
    engine = create_engine(source)
    with engine.begin() as rows:
        for model in (Activity, RemoteDownload):
            highest[model] = rows.execute(select(func.max(model.id))).scalar_one()
    engine.dispose()
    move_database(source, target)
    engine = create_engine(target)
    with engine.begin() as rows:
        for model, number in highest.items():
            copied = rows.execute(select(model.__table__).order_by(model.id.desc()).limit(1)).one()._asdict()
            copied |= {} if model is Activity else {"slot": None, "active_game_id": None}
            del copied["id"]
            given = rows.execute(insert(model).values(copied).returning(model.id)).scalar_one()
            assert given == number + 1
    engine.dispose()


@pytest.mark.parametrize("way", WAYS[:2], ids=lambda way: f"{way[0]}-{way[1]}")
@pytest.mark.parametrize("killed_after", [1, 8, 35])
def test_a_move_that_was_killed_goes_on(way: tuple[str, str], killed_after: int, databases: Databases) -> None:
    source, target = databases.full(way[0]), databases.migrated(way[1])
    heard: list[Moved] = []

    def tell(moved: Moved) -> None:
        heard.append(moved)
        if len(heard) == killed_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move_database(source, target, tell=tell, batch_rows=2)
    again: list[Moved] = []
    move_database(source, target, tell=again.append, batch_rows=2)
    assert digests(target) == digests(source)
    assert not {(each.table, each.rows) for each in heard} & {(each.table, each.rows) for each in again}


def test_a_command_that_is_killed_at_any_moment_goes_on(databases: Databases) -> None:
    source, target = databases.full("sqlite"), databases.migrated("postgresql")
    move = f"from transfer_service.db.moving import *; move_database({source!r}, {target!r}, batch_rows=1)"
    took = 0.7
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", move], cwd=REPOSITORY)
        try:
            process.wait(took)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        took += 0.3
    if digests(target) != digests(source):
        subprocess.run([sys.executable, "-c", move], cwd=REPOSITORY, check=True)
    assert digests(target) == digests(source)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_no_service_begins_on_what_is_not_whole(
    kind: str, databases: Databases, make_settings: Any, clock: Clock
) -> None:
    source, target = databases.full("sqlite"), databases.migrated(kind)
    with pytest.raises(KeyboardInterrupt):
        move_database(source, target, tell=_interrupt, batch_rows=2)
    app = create_app(make_settings(database_url=target), now=clock)
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, "database move" in answer.get_json()["detail"]) == (503, True)
    app.extensions[EXTENSION].database.dispose()


def _interrupt(_moved: Moved) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_source_that_changes_meanwhile_is_noticed_and_then_moved_whole(kind: str, databases: Databases) -> None:
    source, target = databases.full(kind), databases.migrated("sqlite")
    changes = iter([update(Account).values(used_bytes=Account.used_bytes + 1)])

    def tell(moved: Moved) -> None:
        change = next(changes, None) if moved.table == "upload_parts" else None
        if change is not None:
            engine = create_engine(source)
            with engine.begin() as rows:
                rows.execute(change)
            engine.dispose()

    with pytest.raises(MoveRefused, match="in accounts: stop the service"):
        move_database(source, target, tell=tell)
    move_database(source, target)
    assert digests(target) == digests(source)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nobody_writes_while_it_is_compared(kind: str, databases: Databases) -> None:
    url = databases.full(kind)
    with Source(url) as source, source.locked() as rows:
        assert digest_of(rows, Account.__table__).rows == 5
        engine = create_engine(
            url, connect_args={"timeout": 0} if kind == "sqlite" else {"options": "-c lock_timeout=50"}
        )
        with pytest.raises(Exception, match=r"locked|lock timeout"), engine.begin() as other:
            other.execute(update(Account).values(used_bytes=0))
        engine.dispose()


def test_another_move_is_not_mixed_in(databases: Databases) -> None:
    source, target = databases.full("sqlite"), databases.migrated("sqlite")
    with pytest.raises(KeyboardInterrupt):
        move_database(source, target, tell=_interrupt)
    engine = create_engine(source)
    with engine.begin() as rows:
        rows.execute(update(Installation).values(installation_id="another"))
    engine.dispose()
    with pytest.raises(MoveRefused, match="beginning of another move"):
        move_database(source, target)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_is_there_is_not_overwritten(kind: str, databases: Databases) -> None:
    source, target = databases.full("sqlite"), databases.migrated(kind)
    move_database(source, target)
    before = digests(target)
    with pytest.raises(MoveRefused, match="TO is not empty"):
        move_database(source, target)
    assert digests(target) == before


def test_only_a_database_of_this_version_is_moved(databases: Databases, tmp_path: Path) -> None:
    source, target = databases.new("sqlite"), databases.new("sqlite")
    for wrong in (source, f"sqlite:///{tmp_path}/none.sqlite3"):
        with pytest.raises(MoveRefused, match="FROM"):
            move_database(wrong, target)
    assert not (tmp_path / "none.sqlite3").exists()
    source = databases.full("sqlite")
    engine = create_engine(source)
    with engine.begin() as rows:
        rows.execute(text("UPDATE alembic_version SET version_num = '0009'"))
    engine.dispose()
    with pytest.raises(MoveRefused, match="schema 0009"):
        move_database(source, target)
    with pytest.raises(MoveRefused, match="same database"):
        move_database(source, source)


def test_what_a_target_does_not_take_is_named_without_its_content(databases: Databases) -> None:
    source, target = databases.full("sqlite"), databases.migrated("postgresql")
    engine = create_engine(source)
    with engine.begin() as rows:
        rows.execute(update(Message).values(content="secret \0 text"))
    engine.dispose()
    with pytest.raises(MoveRefused, match="a row of messages") as caught:
        move_database(source, target)
    assert "secret" not in str(caught.value)


def test_the_command_reads_addresses_from_its_input_and_hides_passwords(app: Flask, databases: Databases) -> None:
    source = databases.full("sqlite")
    target = databases.new("postgresql").replace("transfer@", "transfer:secret%21@")
    result = app.test_cli_runner().invoke(args=["database", "move", "-", "-"], input=f"{source}\n{target}\n")
    assert result.exit_code == 0, result.output
    assert "TRANSFER_DATABASE_URL=postgresql://transfer:***@" in result.output
    assert "secret" not in result.output
    assert digests(target) == digests(source)


@pytest.mark.parametrize("wrong", ["mysql://h/x", "postgresql://nobody:secret@127.0.0.1:1/x"])
def test_what_cannot_be_reached_is_said_without_a_traceback(app: Flask, wrong: str, databases: Databases) -> None:
    source = databases.full("sqlite")
    result = app.test_cli_runner().invoke(args=["database", "move", source, wrong])
    assert (result.exit_code, "Traceback" in result.output, "secret" in result.output) == (1, False, False)
    assert result.output.startswith("Error: ")


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("postgresql://nobody:s3cret@{server}/x", "database is not available: it has no such database or user"),
        ("postgresql://transfer@{server}/none", "database is not available: it has no such database"),
        ("postgresql://nobody:s3cret@127.0.0.1:1/x", "database is not available: it does not answer"),
        ("postgresql://nobody:s3/cret@{server}/x", "database is not available: it has no such database or user"),
        ("postgresql://nobody:s3@cret@{server}/x", "TO_URL must look like"),
        ("postgresql://nobody:s3cret@{server}:port/x", "TO_URL must look like"),
        ("s3cret", "TO_URL must start with"),
    ],
)
def test_the_command_says_what_is_wrong_with_an_address_and_nothing_of_its_password(
    app: Flask, there: str, said: str, databases: Databases, postgres_server: str
) -> None:
    source, wrong = databases.full("sqlite"), there.format(server=postgres_server.partition("@")[2])
    result = app.test_cli_runner().invoke(args=["database", "move", source, wrong])
    assert (result.exit_code, said in result.output) == (1, True), result.output
    assert not any(piece in result.output for piece in ("s3", "cret", ":port"))
    result = app.test_cli_runner().invoke(args=["database", "move", "mysql://h/x", source])
    assert "FROM_URL must start with" in result.output


def test_a_move_that_has_ended_is_not_taken_for_somebody_elses(app: Flask, databases: Databases) -> None:
    source, target = databases.full("sqlite"), databases.new("sqlite")
    first, second = (app.test_cli_runner().invoke(args=["database", "move", source, target]) for _ in range(2))
    assert (first.exit_code, "in read-only mode" in first.output) == (0, True)  # the settings name no such mode
    assert (second.exit_code, "this installation is in it already" in second.output) == (1, True)
