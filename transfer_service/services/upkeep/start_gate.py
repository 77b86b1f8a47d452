"""What must be true before a process changes anything."""

import threading
from collections.abc import Callable, Sequence


class StartGate:
    """Steps that are taken once, in order, by whoever comes first: at the start, or where they failed then, later.

    So a service that was started before its database answers, or before it is migrated, works once that is done.
    """

    def __init__(self, steps: Sequence[Callable[[], object]]) -> None:
        self._steps = list(steps)
        self._lock = threading.Lock()

    def add(self, step: Callable[[], object]) -> None:
        """One step more, after the others."""
        self._steps.append(step)

    def enter(self) -> None:
        """Return when every step is taken. Raises what a step raises; the next one who comes tries again."""
        if not self._steps:
            return
        with self._lock:
            while self._steps:
                self._steps[0]()
                del self._steps[0]
