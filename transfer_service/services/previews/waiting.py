"""Requests that wait for previews: one look at the database for all of them, and nothing held by any."""

import threading

from transfer_service.db.database import Database
from transfer_service.errors import TransferError
from transfer_service.logs import log_error
from transfer_service.services.previews import rows as preview_rows
from transfer_service.threads import run_beside

MADE = "previews_made"
"""The channel on which is told that previews are made that somebody waits for."""
LOOK_SECONDS = 0.05
LOOK_SECONDS_WITH_NOTICES = 0.5
CLOSE_SECONDS = 5.0


class Waits:
    """Who waits in this process. While somebody does, one thread or greenlet looks."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._look_seconds = LOOK_SECONDS if database.is_sqlite else LOOK_SECONDS_WITH_NOTICES
        self._lock = threading.Lock()  # held for a moment only
        self._waiting: dict[str, list[threading.Event]] = {}
        self._is_running = self._is_ending = False
        self._has_ended = threading.Event()
        self._has_ended.set()
        self._news = threading.Event()
        database.notices.listen(MADE, lambda _subject: self._news.set())
        database.at_rest(self._close)

    def until_made(self, subject: str, seconds: float) -> None:
        """Return when it is not to be made any more, or after so many seconds."""
        made = threading.Event()
        with self._lock:
            self._waiting.setdefault(subject, []).append(made)
            begins = not (self._is_running or self._is_ending)
            if begins:
                self._is_running = True
                self._has_ended.clear()
        if begins:
            run_beside(self._look)
        made.wait(seconds)
        with self._lock:
            waiting = self._waiting.get(subject, [])
            if made in waiting:
                waiting.remove(made)
            if not waiting:
                self._waiting.pop(subject, None)

    def _look(self) -> None:
        while self._present():
            self._news.wait(self._look_seconds)
            self._news.clear()
            subjects = self._present()  # also who has come meanwhile: the news may be theirs
            if not subjects:
                return
            try:
                with self._database.read_rows() as rows:
                    waiting = preview_rows.still_waiting(rows, subjects)
            except TransferError:
                continue  # the database does not answer
            except Exception as error:  # noqa: BLE001 - a fault of ours must not end the looking
                log_error(error)
                continue
            self._tell(set(subjects) - waiting)

    def _present(self) -> list[str]:
        """Whom there is to look for. After none, the next one who waits begins the looking again."""
        with self._lock:
            present = [] if self._is_ending else list(self._waiting)
            if not present:
                self._is_running = False
                self._has_ended.set()
            return present

    def _close(self) -> None:
        """Look no more: the database is going to be closed."""
        with self._lock:
            self._is_ending = True
        self._news.set()
        self._has_ended.wait(CLOSE_SECONDS)

    def _tell(self, subjects: set[str]) -> None:
        with self._lock:
            for subject in subjects:
                for made in self._waiting.get(subject, []):
                    made.set()
