"""How the events of one instance reach the others: through Redis, or through PostgreSQL's NOTIFY.

Who sends never waits: what is sent goes into an outbox, which one greenlet empties in order. An event is sent at most
once, and one that could not be sent for KEEP_SECONDS is dropped: clients that missed it find everything by HTTP, and
what comes late would be news to nobody.
"""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cached_property
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from transfer_service.db.notices import MOST_BYTES
from transfer_service.errors import ServerAway
from transfer_service.logs import Outage
from transfer_service.patience import jitter
from transfer_service.services.shared_windows import connect_redis
from transfer_service.threads import run_beside

if TYPE_CHECKING:
    from redis import Redis

    from transfer_service.db.database import Database

CHANNEL = "transfer_events"
REDIS_CHANNEL = "socketio"
"""That of earlier versions: during an upgrade they hear each other."""
KEEP_SECONDS = 10.0
RETRY_SECONDS = 1.0
BEAT_SECONDS = 3.0
MOST_WAITING, MOST_WAITING_CHARACTERS = 10_000, 16 * 1024 * 1024
BATCH = 200
PIECE_CHARACTERS = MOST_BYTES - 100
"""Of a notice, beside what says whose it is. Events are ASCII."""
LAST, MORE = ".", "+"

Receive = Callable[[str], None]


class EventChannel(Protocol):
    """What all instances hear that one of them says."""

    def send(self, event: str) -> None:
        """Say something to the others, in ASCII. Returns at once and raises nothing."""

    def open(self, receive: Receive) -> None:
        """Call `receive` with what others say from now on, in their order, and perhaps with what was said here."""


class Outbox:
    """What waits to be sent: in order, for KEEP_SECONDS, and never more than memory should hold.

    `connect` raises where nothing can be sent, `send` where something may have been sent or not.
    """

    def __init__(self, *, connect: Callable[[], object], send: Callable[[Sequence[str]], None], outage: Outage) -> None:
        self._connect = connect
        self._send = send
        self._outage = outage
        self._waiting: deque[tuple[float, str]] = deque()
        self._characters = 0
        self._is_running = False
        self._lock = Lock()

    def put(self, event: str) -> None:
        """Send it soon."""
        with self._lock:
            self._waiting.append((time.monotonic(), event))
            self._characters += len(event)
            while len(self._waiting) > MOST_WAITING or self._characters > MOST_WAITING_CHARACTERS:
                self._take()
            is_first, self._is_running = not self._is_running, True
        if is_first:
            run_beside(self._run)

    def _take(self) -> str:
        _, event = self._waiting.popleft()
        self._characters -= len(event)
        return event

    def _run(self) -> None:
        is_connected = False
        while self._has_more():
            try:
                if not is_connected:
                    self._connect()
            except Exception as error:  # noqa: BLE001 - whatever a driver raises
                self._outage.begin(error)
                time.sleep(jitter(0.5, 1.0) * RETRY_SECONDS)
                continue
            try:
                self._send(self._next_batch())
            except ServerAway:
                is_connected = False  # which the log says already
            except Exception as error:  # noqa: BLE001
                is_connected = False
                self._outage.begin(error)
            else:
                is_connected = True
                self._outage.end()

    def _has_more(self) -> bool:
        """Whether something is left to send that is not too old. After False the next `put` begins again."""
        oldest = time.monotonic() - KEEP_SECONDS
        with self._lock:
            while self._waiting and self._waiting[0][0] < oldest:
                self._take()
            self._is_running = bool(self._waiting)
            return self._is_running

    def _next_batch(self) -> list[str]:
        with self._lock:
            return [self._take() for _ in range(min(BATCH, len(self._waiting)))]


class RedisChannel:
    """Redis's publish and subscribe. A connection that says nothing is asked whether it lives."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._outbox = Outbox(
            connect=lambda: self._client.ping(), send=self._publish, outage=Outage("redis", used_for="events")
        )

    def send(self, event: str) -> None:
        """See EventChannel."""
        self._outbox.put(event)

    def open(self, receive: Receive) -> None:
        """See EventChannel."""
        run_beside(lambda: self._hear(receive))

    @cached_property
    def _client(self) -> Redis:
        return connect_redis(self._url)

    def _publish(self, events: Sequence[str]) -> None:
        with self._client.pipeline(transaction=False) as pipeline:
            for event in events:
                pipeline.publish(REDIS_CHANNEL, event)
            pipeline.execute()

    def _hear(self, receive: Receive) -> None:
        outage = Outage("redis", used_for="hearing events")
        while True:
            try:
                with closing(connect_redis(self._url)) as client:
                    subscription: Any = client.pubsub()  # type: ignore[no-untyped-call]
                    subscription.subscribe(REDIS_CHANNEL)
                    self._follow(subscription, receive, outage)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                outage.begin(error)
            time.sleep(jitter(0.5, 1.0) * RETRY_SECONDS)

    def _follow(self, subscription: Any, receive: Receive, outage: Outage) -> None:
        """Hear, as long as there is a sign of life within two beats."""
        is_asked = False
        while True:
            message = subscription.get_message(timeout=BEAT_SECONDS)
            if message is None:
                if is_asked:
                    raise TimeoutError
                subscription.ping()
                is_asked = True
                continue
            is_asked = False
            outage.end()
            if message["type"] == "message":
                receive(message["data"].decode())


class NoticeChannel:
    """Notices of the database. What is too long for one goes in pieces, which one transaction keeps together."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._own = uuid.uuid4().hex
        self._numbers = count()
        self._outbox = Outbox(connect=lambda: None, send=self._notify, outage=Outage("event_notices"))
        self._pieces: list[str] = []

    def send(self, event: str) -> None:
        """See EventChannel."""
        self._outbox.put(event)

    def open(self, receive: Receive) -> None:
        """See EventChannel."""
        self._database.notices.listen(CHANNEL, lambda notice: self._hear(notice, receive))

    def _notify(self, events: Sequence[str]) -> None:
        with self._database.write_rows() as rows:
            for event in events:
                for piece, mark in _pieces_of(event):
                    # The number keeps one from being taken for another: of equals a transaction sends one.
                    self._database.notices.notify(rows, CHANNEL, f"{self._own} {next(self._numbers)} {mark}{piece}")

    def _hear(self, notice: str | None, receive: Receive) -> None:
        if notice is None:  # what comes next is the beginning of an event
            self._pieces.clear()
            return
        sender, _, piece = notice.split(" ", 2)
        if sender == self._own:
            return
        self._pieces.append(piece[1:])
        if piece.startswith(LAST):
            event = "".join(self._pieces)
            self._pieces.clear()
            receive(event)


def _pieces_of(event: str) -> list[tuple[str, str]]:
    starts = range(0, len(event) or 1, PIECE_CHARACTERS)
    return [(event[at : at + PIECE_CHARACTERS], MORE if at != starts[-1] else LAST) for at in starts]


def make_channel(redis_url: str | None, database: Database) -> EventChannel | None:
    """What joins the instances of an installation, None where it can have only one."""
    if redis_url:
        return RedisChannel(redis_url)
    return None if database.is_sqlite else NoticeChannel(database)
