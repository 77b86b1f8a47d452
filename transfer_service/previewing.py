"""The previews of the worker: it looks for what is to be made, and makes some at once, each in a greenlet."""

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event
from sqlalchemy import make_url

from transfer_service.logs import failures_logged
from transfer_service.services.previews.maker import Maker
from transfer_service.services.previews.making import LEASE, PreviewMaking
from transfer_service.services.previews.previews import WANTED
from transfer_service.services.previews.removal import PreviewRemoval
from transfer_service.telemetry.traces import Traced

if TYPE_CHECKING:
    from transfer_service.db.database import Database
    from transfer_service.services.core import Core

LOOK_SECONDS, LOOK_SECONDS_WITH_NOTICES = 0.05, 0.5
TIDY_SECONDS = 1.0
IDLE_SECONDS = 600.0
"""After so long without anything to make its process goes, and gives its memory back."""
MOST_AT_ONCE = 2


class Previewing:
    """Makes previews until it is killed. `at_once` is how many at a time: one processor is left to the service."""

    def __init__(self, core: "Core", *, at_once: int | None = None, lease: timedelta = LEASE) -> None:
        self._maker = Maker()
        self._making = PreviewMaking(core, self._maker, lease=lease)
        self._removal = PreviewRemoval(core)
        self._at_once = at_once or max(1, min(MOST_AT_ONCE, len(os.sched_getaffinity(0)) - 1))
        self._look_seconds = LOOK_SECONDS if core.database.is_sqlite else LOOK_SECONDS_WITH_NOTICES
        self._running: dict[str, gevent.Greenlet[..., None]] = {}
        self._news = Event()
        self._rests_until = 0.0
        self._tidied_at = self._asked_at = 0.0
        self._log = _WriteAheadLog(core.database)
        core.database.notices.listen(WANTED, lambda _subject: self._news.set())

    def run(self) -> None:
        """Look and make, for ever."""
        try:
            while True:
                with failures_logged():
                    self._look()
                self._news.wait(self._look_seconds)
                self._news.clear()
        finally:
            gevent.killall(list(self._running.values()))
            self._maker.stop()

    def _look(self) -> None:
        now = time.monotonic()
        if now >= self._tidied_at + TIDY_SECONDS:
            self._tidied_at = now
            for _ in self._removal.remove_gone(dry_run=False):
                pass
        free = self._at_once - len(self._running)
        if not free or now < self._rests_until or not (self._log.has_changed() or now >= self._asked_at + TIDY_SECONDS):
            return
        self._asked_at = now
        for subject in self._making.choose(free):
            if subject not in self._running:
                self._running[subject] = gevent.spawn(self._make, subject)
        if not self._running and now > self._maker.used_at + IDLE_SECONDS:
            self._maker.stop()

    def _make(self, subject: str) -> None:
        try:
            with failures_logged(), Traced("job preview"):
                if not self._making.make(subject):
                    self._rests_until = time.monotonic() + self._look_seconds
        finally:
            del self._running[subject]
            self._log.forget()
            self._news.set()


class _WriteAheadLog:
    """The log of SQLite, which shows for the price of a system call whether anybody has written; a server has none."""

    def __init__(self, database: "Database") -> None:
        self._path = f"{make_url(database.url).database}-wal" if database.is_sqlite else None
        self._seen: tuple[int, int] | None = None

    def has_changed(self) -> bool:
        """Whether anybody may have written since this was asked."""
        if self._path is None:
            return True
        try:
            found = Path(self._path).stat()
        except OSError:
            return True
        before, self._seen = self._seen, (found.st_mtime_ns, found.st_size)
        return before != self._seen

    def forget(self) -> None:
        """Take it for changed the next time: there was more to do than could be."""
        self._seen = None
