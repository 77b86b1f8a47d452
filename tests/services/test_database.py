"""Transactions and migrations."""

import gc
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import bindparam, create_engine, inspect, select, text, update
from sqlalchemy.types import NullType

from tests.services.conftest import Bench
from transfer_service.db.database import RUNS, Database, run_again
from transfer_service.db.prepared import PreparedSelect, PreparedWrite
from transfer_service.db.schema import upgrade
from transfer_service.errors import StoreUnavailable, TransactionLost
from transfer_service.models.accounts import Account
from transfer_service.models.base import Base

REPOSITORY = Path(__file__).parents[2]
PROCESSES, INCREMENTS = 4, 30
_INCREMENT = """
import sys
from transfer_service.db.database import Database
from transfer_service.models.accounts import Account

database, times = Database(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for number in range(times):
    with database.write(durable=number % 10 == 0) as session:
        account = session.query(Account).with_for_update().one()
        account.used_bytes = account.used_bytes + 1
"""


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Migrated and empty."""
    upgrade(database_url)
    database = Database(database_url)
    yield database
    database.dispose()


def increments(url: str) -> subprocess.Popen[str]:
    """A process that increments the counter; it waits for a line before it begins."""
    process = subprocess.Popen(
        [sys.executable, "-c", _INCREMENT, url, str(INCREMENTS)],
        cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_four_processes_lose_no_update_and_are_never_locked_out(any_bench: Bench) -> None:
    url = any_bench.services.database.url
    processes = [increments(url) for _ in range(PROCESSES)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outcomes = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]
    assert outcomes == [("", 0)] * PROCESSES
    assert any_bench.used_bytes() == PROCESSES * INCREMENTS


@pytest.mark.parametrize("durable", [False, True])
def test_a_committed_write_is_seen_by_another_connection(any_bench: Bench, durable: bool) -> None:
    with any_bench.services.database.write(durable=durable) as session:
        session.execute(update(Account).values(used_bytes=7))
    other = Database(any_bench.services.database.url)
    with other.read() as session:
        assert session.scalars(select(Account.used_bytes)).one() == 7
    other.dispose()


@pytest.mark.parametrize("durable", [False, True])
def test_a_write_that_fails_is_undone(any_bench: Bench, durable: bool) -> None:
    with pytest.raises(ZeroDivisionError), any_bench.services.database.write(durable=durable) as session:
        session.execute(update(Account).values(used_bytes=7))
        _ = 1 / 0
    assert any_bench.used_bytes() == 0


def test_durable_commits_flush_on_sqlite(bench: Bench) -> None:
    levels = {}
    for durable in (False, True):
        with bench.services.database.write(durable=durable) as session:
            levels[durable] = session.scalar(text("PRAGMA synchronous"))
    assert levels == {False: 1, True: 2}
    with bench.services.database.read() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"


def test_a_read_sees_one_state_whatever_is_committed_meanwhile(bench: Bench) -> None:
    with bench.services.database.read() as reading:
        before = reading.scalars(select(Account.used_bytes)).one()
        with bench.services.database.write() as session:
            session.execute(update(Account).values(used_bytes=7))
        assert reading.scalars(select(Account.used_bytes)).one() == before == 0
    assert bench.used_bytes() == 7


def test_the_migrations_make_the_models(database: Database) -> None:
    engine = create_engine(database.url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_upgrading_twice_changes_nothing(any_bench: Bench) -> None:
    any_bench.store(b"hello")
    upgrade(any_bench.services.database.url)
    found = any_bench.find()
    assert found is not None
    assert found.is_complete


def test_a_migrated_database_passes_the_check(database: Database) -> None:
    database.check()
    engine = create_engine(database.url)
    assert {"accounts", "files", "received_ranges", "sign_ins"} <= set(inspect(engine).get_table_names())
    engine.dispose()


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("sqlite:///{folder}/not-migrated.sqlite3", id="not-migrated"),
        pytest.param("postgresql+psycopg://nobody@127.0.0.1:1/nothing", id="no-server"),
    ],
)
def test_a_database_that_cannot_be_written_fails_the_check(tmp_path: Path, url: str) -> None:
    database = Database(url.format(folder=tmp_path))
    with pytest.raises(StoreUnavailable):
        database.check()
    database.dispose()


def test_a_naive_instant_is_refused(bench: Bench) -> None:
    with pytest.raises(Exception, match="naive datetime"), bench.services.database.write() as session:
        session.execute(update(Account).values(created_at=bench.clock().replace(tzinfo=None)))
    assert bench.services.accounts.get("alice").name == "alice"


def test_an_instant_comes_back_in_utc(any_bench: Bench) -> None:
    with any_bench.services.database.read() as session:
        created_at = session.scalars(select(Account.created_at)).one()
    assert created_at == any_bench.clock()
    assert str(created_at.tzinfo) == "UTC"


def test_prepared_statements_know_the_types_of_their_parameters() -> None:
    gc.unfreeze()  # what the tests' start has hidden from it
    prepared = [thing for thing in gc.get_objects() if isinstance(thing, PreparedSelect | PreparedWrite)]
    gc.freeze()
    binds = [bind for each in prepared for bind in each._statement.compile().binds.values()]
    assert [bind.key for bind in binds if isinstance(bind.type, NullType)] == []
    assert len(prepared) > 10


class _Crossing:
    """Two who change the same two rows in opposite orders, and at first wait for each other in between."""

    def __init__(self, database: Database, rows: tuple[uuid.UUID, uuid.UUID]) -> None:
        self.runs = 0
        self._database, self._rows = database, rows
        self._meet = threading.Barrier(2)

    @run_again
    def change(self, *, backward: bool) -> None:
        self.runs += 1
        first, second = reversed(self._rows) if backward else self._rows
        with self._database.write_rows() as rows:
            rows.execute(_COUNT, {"of": first})
            if self.runs <= 2:
                self._meet.wait(10)
            rows.execute(_COUNT, {"of": second})


_COUNT = update(Account).where(Account.id == bindparam("of")).values(used_bytes=Account.used_bytes + 1)


def test_the_victim_of_a_deadlock_is_run_again(make_bench: Callable[..., Bench], postgres_url: str) -> None:
    bench = make_bench(database_url=postgres_url)
    other = bench.another_account()
    crossing = _Crossing(bench.services.database, (bench.account_id, other.account_id))
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(crossing.change, backward=backward) for backward in (False, True)]
        assert [each.result(30) for each in both] == [None, None]
    assert crossing.runs == 3
    assert (bench.used_bytes(), other.used_bytes()) == (2, 2)


def test_who_is_a_victim_again_and_again_is_told() -> None:
    runs = []

    @run_again
    def change() -> None:
        runs.append(1)
        raise TransactionLost

    with pytest.raises(StoreUnavailable):
        change()
    assert len(runs) == RUNS
