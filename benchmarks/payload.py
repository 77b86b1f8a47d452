"""The files that are sent and fetched."""

import hashlib
import mmap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.connection import Connection
from benchmarks.measure import MEBIBYTE
from benchmarks.servers import Server
from transfer_service.wire.chunk_frames import LONG_FRAME


@dataclass(frozen=True)
class Payload:
    """A file of random bytes, mapped, and its digest."""

    path: Path
    view: memoryview
    sha256: str


def make_payload(path: Path, size: int) -> Payload:
    """Write a file of `size` bytes, always the same ones for that size."""
    generator = np.random.default_rng(size)
    with path.open("wb") as file:
        for start in range(0, size, 64 * MEBIBYTE):
            file.write(generator.bytes(min(64 * MEBIBYTE, size - start)))
    with path.open("rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    return Payload(path, view, hashlib.sha256(view).hexdigest())


def chunk_requests(
    connection: Connection, name: str, payload: Payload, starts: Iterable[int], *, chunk_bytes: int
) -> list[tuple[bytes, memoryview]]:
    """The requests that send chunks of a file, ready: what comes before the data, and the data."""
    length = len(payload.view)
    path = f"/api/files/upload?filename={name}&total_size={length}"
    requests = []
    for start in starts:
        data = payload.view[start : start + chunk_bytes]
        checksum = int(np.frombuffer(data, dtype=np.uint8).sum(dtype=np.uint8))
        frame_header = LONG_FRAME.header.pack(start, start + len(data) - 1, checksum)
        head = connection.head("POST", path, len(frame_header) + len(data), "application/octet-stream")
        requests.append((head + frame_header, data))
    return requests


def store(server: Server, payload: Payload) -> str:
    """Upload a file to our service, and return the path of its download."""
    with Connection(server.port, server.token) as connection, payload.path.open("rb") as file:
        path = f"/api/files?filename={payload.path.name}"
        head = connection.head("POST", path, len(payload.view), "application/octet-stream")
        stored = connection.exchange_file(head, file).expect(201).json()
    return f"/api/files/{stored['file_id']}/download"
