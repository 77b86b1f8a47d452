"""Work that is begun for a request, and goes on when that has been answered."""

import contextvars
import threading
import uuid
from collections.abc import Callable
from typing import Generic

from transfer_service.threads import Outcome, T

LOOK_SECONDS = 1.0
"""Who only looks waits no longer: not until gigabytes are hashed."""
ANSWER_SECONDS = 8.0
"""Who has brought the last byte waits no longer for what a remote store must give: clients give up after ten."""


class Aside(Generic[T]):
    """Work on a thread of its own, a greenlet where gevent serves. A process that ends leaves it undone."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._outcomes: list[Outcome[T]] = []
        context = contextvars.copy_context()  # what fails is logged under the request that began it
        self._thread = threading.Thread(target=context.run, args=(self._run, work), daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], T]) -> None:
        self._outcomes.append(Outcome(work))

    @property
    def has_ended(self) -> bool:
        """Whether nothing goes on any more."""
        return not self._thread.is_alive()

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it has come to its end within so many seconds."""
        self._thread.join(seconds)
        return bool(self._outcomes)

    def result(self) -> T:
        """What came of it, once it is there. Raises what it raised."""
        self.wait()
        return self._outcomes[0].unwrap()


class Steps(Generic[T]):
    """Takes the last steps of files, one at a time for each of them in this process."""

    def __init__(self) -> None:
        self._ongoing: dict[uuid.UUID, Aside[T]] = {}

    def take(self, file_id: uuid.UUID, work: Callable[[], T], *, seconds: float) -> T | None:
        """What comes of the step of a file, which is begun unless it is under way; None where it takes longer: it goes
        on. Raises what `work` raises.
        """
        step = self._ongoing.get(file_id)
        if step is None or step.has_ended:
            step = self._ongoing[file_id] = Aside(lambda: self._run(file_id, work))
        return step.result() if step.wait(seconds) else None

    def _run(self, file_id: uuid.UUID, work: Callable[[], T]) -> T:
        try:
            return work()
        finally:
            self._ongoing.pop(file_id, None)
