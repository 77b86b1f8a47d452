"""Events of each conversation in their order, whichever instances they come from.

Who posts at one instance, is answered, and posts at another one has the second message delivered there at once, while
the first is still on its way. So an event waits for those before it, which are on their way or lost: not for long.
"""

import time
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import RLock
from typing import Generic, TypeVar

from cachetools import TTLCache

from transfer_service.logs import log_error
from transfer_service.threads import run_beside

FIRST_SECONDS = 0.2
"""How long the first event waits that an instance hears of a conversation: there may be others just before it."""
GAP_SECONDS = 1.0
KNOWN_SECONDS, MOST_KNOWN = 600.0, 10_000

E = TypeVar("E")


@dataclass(order=True, frozen=True)
class _Turn(Generic[E]):
    """An event that comes after message number `after`. It is message `number` itself, or only knows of that."""

    after: int
    number: int
    arrival: int
    event: E = field(compare=False)
    deadline: float = field(compare=False)


class Turns(Generic[E]):
    """Hands events to `deliver`, each when those before it in its conversation were, or have not come in time."""

    def __init__(self, deliver: Callable[[E], None]) -> None:
        self._deliver = deliver
        self._known: TTLCache[str, int] = TTLCache(MOST_KNOWN, KNOWN_SECONDS)
        self._held: dict[str, list[_Turn[E]]] = {}
        self._arrivals = 0
        self._lock = RLock()  # held while events are delivered, which waits for nobody

    def take(self, conversation_id: str, event: E, *, number: int, is_message: bool) -> None:
        """Deliver an event in its turn. `number` is that of the message, or of the newest one that it is after."""
        with self._lock:
            seconds = GAP_SECONDS if conversation_id in self._known else FIRST_SECONDS
            self._arrivals += 1
            turn = _Turn(number - is_message, number, self._arrivals, event, time.monotonic() + seconds)
            is_waited_for = conversation_id in self._held
            insort(self._held.setdefault(conversation_id, []), turn)
            self._release(conversation_id)
            if not is_waited_for and self._held[conversation_id]:
                run_beside(lambda: self._wait(conversation_id))
            elif not is_waited_for:
                del self._held[conversation_id]

    def _release(self, conversation_id: str) -> None:
        """Deliver all whose turn it is."""
        held, last = self._held[conversation_id], self._known.get(conversation_id, 0)
        while held and held[0].after <= last:
            turn = held.pop(0)
            last = max(last, turn.number)
            self._known[conversation_id] = last
            try:
                self._deliver(turn.event)
            except Exception as error:  # noqa: BLE001 - the next ones are delivered all the same
                log_error(error)

    def _wait(self, conversation_id: str) -> None:
        """Go on without those that do not come, as long as any event waits."""
        while True:
            with self._lock:
                held = self._held[conversation_id]
                if not held:
                    del self._held[conversation_id]
                    return
                left = min(turn.deadline for turn in held) - time.monotonic()
                if left <= 0:
                    self._known[conversation_id] = held[0].after
                    self._release(conversation_id)
                    continue
            time.sleep(left)
