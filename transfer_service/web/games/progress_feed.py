"""The streams of progress in this process: one look at the database a second, whatever the number of readers."""

import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from itertools import count
from typing import NamedTuple

from transfer_service.errors import TransferError
from transfer_service.logs import log_error
from transfer_service.services.games.job_rows import DownloadRecord
from transfer_service.web.games.printing import progress_event
from transfer_service.wire.sse import HEARTBEAT

FEED = "transfer_service.progress_feed"
TICK_SECONDS = 1.0
TICKS_A_CHECK = 2
SILENT_TICKS = 2
READERS_A_ROUND = 20
PAUSE_SECONDS = 0.001


class _News(NamedTuple):
    """An event, empty for none, and whether the stream ends with it."""

    event: bytes
    is_last: bool


_END = _News(b"", is_last=True)


class _Reader:
    """One stream: at most the newest event waits for it, however slowly its client reads."""

    def __init__(self, game_id: uuid.UUID, sign_in_id: uuid.UUID) -> None:
        self.game_id = game_id
        self.sign_in_id = sign_in_id
        self.news = threading.Event()
        self.newest = _END

    def hand(self, news: _News) -> None:
        """Put news in the place of those before, read or not."""
        self.newest = news
        self.news.set()


class ProgressFeed:
    """Hands every reader the state of its game each `tick_seconds`; without readers nothing runs.

    Sign-ins that were ended and accounts that were disabled are looked for every TICKS_A_CHECK ticks (2 seconds), by
    one query for all of them; that a token expires each reader knows by itself. While the database does not answer,
    streams live on comments. `find_progress` and `find_alive` are those of the services.
    """

    def __init__(
        self,
        *,
        find_progress: Callable[[Collection[uuid.UUID]], Mapping[uuid.UUID, DownloadRecord]],
        find_alive: Callable[[Collection[uuid.UUID]], Collection[uuid.UUID]],
        now: Callable[[], datetime],
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        self._find_progress = find_progress
        self._find_alive = find_alive
        self._now = now
        self._tick_seconds = tick_seconds
        self._lock = threading.Lock()  # held for a moment only, never during a query or a pause
        self._readers: set[_Reader] = set()
        self._is_running = False
        self._is_stopped = False

    @property
    def is_running(self) -> bool:
        """Whether somebody looks at the database."""
        return self._is_running

    def follow(self, download: DownloadRecord, *, sign_in_id: uuid.UUID, expires_at: float) -> Iterator[bytes]:
        """The stream of a game, from its latest job's state on until that, or a newer one, has ended.

        It also ends with the token (`expires_at`, unix seconds), with the sign-in, and when the server stops.
        """
        yield progress_event(download, is_first=True)
        if not download.state.is_active:
            return
        reader = _Reader(download.game_id, sign_in_id)
        self._add(reader)
        try:
            yield from self._events(reader, expires_at)
        finally:
            self._remove(reader)

    def _events(self, reader: _Reader, expires_at: float) -> Iterator[bytes]:
        while True:
            has_news = reader.news.wait(SILENT_TICKS * self._tick_seconds)
            if expires_at <= self._now().timestamp():
                return
            if not has_news:
                yield HEARTBEAT
                continue
            reader.news.clear()
            event, is_last = reader.newest
            if event:
                yield event
            if is_last:
                return

    def stop(self) -> None:
        """End every stream now, later ones after their first event: clients connect again, to another instance."""
        self._is_stopped = True
        self._end_all()

    def _add(self, reader: _Reader) -> None:
        with self._lock:
            if self._is_stopped:
                reader.hand(_END)
                return
            self._readers.add(reader)
            if self._is_running:
                return
            self._is_running = True
        threading.Thread(target=self._run, name="progress-feed", daemon=True).start()

    def _remove(self, reader: _Reader) -> None:
        with self._lock:
            self._readers.discard(reader)

    def _hand(self, reader: _Reader, news: _News) -> None:
        """Give a reader news, unless its stream has ended meanwhile."""
        with self._lock:
            if reader in self._readers:
                if news.is_last:
                    self._readers.discard(reader)
                reader.hand(news)

    def _end_all(self) -> None:
        for reader in self._present():
            self._hand(reader, _END)

    def _present(self) -> list[_Reader]:
        with self._lock:
            return list(self._readers)

    def _has_readers(self) -> bool:
        """Whether to go on. After False, the next reader starts the next run."""
        with self._lock:
            self._is_running = bool(self._readers)
            return self._is_running

    def _run(self) -> None:
        spent = 0.0
        for tick in count(1):
            time.sleep(max(self._tick_seconds - spent, 0.0))
            if not self._has_readers():
                return
            began = time.monotonic()
            try:
                self._tick(checks_sign_ins=tick % TICKS_A_CHECK == 0)
            except TransferError:
                pass  # the database does not answer: nobody can be told or judged now
            except Exception as error:  # noqa: BLE001 - a fault of ours must not leave readers waiting for ever
                log_error(error)
                self._end_all()
            spent = time.monotonic() - began

    def _tick(self, *, checks_sign_ins: bool) -> None:
        readers = self._present()
        if checks_sign_ins:
            alive = self._find_alive({reader.sign_in_id for reader in readers})
            for reader in readers:
                if reader.sign_in_id not in alive:
                    self._hand(reader, _END)
        found = self._find_progress({reader.game_id for reader in readers})
        news = {each.game_id: _News(progress_event(each), not each.state.is_active) for each in found.values()}
        for number, reader in enumerate(readers, start=1):
            self._hand(reader, news.get(reader.game_id, _END))
            if number % READERS_A_ROUND == 0:
                time.sleep(PAUSE_SECONDS)  # or all of them would be served before anybody else is
