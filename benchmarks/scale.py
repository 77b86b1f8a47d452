"""Does a request cost more where there is much? The same requests to a small and to a large service, by turns.

Both are filled through the models. The upload that is asked about lacks its first byte, and every chunk makes one
interval in its middle a little longer: so both services do the same work, and differ only in the rows around it.
"""

import argparse
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import insert, select

from benchmarks.connection import Connection
from benchmarks.measure import Cost, median_cost, progress, say, say_goal, say_table
from benchmarks.servers import ACCOUNT, Server, service
from transfer_service.db.database import Database
from transfer_service.models.accounts import Account
from transfer_service.models.files import File, FileState, ReceivedRange
from transfer_service.storage.disk import DiskStore
from transfer_service.wire.chunk_frames import LONG_FRAME

NAME = "upload.bin"
SLOT_BYTES = 16 * 1024**2  # each slot of the upload has one interval, and room for it to grow
SLOTS = 10_000
GROWING_SLOT = SLOTS // 2
STORED_BYTES, CHUNK = 1024, b"\x01" * 1024
BATCH_ROWS = 10_000
WARM_UP = 20
GOAL = 2.0
COLUMNS = ["", "small ms", "large ms", "ratio", "small CPU ms", "large CPU ms", "ratio"]


@dataclass(frozen=True)
class Size:
    """How much a service holds: finished files, and the slots of one upload that have an interval."""

    files: int
    slots: range


SMALL = Size(files=100, slots=range(GROWING_SLOT, GROWING_SLOT + 1))
LARGE = Size(files=100_000, slots=range(SLOTS))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    group = parser.add_argument_group("scale")
    group.add_argument("--requests", type=int, default=500, help="how many of each kind a run sends (default: 500)")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    kinds = {"status": _status_request, "list, limit=100": _list_request, "one chunk": _chunk_request}
    costs: dict[tuple[str, str], list[Cost]] = {}
    with (
        service("small", prepare=partial(_fill, size=SMALL), TRANSFER_MAX_FILE_BYTES="1TiB") as small,
        service("large", prepare=partial(_fill, size=LARGE), TRANSFER_MAX_FILE_BYTES="1TiB") as large,
    ):
        for number in range(arguments.runs):
            for title, make_request in kinds.items():
                for server in (small, large) if number % 2 == 0 else (large, small):
                    progress(f"run {number + 1} of {arguments.runs}: {title}, {server.name}")
                    first = number * (WARM_UP + arguments.requests)
                    cost = _measure(server, make_request, first=first, count=arguments.requests)
                    costs.setdefault((title, server.name), []).append(cost)
    _report(list(kinds), {key: median_cost(each) for key, each in costs.items()}, arguments)


def _status_request(connection: Connection, _number: int) -> bytes:
    return connection.head("GET", f"/api/files/status/{NAME}", 0, "text/plain")


def _list_request(connection: Connection, _number: int) -> bytes:
    return connection.head("GET", "/api/files?limit=100", 0, "text/plain")


def _chunk_request(connection: Connection, number: int) -> bytes:
    frame = LONG_FRAME.format(GROWING_SLOT * SLOT_BYTES + 2 * STORED_BYTES + number * len(CHUNK), CHUNK)
    return connection.head("POST", f"/api/files/upload?filename={NAME}", len(frame), "application/octet-stream") + frame


def _measure(server: Server, make_request: Callable[[Connection, int], bytes], *, first: int, count: int) -> Cost:
    """The median wall-clock seconds and the mean CPU seconds of one request."""
    with Connection(server.port, server.token) as connection:
        for number in range(first, first + WARM_UP):
            connection.exchange(make_request(connection, number)).expect(200)
        requests = [make_request(connection, first + WARM_UP + number) for number in range(count)]
        walls = []
        before = server.cpu_seconds()
        for request in requests:
            began = time.perf_counter()
            answer = connection.exchange(request)
            walls.append(time.perf_counter() - began)
            answer.expect(200)
        return Cost(median(walls), (server.cpu_seconds() - before) / count)


