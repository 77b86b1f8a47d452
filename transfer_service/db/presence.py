"""Whether a database server is there: who asks while it is away is refused at once, and nobody waits for it for long.

A server can go in ways that the network tells nobody of: packets are dropped, a machine is frozen, a proxy in between
answers in its place. So when somebody has waited for SUSPICIOUS_SECONDS, the server is asked by a connection made for
that. If it does not answer there either, it is away: all connections are cut, which ends every wait, and from then on
one probe a second is all that waits for it.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from transfer_service.errors import ServerAway
from transfer_service.logs import Outage
from transfer_service.threads import run_beside

LOOK_SECONDS = 0.5
SUSPICIOUS_SECONDS = 2.0
TRUSTED_SECONDS = 3.0
"""For how long an answer of the server means that the others only wait for their turn."""

Probe = Callable[[], None]


class Presence:
    """What is known of one server. `probe` raises what is wrong with it, within some seconds; `cut` ends all waits."""

    def __init__(self, *, probe: Probe, cut: Callable[[], None], outage: Outage) -> None:
        self._probe = probe
        self._cut = cut
        self._outage = outage
        self._waiting: dict[object, float] = {}
        self._answered_at = 0.0
        self._in_doubt = False
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._is_watched = False
        self._is_closed = False
        self.is_away = False

    def check(self) -> None:
        """Raises ServerAway."""
        if self.is_away:
            raise ServerAway

    @contextmanager
    def work(self) -> Iterator[None]:
        """What waits for answers of the server. Raises ServerAway at once while it is away."""
        self.check()
        self._look_after()
        token = object()
        self._waiting[token] = time.monotonic()
        try:
            yield
        except ServerAway:
            self._doubt()
            raise
        else:
            self._answered_at = time.monotonic()
        finally:
            del self._waiting[token]

    def close(self) -> None:
        """Look no longer."""
        self._is_closed = True
        self._wake.set()

    def _doubt(self) -> None:
        self._in_doubt = True
        self._wake.set()

    def _look_after(self) -> None:
        """Begin to look, with the first work: a process that forks must have no thread."""
        if self._is_watched:
            return
        with self._lock:
            is_first, self._is_watched = not self._is_watched, True
        if is_first:
            run_beside(self._run)

    def _run(self) -> None:
        while not self._is_closed:
            self._wake.wait(2 * LOOK_SECONDS if self.is_away else LOOK_SECONDS)
            self._wake.clear()
            if not self._is_closed and (self.is_away or self._is_suspicious()):
                self._look()

    def _is_suspicious(self) -> bool:
        now = time.monotonic()
        if now - self._answered_at < TRUSTED_SECONDS:
            return self._in_doubt
        return self._in_doubt or any(now - since > SUSPICIOUS_SECONDS for since in list(self._waiting.values()))

    def _look(self) -> None:
        self._in_doubt = False
        began = time.monotonic()
        try:
            self._probe()
        except Exception as error:  # noqa: BLE001 - whatever it is, there was no answer
            if self._answered_at > began:  # by others, who have connections: there may be no more of them
                return
            self.is_away = True
            self._outage.begin(error)
            self._cut()
        else:
            self._answered_at = time.monotonic()
            self.is_away = False
            self._outage.end()
