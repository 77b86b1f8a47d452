"""Durable commits of many at once, checkpoints among them, flushes that fail, and power losses in the middle of it.

    python -m tests.torture.commits DATABASE INDEX SECONDS [loose]

writes to DATABASE until the time is over, and prints a line for each transaction: its number, the length of INDEX (the
disk's log) when it was told how that went, and what it was told. `loose` leaves the flushes out: that must be found.
"""

from gevent import monkey

if __name__ == "__main__":
    monkey.patch_all()

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import gevent
from sqlalchemy import BigInteger, Column, MetaData, Table, insert, text

from tests.live.broken_machine import BrokenCalls
from tests.torture.disk import REPOSITORY, Cut, LoggedDisk, logged_disk, make_disk, mounted
from tests.torture.logged_file import RECORD
from transfer_service.db.database import Database
from transfer_service.db.prepared import PreparedWrite
from transfer_service.errors import StoreUnavailable
from transfer_service.threads import offload

WRITERS = 12
PAGES = 12
"""So many pages of the write-ahead log make SQLite copy it to the database."""
REFUSED_EVERY, BROKEN_EVERY = 5, 50

_halves = Table("halves", MetaData(), Column("number", BigInteger), Column("half", BigInteger))
_ADD = PreparedWrite(insert(_halves))


class _Refused(Exception):
    """By a rule, in the middle of a transaction."""


@dataclass(frozen=True)
class Told:
    """What somebody was told of his transaction when the disk's log had so many records."""

    number: int
    position: int
    outcome: str


def live(path: Path, index: Path, seconds: float, *, loose: bool) -> None:
    """Write, and print what is told."""
    database = Database(f"sqlite:///{path}", run_blocking=offload)
    numbers, until = count(), time.monotonic() + seconds

    def write(number: int) -> str:
        try:
            with database.write_rows(durable=not loose) as rows:
                rows.execute(text(f"PRAGMA wal_autocheckpoint = {PAGES}"))
                for half in (1, 2):
                    _ADD.run(rows, {"number": number, "half": half})
                    if number % REFUSED_EVERY == 0:
                        raise _Refused
        except _Refused:
            return "refused"
        except StoreUnavailable:
            return "failed"
        return "stored"

    def writer() -> None:
        while time.monotonic() < until:
            number = next(numbers)
            outcome = write(number)
            position = index.stat().st_size // RECORD.size
            sys.stdout.write(json.dumps([number, position, outcome]) + "\n")
            sys.stdout.flush()
            gevent.sleep(0.001 * (number % 7))

    def checkpointer() -> None:
        with sqlite3.connect(path, isolation_level=None, timeout=0) as connection:
            for mode in ("PASSIVE", "RESTART", "TRUNCATE") * 1000:
                if time.monotonic() > until:
                    return
                with suppress(sqlite3.OperationalError):  # somebody writes, or the flush has failed
                    connection.execute(f"PRAGMA wal_checkpoint({mode})")
                gevent.sleep(0.05)

    gevent.joinall([gevent.spawn(each) for each in [writer] * WRITERS + [checkpointer]], raise_error=True)


def torture(
    folder: Path, *, images: int, seconds: float, seed: int, loose: bool = False
) -> tuple[list[str], list[Told]]:
    """What was wrong on so many disks as power losses leave them, and what had been told."""
    chance, base, mountpoint = random.Random(seed), folder / "base", folder / "disk"
    make_disk(base)
    with mounted(base, mountpoint):
        _prepare(mountpoint / "database")
    with logged_disk(base, folder / "log", mountpoint, "commit=300") as disk:
        first = disk.position
        told = _live(folder, disk, mountpoint / "database", seconds, loose=loose)
        last = disk.position
    faults = []
    for cut in disk.images(disk.cuts(images, first=first, last=last, chance=chance), folder / "image"):
        with mounted(folder / "image", folder / "cut") as lost:
            faults += _judge(lost / "database", cut, told)
    return faults, told


def _prepare(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE halves (number INTEGER, half INTEGER)")
    connection.close()


def _live(folder: Path, disk: LoggedDisk, path: Path, seconds: float, *, loose: bool) -> list[Told]:
    """Somebody writes, and now and then a flush fails."""
    calls = BrokenCalls(folder)
    command = [sys.executable, "-m", "tests.torture.commits", str(path), str(disk.folder / "index"), str(seconds)]
    with subprocess.Popen(
        [*command, *(["loose"] if loose else [])],
        cwd=REPOSITORY,
        env=_environment(calls),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        told, stored = [], 0
        for line in process.stdout:
            told.append(Told(*json.loads(line)))
            stored += told[-1].outcome == "stored"
            if not loose and told[-1].outcome == "stored" and stored % BROKEN_EVERY == 0:
                with calls.failing("flush_log"):
                    time.sleep(0.01)
    assert process.returncode == 0
    return told


def _environment(calls: BrokenCalls) -> dict[str, str]:
    return {**os.environ, **calls.environment}


def _judge(path: Path, cut: Cut, told: list[Told]) -> list[str]:
    with sqlite3.connect(path) as connection:
        state = connection.execute("PRAGMA integrity_check").fetchone()[0]
        halves = connection.execute("SELECT number, count(*) FROM halves GROUP BY number").fetchall()
    connection.close()
    stored = {number for number, _ in halves}
    faults = [state] if state != "ok" else []
    faults += [f"{number} has {size} halves" for number, size in halves if size != 2]
    for each in told:
        if each.outcome == "stored" and each.position <= cut.position and each.number not in stored:
            faults.append(f"{each.number} was told to be stored")
        if each.outcome == "refused" and each.number in stored:
            faults.append(f"{each.number} was refused")
    return [f"record {cut.position}: {fault}" for fault in faults]


if __name__ == "__main__":
    live(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), loose=sys.argv[4:] == ["loose"])
