"""Claims in PostgreSQL under processes that are killed, frozen for longer than a lease, and cut off from the database.

Two holders never both commit where their spans overlap, whatever happens to either of them.
"""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from tests.prepared import migrate
from tests.proofs import length
from tests.storage.lease_actors import BLOBS, CELLS

REPOSITORY = Path(__file__).parents[2]
PROCESSES = 4
SEED = 20_261
HISTORY_SECONDS = length(6, whole=120)
_PROGRAM = "from tests.storage.lease_actors import run_actors; import sys; run_actors(*sys.argv[1:])"
_IN_GEVENT = f"from gevent import monkey; monkey.patch_all(); {_PROGRAM}"
_TABLES = f"""
CREATE TABLE cells (blob text, cell int, version int, PRIMARY KEY (blob, cell));
CREATE TABLE commits (id bigserial, blob text, lock text, moment timestamptz);
CREATE TABLE broken (blob text, lock text, expected text, found text);
INSERT INTO cells SELECT blob, cell, 0 FROM unnest(ARRAY{BLOBS}) blob, generate_series(0, {CELLS - 1}) cell;
"""


class History:
    """Processes full of actors, and what happens to them."""

    def __init__(self, url: str, seed: int) -> None:
        self._url = url
        self._random = random.Random(seed)
        self._begun = 0
        self.done: dict[str, int] = {}
        server = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection = psycopg.connect(server, autocommit=True)
        self._processes = [self._begin() for _ in range(PROCESSES)]

    def _begin(self) -> "subprocess.Popen[str]":
        self._begun += 1
        program = _IN_GEVENT if self._begun % 2 else _PROGRAM
        command = [sys.executable, "-c", program, self._url, f"{self._random.random()}"]
        return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def step(self) -> None:
        """One misfortune."""
        misfortune = self._random.choice([self._kill, self._freeze, self._freeze, self._cut, self._cut_notices])
        misfortune()
        name = misfortune.__name__.strip("_")
        self.done[name] = self.done.get(name, 0) + 1

    def _kill(self) -> None:
        place = self._random.randrange(PROCESSES)
        self._check(self._processes[place])
        self._end(place)
        self._processes[place] = self._begin()

    def _freeze(self) -> None:
        """Shorter or longer than a lease, one or several at once."""
        frozen = self._random.sample(self._processes, self._random.randint(1, PROCESSES - 1))
        seconds = self._random.choice([0.3, 1.5, 4.5, 6.0])
        for process in frozen:
            process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        for process in frozen:
            process.send_signal(signal.SIGCONT)

    def _cut(self) -> None:
        self._terminate("random() < 0.4")

    def _cut_notices(self) -> None:
        self._terminate("application_name = 'transfer notices'")

    def _terminate(self, condition: str) -> None:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        self._connection.execute(f"{query} AND pid <> pg_backend_pid() AND {condition}")

    def _check(self, process: "subprocess.Popen[str]") -> None:
        """It runs, and nothing has happened in it that may not."""
        if process.poll() is not None:
            assert process.stderr is not None
            pytest.fail(f"A process has ended: {process.stderr.read()}")

    def _end(self, place: int) -> None:
        process = self._processes[place]
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()

    def ask(self, query: str) -> list[Any]:
        return self._connection.execute(query).fetchall()

    def check(self) -> None:
        for process in self._processes:
            self._check(process)

    def close(self) -> None:
        for place in range(PROCESSES):
            self._end(place)
        self._connection.close()


@contextmanager
def history(url: str, seed: int) -> Iterator[History]:
    migrate(url)
    server = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(_TABLES)
    with ExitStack() as ending:
        running = History(url, seed)
        ending.callback(running.close)
        yield running


@pytest.mark.alone
def test_no_two_holders_ever_commit_where_they_overlap(postgres_url: str) -> None:
    with history(postgres_url, SEED) as running:
        deadline = time.monotonic() + HISTORY_SECONDS
        rest = random.Random(SEED)
        while time.monotonic() < deadline:
            time.sleep(rest.uniform(0.2, 1.0))
            running.step()
        before = running.ask("SELECT count(*) FROM commits")[0][0]
        time.sleep(5)
        running.check()
        broken = running.ask("SELECT * FROM broken")
        after = running.ask("SELECT count(*) FROM commits")[0][0]
        assert (broken, running.done.keys() & {"freeze", "kill"}) == ([], {"freeze", "kill"})
        assert after > before > 100
