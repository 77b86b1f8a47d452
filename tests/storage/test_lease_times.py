"""How long one waits for a claim in PostgreSQL: of a dead holder, of one that no notice reaches, and in a crowd."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.storage.leased import Process, migrated, processes
from transfer_service.storage.blobs import WHOLE

REPOSITORY = Path(__file__).parents[2]
DEAD_SECONDS, LIVE_SECONDS = 5.0, 2.0
_HOLD = """
import sys, uuid
from transfer_service.db.database import Database
from transfer_service.storage.blobs import WHOLE
from transfer_service.storage.lease_keeper import Leases
from transfer_service.storage.leases import LeaseClaims
database = Database(sys.argv[1])
with LeaseClaims(Leases(database), "blobs").lock(uuid.UUID(sys.argv[2]), WHOLE, wait_seconds=0) as lock:
    if sys.argv[3] == "idle":
        print("held", flush=True)
        sys.stdin.read()
    with database.write_rows() as rows:
        lock.check(rows)
        print("held", flush=True)
        sys.stdin.read()
"""
_CROWD = """
from gevent import monkey; monkey.patch_all()
import json, sys, time, uuid
import gevent
from gevent.event import Event
from transfer_service.db.database import Database
from transfer_service.errors import RangeBusy
from transfer_service.storage.blobs import WHOLE
from transfer_service.storage.lease_keeper import Leases
from transfer_service.storage.leases import LeaseClaims

database = Database(sys.argv[1])
leases = Leases(database)
claims = LeaseClaims(leases, "blobs")
keys = [uuid.uuid4() for _ in range(20)]
outcomes = []
all_wait = Event()

def take(key, seconds):
    try:
        with claims.lock(key, WHOLE, wait_seconds=seconds) as lock:
            outcomes.append("had" if not leases.is_doubtful() else "doubtful")
    except RangeBusy:
        outcomes.append("busy")

def hold(key):
    with claims.lock(key, WHOLE, wait_seconds=0) as lock:
        gevent.sleep(7)  # longer than a lease, while all others want it
        all_wait.wait()
        with database.write_rows() as rows:
            lock.check(rows)

holders = [gevent.spawn(hold, key) for key in keys]
gevent.sleep(0.5)
crowd = [gevent.spawn(take, keys[number % len(keys)], 90.0) for number in range(1000)]
gevent.sleep(1)
began_at = time.monotonic()
take(uuid.uuid4(), 0)
alone_seconds = time.monotonic() - began_at
with gevent.Timeout(60, False):
    while sum(each.is_known for each in list(leases._locks.values())) < len(holders) + len(crowd):
        gevent.sleep(0.05)
    while database._server.engine.pool.checkedout():
        gevent.sleep(0.05)
connections = database._server.engine.pool.checkedout()
all_wait.set()
gevent.joinall(holders, raise_error=True)
gevent.joinall(crowd)
left = [each.id for each in leases._locks.values()]
leases.close()
database.dispose()
print(json.dumps([sorted(set(outcomes)), outcomes.count("had"), len(outcomes), connections, left, alone_seconds]))
"""


@pytest.fixture(scope="module")
def url(request: pytest.FixtureRequest) -> str:
    return migrated("postgresql", request)


@pytest.fixture
def waiting(url: str) -> Iterator[Process]:
    """A process that will wait."""
    with processes(url) as begin:
        yield begin()


@contextmanager
def holding(url: str, key: uuid.UUID, doing: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", _HOLD, url, str(key), doing]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.kill()


def seconds_to_take(process: Process, key: uuid.UUID) -> float:
    began_at = time.monotonic()
    with process.claims.lock(key, WHOLE, wait_seconds=20):
        return time.monotonic() - began_at


@pytest.mark.alone
@pytest.mark.parametrize(
    ("number", "doing"),
    [(signal.SIGKILL, "idle"), (signal.SIGSTOP, "idle"), (signal.SIGSTOP, "committing")],
    ids=["killed", "frozen", "frozen-in-a-commit"],
)
def test_a_holder_that_is_dead_or_frozen_costs_no_more_than_five_seconds(
    waiting: Process, url: str, number: signal.Signals, doing: str
) -> None:
    key = uuid.uuid4()
    with holding(url, key, doing) as holder:
        os.kill(holder.pid, number)
        assert seconds_to_take(waiting, key) < DEAD_SECONDS


@pytest.mark.alone
def test_a_holder_gives_way_within_two_seconds_where_every_notice_is_lost(url: str) -> None:
    key = uuid.uuid4()
    with processes(url) as begin:
        holder, waiting = begin(), begin()
        for process in (holder, waiting):
            process.database.notices.begin = lambda: None  # type: ignore[method-assign]
        begun = threading.Event()

        def hold() -> None:
            with holder.claims.lock(key, WHOLE, wait_seconds=0) as lock:
                begun.set()
                while not lock.is_wanted():
                    time.sleep(0.05)

        thread = threading.Thread(target=hold)
        thread.start()
        assert begun.wait(20)
        assert seconds_to_take(waiting, key) < LIVE_SECONDS
        thread.join()


@pytest.mark.alone
def test_a_thousand_who_wait_cost_no_holder_his_lease_and_others_little(url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CROWD, url], cwd=REPOSITORY, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.stderr == ""
    kinds, had, count, connections, left, alone_seconds = json.loads(done.stdout)
    assert (kinds, count, had, left) == (["had"], 1001, 1001, [])
    assert (connections, alone_seconds < LIVE_SECONDS) == (0, True)
