"""The numbers of all processes that belong together: a file for each, in one folder, which they find by the settings.

A process is alive as long as it holds the lock of its file, which the kernel takes from it whatever it dies of. What a
dead one has counted goes on to count, what it showed as a gauge does not. Files of the dead are put together into one
(`past`), by whoever finds many. That is one rename, and what it holds names the files that are in it: so nothing counts
twice or not at all, wherever whoever does it is killed.
"""

import fcntl
import json
import os
import posix
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from gevent.monkey import get_original

from transfer_service.telemetry.numbers import Numbers, read_series

Series = dict[str, tuple[int, ...]]
SUFFIX = ".numbers"
MANY_DEAD = 8
TURN_SECONDS = 1.0
_POLL_SECONDS = 0.005


class FolderBusy(Exception):
    """Another process has had the folder for too long."""


@dataclass(slots=True)
class Reading:
    """What there is: of all processes there were, and of each one alive, by its role (`service`, `worker`)."""

    ever: Series = field(default_factory=dict)
    alive: list[tuple[str, Series]] = field(default_factory=list)


def merge(total: Series, more: Series) -> None:
    """Add one to the other."""
    for key, numbers in more.items():
        known = total.get(key)
        is_same = known is not None and len(known) == len(numbers)
        total[key] = tuple(map(sum, zip(known, numbers, strict=True))) if known and is_same else numbers


class MetricsFolder:
    """`path` is made by who opens a file in it. Raises OSError, FolderBusy."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own: str | None = None

    def empty(self) -> None:
        """Forget what ended processes have counted: a service starts, without an event loop as yet."""
        with self._turn(sleep=get_original("time", "sleep")):
            for path in self._path.iterdir():
                is_old = path.name == "past" or (SUFFIX in path.name and _is_dead(path))
                if is_old:
                    path.unlink(missing_ok=True)

    def open(self, role: str) -> Numbers:
        """The file of this process."""
        with self._turn():
            numbers = Numbers(self._path / f"{role}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}")
            self._own = numbers.path.name
            self._put_together(self._files())
        return numbers

    def read(self) -> Reading:
        """The present numbers."""
        with self._turn():
            files = self._files()
            past, merged = self._past()
            reading = Reading(ever=past)
            for path in files:
                if path.name in merged:
                    continue
                is_alive = path.name == self._own or not _is_dead(path)
                series = dict(read_series(path.read_bytes()))
                merge(reading.ever, series)
                if is_alive:
                    reading.alive.append((path.name.partition("-")[0], series))
            self._put_together(files)
        return reading

    def _files(self) -> list[Path]:
        return [path for path in self._path.iterdir() if path.name.endswith(SUFFIX) and not path.name.startswith(".")]

    def _past(self) -> tuple[Series, frozenset[str]]:
        """The numbers in `past`, and the names of the files that are in it and may still be there."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads((self._path / "past").read_text("utf-8"))
            return {key: tuple(numbers) for key, numbers in kept["series"].items()}, frozenset(kept["merged"])
        return {}, frozenset()

    def _put_together(self, files: list[Path]) -> None:
        dead = [path for path in files if path.name != self._own and _is_dead(path)]
        if len(dead) < MANY_DEAD:
            return
        total, merged = self._past()
        new = [path for path in dead if path.name not in merged]
        for path in new:
            merge(total, dict(read_series(path.read_bytes())))
        draft = self._path / ".past"
        names = [path.name for path in dead]
        with suppress(OSError):  # the disk is full: another time
            draft.write_text(json.dumps({"merged": names, "series": total}), "utf-8")
            draft.rename(self._path / "past")
            for path in dead:
                path.unlink()

    @contextmanager
    def _turn(self, sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
        """One process at a time, and never for long: one that is stopped in its turn must not stop others."""
        self._path.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(self._path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + TURN_SECONDS
            while not _try_flock(descriptor):
                if time.monotonic() >= deadline:
                    raise FolderBusy
                sleep(_POLL_SECONDS)
            yield
        finally:
            posix.close(descriptor)


def _is_dead(path: Path) -> bool:
    """Whether no process holds the file's lock."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        return _try_flock(descriptor)
    finally:
        posix.close(descriptor)


def _try_flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
