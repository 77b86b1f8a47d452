"""Numbers that need the database, which may be away or silent; and the names of refusals."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.prepared import migrated_sqlite
from transfer_service import errors
from transfer_service.db.database import Database
from transfer_service.services.upkeep.job_counts import JobCounts
from transfer_service.telemetry import meters
from transfer_service.telemetry.metrics import Recently
from transfer_service.web.metrics import REASONS

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    yield from migrated_sqlite(tmp_path_factory)


def test_jobs_are_counted_by_kind_and_state(database: Database) -> None:
    found = Recently(JobCounts(database).find)()
    assert found is not None
    assert found["preview", "waiting"] == found["download", "pending"] == 0


def test_while_the_database_is_away_jobs_are_absent_and_not_wrong() -> None:
    database = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    try:
        assert Recently(JobCounts(database).find)() is None
    finally:
        database.dispose()


ASKING = """
from gevent import monkey
monkey.patch_all()
import sys, time
from transfer_service.db.database import Database
from transfer_service.services.upkeep.job_counts import JobCounts
from transfer_service.telemetry.metrics import Recently
find = Recently(JobCounts(Database(sys.argv[1])).find)
began = time.monotonic()
print(find(), find(), time.monotonic() - began < 10)
"""


def test_a_database_that_does_not_answer_keeps_nobody_waiting_for_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg://nobody@127.0.0.1:{silent.getsockname()[1]}/none"
        command = [sys.executable, "-c", ASKING, url]
        result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60)
    assert (result.stdout, result.stderr) == ("None None True\n", "")


@pytest.mark.parametrize("error", errors.TransferError.__subclasses__(), ids=lambda error: error.__name__)
def test_every_reason_is_one_of_those_that_are_shown(error: type[errors.TransferError]) -> None:
    reason = next((REASONS[kind] for kind in error.__mro__ if kind in REASONS), None)
    assert reason is None or reason in meters.REASONS


def test_every_reason_has_an_error() -> None:
    assert set(meters.REASONS) == {*REASONS.values(), "crowded"}
