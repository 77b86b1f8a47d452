"""Transfers that end early because somebody, or an error that counts for all of them, says so."""

import threading

from transfer_service_client.errors import Stopped
from transfer_service_client.progress import Progress


class Stoppable:
    """A Progress whose transfers end, by Stopped, at their next bytes once `stop` is set."""

    def __init__(self, progress: Progress, stop: threading.Event) -> None:
        self._stop = stop
        self.begin, self.restart = progress.begin, progress.restart
        self.done, self.failed = progress.done, progress.failed
        self._advance = progress.advance

    def advance(self, name: str, count: int) -> None:
        """Pass it on. Raises Stopped."""
        if self._stop.is_set():
            raise Stopped(f"{name}: stopped")
        self._advance(name, count)
