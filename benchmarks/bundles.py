"""What does an archive that is made while it is sent cost, beside one file of the same length?

Its files are 10 000 names of the same bytes on the disk (hard links), so that no disk is measured. The client throws
away what it gets. Printed are CPU seconds of the server for a GiB of the archive, of one plain file, and of the same
files one by one; the time to the first byte; and the memory that the server needs meanwhile.
"""

import argparse
import hashlib
import json
import os
import time
import uuid
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from benchmarks.connection import Connection
from benchmarks.fetch import Fetcher, Wanted, wanted
from benchmarks.measure import GIBIBYTE, KIBIBYTE, MEBIBYTE, say_goal, say_table
from benchmarks.servers import ACCOUNT, Server, service
from config import Settings
from transfer_service.bootstrap import Services, build_services
from transfer_service.models.files import FileState
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.rows import FileRecord

COUNT = 10_000
SIZES = (100 * KIBIBYTE, MEBIBYTE)
FIRST_BYTE_SECONDS, CPU_RATIO = 0.2, 1.3
FIRST_BYTES = 20
PLAIN = "plain.bin"


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    count = COUNT // 10 if arguments.quick else COUNT
    plain_bytes = arguments.mebibytes * MEBIBYTE
    with service(prepare=partial(_fill, count=count, plain_bytes=plain_bytes)) as server:
        plain = _plain(server, plain_bytes)
        rows, goals = [], list[Callable[[], object]]()
        for size in SIZES:
            row, more = _measure(server, size, plain, arguments.runs)
            rows.append(row)
            goals += more
        say_table(
            f"Bundles of {count} files",
            ["files of", "first byte ms", "CPU s/GiB", "of plain", "one by one", "memory MiB"],
            rows,
        )
        for goal in goals:
            goal()


def _fill(data_dir: Path, *, count: int, plain_bytes: int) -> None:
    """Put the files there: rows, and names of the same bytes."""
    settings = Settings(data_dir=data_dir)
    services = build_services(settings)
    account_id = services.accounts.get(ACCOUNT).account_id
    add = partial(add_files, services, settings.blob_dir, account_id)
    for size in SIZES:
        content = os.urandom(size)
        add([f"{size}/{number:05} a photo.jpg" for number in range(count)], content)
    add([PLAIN], os.urandom(MEBIBYTE) * (plain_bytes // MEBIBYTE))
    services.database.dispose()


def add_files(
    services: Services, blobs: Path, account_id: uuid.UUID, names: list[str], content: bytes
) -> list[uuid.UUID]:
    """Store the same bytes under many names, on the disk once. The ids of the files."""
    now = datetime.now(UTC)
    file = FileRecord(
        id=uuid.uuid4(), account_id=account_id, name="", holds_name=True, media_type="image/jpeg", created_at=now,
        updated_at=now, state=FileState.COMPLETE, length=len(content), length_declared=True,
        received_bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), crc32=zlib.crc32(content),
        completed_at=now,
    )  # fmt: skip
    first: Path | None = None
    ids = [uuid.uuid4() for _ in names]
    with services.database.write_rows() as rows:
        for file_id, name in zip(ids, names, strict=True):
            named = replace(file, id=file_id, name=name)
            file_rows.add(rows, named)
            path = blobs / named.id.hex[:2] / named.id.hex
            path.parent.mkdir(parents=True, exist_ok=True)
            if first is None:
                path.write_bytes(content)
                first = path
            else:
                path.hardlink_to(first)
    return ids


class _Subject:
    """What is fetched: requests, and how many bytes they are."""

    def __init__(self, server: Server, files: list[Wanted]) -> None:
        self._server = server
        self._files = files
        self._gibibytes = sum(file.length for file in files) / GIBIBYTE

    def cpu_seconds(self) -> float:
        """What it costs the server to send a GiB of it."""
        with Fetcher(self._server.port) as fetcher:
            before = self._server.cpu_seconds()
            for file in self._files:
                fetcher.fetch(file)
            return (self._server.cpu_seconds() - before) / self._gibibytes


def _plain(server: Server, length: int) -> _Subject:
    return _Subject(server, [wanted(server, f"/api/files/download/{PLAIN}", length)] * 4)


def _measure(server: Server, size: int, plain: _Subject, runs: int) -> tuple[list[str], list[Callable[[], object]]]:
    """A line of the table, and its goals."""
    archive, ids = _bundle(server, size)
    subject = _Subject(server, [archive])
    one_by_one = _Subject(server, [wanted(server, f"/api/files/{each}/download", size) for each in ids])
    first = [_first_byte(server, archive) for _ in range(FIRST_BYTES)]
    server.forget_peak_memory()
    before = server.peak_memory_bytes()
    costs = [(subject.cpu_seconds(), plain.cpu_seconds()) for _ in range(runs)]
    memory = (server.peak_memory_bytes() - before) / MEBIBYTE
    ratio = median(own / other for own, other in costs)
    own, alone = median(own for own, _ in costs), one_by_one.cpu_seconds()
    title = f"{size // KIBIBYTE} KiB"
    row = [title, f"{median(first) * 1000:.0f}", f"{own:.2f}", f"{ratio:.2f}", f"{own / alone:.2f}", f"{memory:.1f}"]
    soon = f"{title}: first byte within {FIRST_BYTE_SECONDS * 1000:.0f} ms"
    cheap = f"{title}: CPU per GiB at most {CPU_RATIO} times that of a plain download"
    return row, [
        partial(say_goal, soon, f"{median(first) * 1000:.0f} ms", median(first) <= FIRST_BYTE_SECONDS),
        partial(say_goal, cheap, f"{ratio:.2f}", ratio <= CPU_RATIO),
    ]


def _bundle(server: Server, size: int) -> tuple[Wanted, list[str]]:
    """The archive of all files of a size, and their ids."""
    with Connection(server.port, server.token) as connection:
        ids = list[str]()
        cursor: str | None = ""
        while cursor is not None:
            page = connection.request("GET", f"/api/files?folder={size}&limit=1000{cursor}").expect(200).json()
            ids += [file["file_id"] for file in page["files"]]
            cursor = None if page["next_cursor"] is None else f"&cursor={page['next_cursor']}"
        body = json.dumps({"file_ids": ids}).encode()
        answer = connection.request("POST", "/api/bundles", body, media_type="application/json")
    made = answer.expect(201).json()
    address = urlsplit(made["url"])
    return wanted(server, f"{address.path}?{address.query}", made["size"]), ids


def _first_byte(server: Server, archive: Wanted) -> float:
    """Seconds from the request to the first byte of the answer; then the client goes."""
    with Fetcher(server.port) as fetcher:
        began = time.monotonic()
        fetcher.ask(archive)
        fetcher.drink(1)
        return time.monotonic() - began
