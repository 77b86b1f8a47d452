"""Durable commits of many at once on SQLite: one flush for all, nothing seen before it, and all told the same."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.live.server import wait_until
from transfer_service.db import sqlite
from transfer_service.db.database import Database
from transfer_service.db.sqlite import SqliteWriter
from transfer_service.errors import NameTaken, StoreUnavailable, TransferError

REPOSITORY = Path(__file__).parents[2]


class Disk:
    """Runs commits when it is let, counts them, and may break."""

    def __init__(self) -> None:
        self.is_free = threading.Event()
        self.commits = 0
        self.failure: Exception | None = None

    def __call__(self, commit: Callable[[], None]) -> None:
        assert self.is_free.wait(30)
        self.commits += 1
        if self.failure is not None:
            raise self.failure
        commit()


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def database(tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    # On a busy machine who waits may come later than the first waits for them.
    monkeypatch.setattr(sqlite, "_PAUSES", (*sqlite._PAUSES, 0.1, 1.0, 10.0))
    database = Database(f"sqlite:///{tmp_path / 'group.sqlite3'}", run_blocking=disk)
    with database.write_rows() as rows:
        rows.execute(text("CREATE TABLE t (n INTEGER UNIQUE)"))
    yield database
    database.dispose()


def writer_of(database: Database) -> SqliteWriter:
    assert database._writer is not None
    return database._writer


def wait_for_waiting(database: Database, number: int) -> None:
    """Until so many wait for their turn."""
    wait_until(lambda: writer_of(database)._waiting == number)


class Writers:
    """Threads that write durably; the first of them begins when all others wait for their turn."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._threads: list[threading.Thread] = []
        self._may_go_on = threading.Event()
        self.outcomes: dict[int, TransferError | None] = {}

    def start(
        self, *numbers: int, durable: bool = True, work: Callable[[], None] = lambda: None, waiting: int | None = None
    ) -> None:
        """Return when the first has begun, and the others wait for their turn: `waiting` of them, or all."""
        for number in numbers:
            is_first = not self._threads
            thread = threading.Thread(target=self._write, args=(number, durable, work, is_first))
            self._threads.append(thread)
            thread.start()
            if is_first:
                wait_until(writer_of(self._database)._lock.locked)
            else:
                wait_for_waiting(self._database, waiting or len(self._threads) - 1)

    def _write(self, number: int, durable: bool, work: Callable[[], None], is_first: bool) -> None:
        try:
            with self._database.write_rows(durable=durable) as rows:
                if is_first:
                    assert self._may_go_on.wait(30)
                rows.execute(text(f"INSERT INTO t VALUES ({number})"))
                work()
        except TransferError as error:
            self.outcomes[number] = error
        else:
            self.outcomes[number] = None

    def go(self) -> None:
        self._may_go_on.set()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture
def writers(database: Database) -> Writers:
    return Writers(database)


def stored(database: Database) -> list[int]:
    with database.read_rows() as rows:
        return list(rows.execute(text("SELECT n FROM t ORDER BY n")).scalars())


def fail(error: Exception) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_who_waits_shares_the_flush_of_the_first(database: Database, disk: Disk, writers: Writers) -> None:
    writers.start(1, 2, 3)
    writers.start(4, durable=False)
    writers.go()
    time.sleep(0.2)
    assert (writers.outcomes, stored(database)) == ({}, [])  # nobody is told, and nobody sees anything
    disk.is_free.set()
    writers.join()
    assert writers.outcomes == dict.fromkeys((1, 2, 3, 4))
    assert (stored(database), disk.commits) == ([1, 2, 3, 4], 1)


def test_who_is_refused_is_undone_alone_and_told_after_the_flush(
    database: Database, disk: Disk, writers: Writers
) -> None:
    writers.start(1)
    writers.start(2, work=fail(NameTaken()))
    writers.start(3)
    writers.go()
    time.sleep(0.2)
    assert writers.outcomes == {}
    disk.is_free.set()
    writers.join()
    assert [type(writers.outcomes[number]) for number in (1, 2, 3)] == [type(None), NameTaken, type(None)]
    assert stored(database) == [1, 3]


@pytest.mark.parametrize(
    "error", [StoreUnavailable(), sqlite3.OperationalError("disk I/O error")], ids=["no-thread", "eio"]
)
def test_a_flush_that_fails_fails_all_also_who_was_refused(
    database: Database, disk: Disk, writers: Writers, error: Exception
) -> None:
    disk.failure = error
    disk.is_free.set()
    writers.start(1)
    writers.start(2, work=fail(NameTaken()))  # it may be taken by what has not happened
    writers.start(3)
    writers.go()
    writers.join()
    assert [isinstance(writers.outcomes[number], StoreUnavailable) for number in (1, 2, 3)] == [True] * 3
    assert stored(database) == []
    disk.failure = None
    with database.write_rows(durable=True) as rows:
        rows.execute(text("INSERT INTO t VALUES (9)"))
    assert stored(database) == [9]


