"""Waiting for a database that somebody else has locked: no longer than one patience, however many wait or how often."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from transfer_service.db.database import Database
from transfer_service.errors import StoreUnavailable
from transfer_service.patience import one_patience, shared_patience
from transfer_service.web.request_log import begin_requests

REPOSITORY = Path(__file__).parents[2]
WAIT_SECONDS = 3.0
A_LITTLE = 2.5
"""Less than a second wait would take, and long enough for a machine that has much to do."""
_TICK_WHILE_WAITING = """
from gevent import monkey; monkey.patch_all()
import sys, time
import gevent
from sqlalchemy import text
from transfer_service.db.database import Database
from transfer_service.errors import StoreUnavailable

gaps = []
def tick():
    while True:
        began = time.monotonic()
        gevent.sleep(0.01)
        gaps.append(time.monotonic() - began)

def write():
    try:
        with database.write() as session:
            session.execute(text("INSERT INTO t VALUES (1)"))
        return "written"
    except StoreUnavailable as error:
        return error.detail

database = Database(sys.argv[1], lock_wait_seconds=5.0)
gevent.spawn(tick)
writers = [gevent.spawn(write) for _ in range(20)]
began = time.monotonic()
gevent.joinall(writers)
print(len(gaps) > 30, max(gaps) < 2.5, time.monotonic() - began < 9.5, {each.value for each in writers})
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'locked.sqlite3'}"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database(url, lock_wait_seconds=WAIT_SECONDS)
    with database.write() as session:
        session.execute(text("CREATE TABLE t (n INTEGER)"))
    yield database
    database.dispose()


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """While another program is in the middle of a write transaction."""
    other = sqlite3.connect(database.url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


def refused_after(work: Callable[[], object]) -> float:
    """How many seconds it took until `work` was told that the database is locked."""
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="locked"):
        work()
    return time.monotonic() - began


def insert(database: Database) -> None:
    with database.write() as session:
        session.execute(text("INSERT INTO t VALUES (1)"))


def insert_row(database: Database) -> None:
    with database.write_rows() as rows:
        rows.execute(text("INSERT INTO t VALUES (1)"))


@pytest.mark.parametrize("work", [insert, insert_row, Database.check], ids=["session", "rows", "check"])
def test_a_locked_database_is_waited_for_once(database: Database, work: Callable[[Database], None]) -> None:
    with locked(database):
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            work(database)
    assert WAIT_SECONDS <= time.monotonic() - began < WAIT_SECONDS + A_LITTLE


def test_who_waits_behind_others_waits_no_longer_than_they_do(database: Database) -> None:
    seconds: list[float] = []
    with locked(database):
        threads = [
            threading.Thread(target=lambda: seconds.append(refused_after(lambda: insert(database)))) for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(seconds) == 5
    assert max(seconds) < WAIT_SECONDS + A_LITTLE


def test_one_piece_of_work_waits_once_for_all_its_transactions(database: Database) -> None:
    with locked(database), one_patience(WAIT_SECONDS):
        first, second = (refused_after(lambda: insert(database)) for _ in range(2))
    assert first >= WAIT_SECONDS
    assert second < A_LITTLE


def test_work_that_does_not_wait_keeps_its_patience(database: Database) -> None:
    with one_patience(WAIT_SECONDS) as patience:
        insert(database)
        time.sleep(1)
        insert(database)
    assert patience.left_seconds > WAIT_SECONDS - 0.5


def test_the_next_writer_gets_through_once_the_lock_is_gone(database: Database) -> None:
    with locked(database):
        refused_after(lambda: insert(database))
    insert(database)
    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM t")) == 1


def test_every_request_has_one_patience() -> None:
    seen = []

    def application(_environ: object, _start_response: object) -> list[bytes]:
        for _ in range(2):
            with shared_patience() as patience:
                seen.append(patience)
        return []

    for _ in range(2):
        begin_requests(application, behind_proxy=False)({}, lambda *_: lambda _: None)
    assert seen[0] is seen[1]
    assert seen[2] is seen[3] is not seen[0]


def test_nobody_else_is_held_up_while_writers_wait(database: Database) -> None:
    command = [sys.executable, "-c", _TICK_WHILE_WAITING, database.url]
    with locked(database):
        result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "True True True {'The database is locked by somebody else'}"


def test_a_lock_on_a_server_is_waited_for_as_long(postgres_url: str) -> None:
    database = Database(postgres_url)
    with database.read() as session:
        assert session.scalar(text("SHOW lock_timeout")) == "30s"
    database.dispose()
