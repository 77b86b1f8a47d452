"""A process whose actors claim spans of a few blobs and commit under them, for `test_lease_histories`.

Each blob has cells, and each cell a version. Under a claim an actor reads the versions in its span, and each commit
finds them as they were and counts them up: so whoever else commits there meanwhile is noticed by the next commit.
"""

import os
import random
import sys
import threading
import time
import uuid

from sqlalchemy import Connection, text

from transfer_service.db.database import Database
from transfer_service.errors import RangeBusy, StoreUnavailable
from transfer_service.storage.lease_keeper import Leases
from transfer_service.storage.lease_locks import LeaseLock
from transfer_service.storage.leases import LeaseClaims
from transfer_service.wire.ranges import Span

CELLS = 6
ACTORS = 3
BLOBS = [uuid.UUID(int=number).hex for number in range(3)]
_READ = text("SELECT cell, version FROM cells WHERE blob = :blob AND cell >= :start AND cell < :stop ORDER BY cell")
_LOCK = text(f"{_READ.text} FOR UPDATE")
_COUNT = text("UPDATE cells SET version = version + 1 WHERE blob = :blob AND cell >= :start AND cell < :stop")
_COMMITTED = text("INSERT INTO commits (blob, lock, moment) VALUES (:blob, :lock, clock_timestamp())")
_BROKEN = text("INSERT INTO broken (blob, lock, expected, found) VALUES (:blob, :lock, :expected, :found)")


class Actor:
    """Claims and commits until the process ends."""

    def __init__(self, database: Database, claims: LeaseClaims, seed: str) -> None:
        self._database = database
        self._claims = claims
        self._random = random.Random(seed)

    def run(self) -> None:
        while True:
            try:
                self._act()
            except (RangeBusy, StoreUnavailable):
                time.sleep(self._random.uniform(0, 0.02))

    def _act(self) -> None:
        blob = self._random.choice(BLOBS)
        start = self._random.randrange(CELLS)
        takes_over = self._random.random() < 0.5
        span = Span(start, CELLS if takes_over else self._random.randint(start + 1, CELLS))
        take = self._claims.take_over if takes_over else self._claims.lock
        with take(uuid.UUID(blob), span, wait_seconds=self._random.choice([0, 0.3, 2.0])) as lock:
            place = {"blob": blob, "start": span.start, "stop": span.stop}
            with self._database.read_rows() as rows:
                versions = _versions(rows, place)
            for _ in range(self._random.randint(1, 4)):
                time.sleep(self._random.uniform(0, 0.05))
                versions = self._commit(lock, place, versions)
                if lock.is_wanted():
                    return

    def _commit(self, lock: LeaseLock, place: dict[str, object], versions: list[int]) -> list[int]:
        """Let something count. Raises ClaimLost, StoreUnavailable."""
        told = {"blob": place["blob"], "lock": lock.id}
        with self._database.write_rows() as rows:
            found = [version for _, version in rows.execute(_LOCK, place)]
            is_early = self._random.random() < 0.5
            if is_early:
                lock.check(rows)
                time.sleep(self._random.uniform(0, 0.02))
            rows.execute(_COUNT, place)
            rows.execute(_COMMITTED, told)
            if not is_early:
                lock.check(rows)
            if found != versions:
                rows.execute(_BROKEN, {**told, "expected": str(versions), "found": str(found)})
        return [version + 1 for version in found]


def _versions(rows: Connection, place: dict[str, object]) -> list[int]:
    return [version for _, version in rows.execute(_READ, place)]


def run_actors(url: str, seed: str) -> None:
    """Run until the process is killed; whatever is not expected ends it."""
    database = Database(url)
    claims = LeaseClaims(Leases(database), "blobs")

    def run(number: int) -> None:
        try:
            Actor(database, claims, f"{seed}/{number}").run()
        except BaseException as error:  # noqa: BLE001 - the process is what is watched
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(ACTORS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
