"""Patience with a network and a service that are away: what may pass, when to try again, and for how long."""

import random
import time
from collections.abc import Callable, Iterator

from transfer_service_client.errors import ApiError

PATIENCE_SECONDS = 300.0
"""How long what may be sent again is tried again while the service cannot be reached."""
PASSING = frozenset({408, 423, 425, 429, 502, 503, 504})
"""What a service or a proxy answers where the same may go well later."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 15.0
Pause = Callable[[Exception], bool]
"""Sleeps as long as it is the turn of, beside what an ApiError asks for; False once patience is at its end."""


def pauses(patience_seconds: float) -> Iterator[Pause]:
    """Endless: each sleeps before the next try, longer each time, and is False once patience is at its end."""
    ends_at = time.monotonic() + patience_seconds
    length = _FIRST_PAUSE_SECONDS

    def pause(problem: Exception) -> bool:
        asked = problem.retry_after_seconds if isinstance(problem, ApiError) else None
        # Never none at all: "0" would be asked again and again, and many who are told the same come at once.
        seconds = (asked or 0.0) + random.uniform(length / 2, length)  # noqa: S311
        if time.monotonic() + seconds > ends_at:
            return False
        time.sleep(seconds)
        return True

    while True:
        yield pause
        length = min(length * 2, _LONGEST_PAUSE_SECONDS)
