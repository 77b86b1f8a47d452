"""Notices between processes: heard by all, also after the server has cut the connection; on SQLite there are none."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.live.server import wait_until
from transfer_service.db.database import Database
from transfer_service.db.notices import MOST_BYTES

REPOSITORY = Path(__file__).parents[2]
WAIT_SECONDS = 20
IN_GEVENT = """
from gevent import monkey; monkey.patch_all()
import json, os, sys, threading
import gevent
from gevent.event import Event
from transfer_service.db.database import Database
from transfer_service.threads import offload

database, heard, came, ticks = Database(sys.argv[1]), [], Event(), []
def hear(payload):
    heard.append([payload, threading.get_native_id() == os.getpid()])
    came.set()
def tick():
    while True:
        ticks.append(1)
        gevent.sleep(0.01)
def wait():
    assert came.wait(20)
    came.clear()

gevent.spawn(tick)
database.notices.listen("test", hear)
(offload(database.notices.begin) if sys.argv[2] == "pool" else database.notices.begin())
wait()
before = len(ticks)
gevent.sleep(0.2)
with database.write() as session:
    database.notices.notify(session, "test", "a")
wait()
database.dispose()
print(json.dumps([heard, len(ticks) > before + 5]))
"""


class Ear:
    """A handler that keeps what it hears."""

    def __init__(self) -> None:
        self._heard: queue.Queue[str | None] = queue.Queue()

    def __call__(self, payload: str | None) -> None:
        self._heard.put(payload)

    def hear(self) -> str | None:
        """The next one."""
        return self._heard.get(timeout=WAIT_SECONDS)

    def is_silent(self) -> bool:
        return self._heard.empty()


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url)
    yield database
    database.dispose()


@pytest.fixture
def elsewhere(postgres_url: str) -> Iterator[Database]:
    """The same database in what could be another process."""
    database = Database(postgres_url)
    yield database
    database.dispose()


@pytest.fixture
def ear(database: Database) -> Ear:
    """Somebody who listens to `test`, and is heard."""
    ear = Ear()
    database.notices.listen("test", ear)
    database.notices.begin()
    assert ear.hear() is None
    return ear


def send(database: Database, payload: str, channel: str = "test") -> None:
    with database.write() as session:
        database.notices.notify(session, channel, payload)


def listeners(url: str, command: str = "count(*)") -> int:
    """How many connections listen, or what a function of the server makes of them."""
    name = make_url(url).database
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        query = f"SELECT {command} FROM pg_stat_activity WHERE datname = %s AND application_name = 'transfer notices'"
        rows = connection.execute(query, [name]).fetchall()
    return int(rows[0][0]) if rows else 0


def test_what_is_committed_is_heard_everywhere_in_its_order(database: Database, elsewhere: Database, ear: Ear) -> None:
    other = Ear()
    elsewhere.notices.listen("test", other)
    elsewhere.notices.begin()
    assert other.hear() is None
    for payload in ("a", "b", ""):
        send(database, payload)
    assert [each.hear() for each in (ear, other) for _ in range(3)] == ["a", "b", ""] * 2


def test_what_is_undone_is_never_heard(elsewhere: Database, ear: Ear) -> None:
    with pytest.raises(ZeroDivisionError), elsewhere.write() as session:
        elsewhere.notices.notify(session, "test", "undone")
        raise ZeroDivisionError
    send(elsewhere, "done")
    assert ear.hear() == "done"


def test_a_channel_that_comes_later_is_heard_from_then_on(database: Database, elsewhere: Database, ear: Ear) -> None:
    late = Ear()
    send(elsewhere, "too early", "late")
    database.notices.listen("late", late)
    assert late.hear() is None
    send(elsewhere, "x", "late")
    assert (late.hear(), ear.is_silent()) == ("x", True)


def test_who_was_cut_off_is_told_to_look_and_hears_again(elsewhere: Database, ear: Ear) -> None:
    for round_ in range(3):
        listeners(elsewhere.url, "pg_terminate_backend(pid)")
        assert ear.hear() is None
        send(elsewhere, str(round_))
        assert ear.hear() == str(round_)
    assert listeners(elsewhere.url) == 1


def test_a_handler_that_raises_harms_nobody(elsewhere: Database, database: Database) -> None:
    after = Ear()

    def fail(_payload: str | None) -> None:
        raise ZeroDivisionError

    database.notices.listen("test", fail)
    database.notices.listen("test", after)
    database.notices.begin()
    assert after.hear() is None
    send(elsewhere, "a")
    send(elsewhere, "b")
    assert [after.hear(), after.hear()] == ["a", "b"]


def test_a_database_that_is_there_later_is_found(postgres_url: str) -> None:
    url = make_url(postgres_url)
    server = url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    database, ear = Database(f"{postgres_url}_later"), Ear()
    database.notices.listen("test", ear)
    database.notices.begin()
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{url.database}_later"')
    assert ear.hear() is None
    database.dispose()


def test_nothing_runs_before_it_is_asked_for_or_after_the_end(database: Database) -> None:
    ear, before = Ear(), set(threading.enumerate())
    database.notices.begin()
    assert set(threading.enumerate()) <= before  # nobody listens
    database.notices.close()
    database.notices.listen("test", ear)
    assert (set(threading.enumerate()) <= before, listeners(database.url)) == (True, 0)
    database.notices.begin()
    assert ear.hear() is None
    database.notices.close()
    wait_until(lambda: set(threading.enumerate()) <= before and listeners(database.url) == 0)
    database.notices.begin()
    assert ear.hear() is None


def test_a_notice_is_shorter_than_the_server_takes(database: Database, ear: Ear) -> None:
    send(database, "x" * MOST_BYTES)
    assert len(ear.hear() or "") == MOST_BYTES
    with pytest.raises(ValueError, match="8000"):
        send(database, "é" * (MOST_BYTES // 2 + 1))
    assert ear.is_silent()


def test_on_sqlite_nothing_is_sent_and_nothing_runs(tmp_path: Path) -> None:
    database, ear, before = Database(f"sqlite:///{tmp_path / 'a.sqlite3'}"), Ear(), set(threading.enumerate())
    database.notices.listen("test", ear)
    database.notices.begin()
    send(database, "a")
    assert (ear.is_silent(), set(threading.enumerate()) <= before) == (True, True)
    database.dispose()


@pytest.mark.parametrize("place", ["loop", "pool"])
def test_under_gevent_handlers_run_on_the_loop_and_nobody_is_held_up(postgres_url: str, place: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_GEVENT, postgres_url, place],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stderr, json.loads(done.stdout)) == ("", [[[None, True], ["a", True]], True])
