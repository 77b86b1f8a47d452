"""Backups: how fast all of it is copied beside `cp -a` and `rsync -a` of the same folder, and what a second one costs.

The command is measured as a whole, with its start. Everything is read once before, so that all find it in memory alike.
"""

import argparse
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, insert

from benchmarks.measure import MEBIBYTE, Cost, median_cost, say, say_table
from benchmarks.servers import REPOSITORY
from transfer_service.bootstrap import build_services
from transfer_service.config import Settings
from transfer_service.db.schema import upgrade
from transfer_service.models.files import File, FileState

SMALL, SMALL_BYTES = 10_000, 16 * 1024
LARGE, LARGE_BYTES = 8, 128 * MEBIBYTE
SECRET = "for this benchmark, and for nothing else"


@dataclass(frozen=True)
class Tree:
    """An installation of files alike."""

    name: str
    count: int
    size: int

    @property
    def total_bytes(self) -> int:
        """What all of it has."""
        return self.count * self.size


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    trees = [Tree("10 000 files of 16 KiB", SMALL, SMALL_BYTES), Tree("8 files of 128 MiB", LARGE, LARGE_BYTES)]
    if arguments.quick:
        trees = [Tree("1 000 files of 16 KiB", 1000, SMALL_BYTES), Tree("2 files of 128 MiB", 2, LARGE_BYTES)]
    for tree in trees:
        with _installation(tree) as folder:
            _compare(tree, folder, arguments.runs)


def _compare(tree: Tree, folder: Path, runs: int) -> None:
    data, target = folder / "data", folder / "copy"
    shutil.copytree(data, target)  # everybody finds all of it in memory
    shutil.rmtree(target)
    ways: dict[str, Sequence[str]] = {"cp -a": ["cp", "-a", str(data), str(target)]}
    if shutil.which("rsync"):
        ways["rsync -a"] = ["rsync", "-a", f"{data}/", f"{target}/"]
    ways["backup"] = [sys.executable, "-m", "flask", "--app", "wsgi", "backup", str(target)]
    first, again = {name: list[Cost]() for name in ways}, {name: list[Cost]() for name in ways}
    for _ in range(runs):
        for name, command in ways.items():
            first[name].append(_cost(command, data))
            if name != "cp -a":
                again[name].append(_cost(command, data))
            shutil.rmtree(target)
    restored = [_restore_cost(folder, data) for _ in range(runs)]
    start = [_cost([sys.executable, "-m", "flask", "--app", "wsgi", "backup", "--help"], data) for _ in range(runs)]
    rows = [_row(tree, name, first[name], again[name]) for name in ways]
    rows += [_row(tree, "restore, with verify", restored, []), ["its start alone", *_shown(start), "", "", ""]]
    say_table(tree.name, ("", "first", "CPU", "", "again", "CPU"), rows)
    say("with `sync` at the end of each; backup: command, database and digests too")


def _row(tree: Tree, name: str, first: list[Cost], again: list[Cost]) -> list[str]:
    rate = f"{tree.total_bytes / MEBIBYTE / median_cost(first).wall_seconds:.0f} MiB/s"
    return [name, *_shown(first), rate, *(_shown(again) if again else ("", ""))]


def _shown(costs: list[Cost]) -> tuple[str, str]:
    cost = median_cost(costs)
    return f"{cost.wall_seconds:.2f} s", f"{cost.cpu_seconds:.2f} s"


def _restore_cost(folder: Path, data: Path) -> Cost:
    target, place = folder / "copy", folder / "place"
    command = [sys.executable, "-m", "flask", "--app", "wsgi"]
    _cost([*command, "backup", str(target)], data)
    cost = _cost([*command, "restore", str(target)], place)
    shutil.rmtree(target)
    shutil.rmtree(place)
    return cost


def _cost(command: Sequence[str], data: Path) -> Cost:
    environment = {**os.environ, "TRANSFER_DATA_DIR": str(data), "SECRET_KEY": SECRET}
    subprocess.run(["sync"], check=True)
    began, before = time.monotonic(), _cpu_seconds()
    subprocess.run(command, check=True, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL)
    subprocess.run(["sync"], check=True)
    return Cost(time.monotonic() - began, _cpu_seconds() - before)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _installation(tree: Tree) -> Iterator[Path]:
    """A folder with `data` in it."""
    with tempfile.TemporaryDirectory(prefix="transfer-bench-") as name:
        data = Path(name) / "data"
        services = build_services(Settings(_env_file=None, data_dir=data, secret_key=SECRET))  # type: ignore[call-arg,arg-type] # pydantic's
        upgrade(services.database.url)
        services.accounts.create("bench", "a password of this benchmark")
        with services.database.write_rows() as rows:
            _fill(tree, data, services.accounts.get("bench").account_id, rows)
        services.installation.ensure()
        services.database.dispose()
        yield Path(name)


def _fill(tree: Tree, data: Path, account_id: uuid.UUID, connection: Connection) -> None:
    """The files, and their rows as they are when all has arrived."""
    rows, now = [], datetime.now(UTC)
    for number in range(tree.count):
        file_id, content = uuid.uuid4(), os.urandom(tree.size)
        path = data / "blobs" / file_id.hex[:2] / file_id.hex
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        rows.append({
            "id": file_id, "account_id": account_id, "name": f"{number}.bin", "holds_name": True,
            "folded_name": f"{number}.bin", "media_type": "application/octet-stream", "state": FileState.COMPLETE,
            "length": tree.size, "length_declared": True, "received_bytes": tree.size, "reserved_bytes": tree.size,
            "sha256": hashlib.sha256(content).hexdigest(), "created_at": now, "updated_at": now, "completed_at": now,
        })  # fmt: skip
    connection.execute(insert(File.__table__), rows)