def _fill(data_dir: Path, *, size: Size) -> None:
    """Put finished files and one upload into a migrated database, and a hole of full length behind the upload."""
    progress(f"filling a service with {size.files:,} files and an upload of {len(size.slots):,} intervals")
    database = Database(f"sqlite:///{data_dir / 'transfer.sqlite3'}")
    upload_id = uuid.uuid4()
    with database.write() as session:
        account_id = session.scalars(select(Account.id).where(Account.name == ACCOUNT)).one()
        for start in range(0, size.files, BATCH_ROWS):
            files = [_finished_file(account_id, number) for number in range(start, min(start + BATCH_ROWS, size.files))]
            session.execute(insert(File), files)
            ranges = [{"file_id": file["id"], "start": 0, "stop": file["length"]} for file in files]
            session.execute(insert(ReceivedRange), ranges)
        session.execute(insert(File), [_upload(account_id, upload_id, received_bytes=len(size.slots) * STORED_BYTES)])
        starts = [slot * SLOT_BYTES + STORED_BYTES for slot in size.slots]
        intervals = [{"file_id": upload_id, "start": start, "stop": start + STORED_BYTES} for start in starts]
        session.execute(insert(ReceivedRange), intervals)
    database.dispose()
    blob = DiskStore(data_dir / "blobs").path_of(upload_id)
    with blob.open("wb") as file:
        file.truncate(SLOTS * SLOT_BYTES)


def _finished_file(account_id: uuid.UUID, number: int) -> dict[str, Any]:
    created_at = datetime.now(UTC) - timedelta(days=1) + timedelta(milliseconds=number)
    facts = _file(account_id, uuid.uuid4(), f"file {number}.bin", created_at, length=STORED_BYTES)
    return {
        **facts,
        "state": FileState.COMPLETE,
        "received_bytes": STORED_BYTES,
        "sha256": "0" * 64,
        "completed_at": created_at,
    }


def _upload(account_id: uuid.UUID, file_id: uuid.UUID, *, received_bytes: int) -> dict[str, Any]:
    facts = _file(account_id, file_id, NAME, datetime.now(UTC), length=SLOTS * SLOT_BYTES)
    return {**facts, "state": FileState.RECEIVING, "received_bytes": received_bytes}


def _file(account_id: uuid.UUID, file_id: uuid.UUID, name: str, created_at: datetime, *, length: int) -> dict[str, Any]:
    return {
        "id": file_id,
        "account_id": account_id,
        "name": name,
        "holds_name": True,
        "media_type": "application/octet-stream",
        "length": length,
        "length_declared": True,
        "reserved_bytes": length,
        "created_at": created_at,
        "updated_at": created_at,
    }


def _report(titles: list[str], medians: dict[tuple[str, str], Cost], arguments: argparse.Namespace) -> None:
    lines, ratios = [], {}
    for title in titles:
        small, large = medians[title, "small"], medians[title, "large"]
        wall_ratio, cpu_ratio = large.wall_seconds / small.wall_seconds, large.cpu_seconds / small.cpu_seconds
        ratios[title] = max(wall_ratio, cpu_ratio)
        walls = [f"{cost.wall_seconds * 1000:.2f}" for cost in (small, large)]
        cpus = [f"{cost.cpu_seconds * 1000:.2f}" for cost in (small, large)]
        lines.append([title, *walls, f"{wall_ratio:.2f}", *cpus, f"{cpu_ratio:.2f}"])
    small_size, large_size = (f"{size.files:,} files, {len(size.slots):,} intervals" for size in (SMALL, LARGE))
    title = f"Cost of one request, small ({small_size}) and large ({large_size})"
    say_table(f"{title}, medians of {arguments.runs} runs of {arguments.requests}", COLUMNS, lines)
    say()
    for kind in titles:
        say_goal(f"{kind}: large at most {GOAL:g} times small", f"{ratios[kind]:.2f} times", ratios[kind] <= GOAL)