def test_an_error_of_the_database_in_one_of_them_fails_all_before_it(
    database: Database, disk: Disk, writers: Writers
) -> None:
    disk.is_free.set()

    def fail_while_another_waits() -> None:
        writers.start(3, waiting=1)  # only now: turns have no order
        raise sqlite3.OperationalError("disk I/O error")

    writers.start(1)
    writers.start(2, work=fail_while_another_waits)
    writers.go()
    writers.join()
    assert [isinstance(writers.outcomes[number], StoreUnavailable) for number in (1, 2)] == [True, True]
    assert (writers.outcomes[3], stored(database)) == (None, [3])


def test_a_row_that_is_there_in_the_same_group_is_refused(database: Database, disk: Disk, writers: Writers) -> None:
    disk.is_free.set()
    seen: list[str] = []

    def insert_the_same() -> None:
        try:
            with database.write_rows(durable=True) as rows:
                rows.execute(text("INSERT INTO t VALUES (1)"))
        except IntegrityError:
            seen.append("there is one")

    writers.start(1)
    thread = threading.Thread(target=insert_the_same)
    thread.start()
    wait_for_waiting(database, 1)
    writers.go()
    writers.join()
    thread.join(30)
    assert (writers.outcomes, seen, stored(database)) == ({1: None}, ["there is one"], [1])


def test_a_session_is_no_part_of_a_group_and_ends_it(database: Database, disk: Disk, writers: Writers) -> None:
    disk.is_free.set()
    failures: list[str] = []

    def use_a_session() -> None:
        try:
            with database.write(durable=True) as session:
                session.execute(text("INSERT INTO t VALUES (7)"))
                raise NameTaken
        except NameTaken:
            failures.append("refused")

    writers.start(1)
    thread = threading.Thread(target=use_a_session)
    thread.start()
    wait_for_waiting(database, 1)
    writers.go()
    writers.join()
    thread.join(30)
    assert (writers.outcomes, failures, stored(database)) == ({1: None}, ["refused"], [1])


_KILLED = """
from gevent import monkey; monkey.patch_all()
import sys, gevent
from sqlalchemy import text
from transfer_service.db import sqlite
from transfer_service.db.database import Database
from transfer_service.threads import offload

database = Database(sys.argv[1], run_blocking=offload)
told = []
def write(number):
    try:
        with database.write_rows(durable=True) as rows:
            gevent.sleep(0.05)
            rows.execute(text(f"INSERT INTO t VALUES ({number})"))
        told.append(number)
    except BaseException as error:
        told.append(type(error).__name__)
        raise

greenlets = [gevent.spawn(write, number) for number in range(5)]
gevent.sleep(0.08)  # the first waits for those behind it
greenlets[0].kill(block=False)
gevent.sleep(0.05)
greenlets[3].kill(block=False)  # in the queue, or in its transaction
gevent.joinall(greenlets)
with database.write_rows(durable=True) as rows:
    rows.execute(text("INSERT INTO t VALUES (9)"))
print(sorted(map(str, told)))
"""


def test_who_is_killed_leaves_the_others_neither_stuck_nor_lost(database: Database) -> None:
    command = [sys.executable, "-c", _KILLED, database.url]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "['1', '2', '4', 'GreenletExit', 'GreenletExit']"
    assert stored(database) == [0, 1, 2, 4, 9]


_CROWD = """
from gevent import monkey; monkey.patch_all()
import sys, gevent
from sqlalchemy import text
from transfer_service.db import sqlite
from transfer_service.db.database import Database
from transfer_service.threads import offload

commits = 0
def counted(work):
    global commits
    commits += 1
    offload(work)

database = Database(sys.argv[1], run_blocking=counted)
def write(number):
    with database.write_rows(durable=True) as rows:
        assert rows.execute(text("PRAGMA synchronous")).scalar() == 2
        rows.execute(text(f"INSERT INTO t VALUES ({number})"))

gevent.joinall([gevent.spawn(write, number) for number in range(200)], raise_error=True)
print(commits)
"""


def test_two_hundred_greenlets_need_a_few_flushes(database: Database) -> None:
    command = [sys.executable, "-c", _CROWD, database.url]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60)
    assert int(result.stdout) < 20
    assert stored(database) == list(range(200))
