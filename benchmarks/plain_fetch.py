"""The same without a service: `curl -o file`, then `sha256sum file`."""

import hashlib
import os
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import MEBIBYTE, Cost


@dataclass(frozen=True, slots=True)
class PlainFetch:
    """What curl and sha256sum took together, and the seconds of each part and of two more that are often asked about:
    flushing the file to the disk, and its digest by Python.
    """

    cost: Cost
    curl_seconds: float
    sha256sum_seconds: float
    sync_seconds: float
    hashlib_seconds: float


def fetch_plainly(url: str, path: Path, sha256: str) -> PlainFetch:
    """Fetch into `path`, which is gone afterwards. Raises RuntimeError for wrong bytes."""
    cpu, began = _children_cpu_seconds(), time.monotonic()
    subprocess.run(["curl", "-s", "-f", "-o", str(path), url], check=True)
    fetched_at = time.monotonic()
    printed = subprocess.run(["sha256sum", str(path)], check=True, capture_output=True, text=True).stdout
    hashed_at = time.monotonic()
    cost = Cost(hashed_at - began, _children_cpu_seconds() - cpu)
    if printed.split()[0] != sha256:
        raise RuntimeError("curl has fetched other bytes than were expected")
    sync_seconds = _sync(path)
    hashlib_seconds = _hash(path)
    path.unlink()
    return PlainFetch(cost, fetched_at - began, hashed_at - fetched_at, sync_seconds, hashlib_seconds)


def _children_cpu_seconds() -> float:
    """Of children that have ended and were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _sync(path: Path) -> float:
    began = time.monotonic()
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return time.monotonic() - began


def _hash(path: Path) -> float:
    hasher, buffer = hashlib.sha256(), bytearray(MEBIBYTE)
    began = time.monotonic()
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            hasher.update(memoryview(buffer)[:count])
    return time.monotonic() - began
