"""How often a password may be guessed: wrong ones are counted in moving windows, in Redis too, for several instances.

Without its Redis an instance counts alone, and lets in all the same.
"""

import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from transfer_service.errors import TooManyAttempts, TransferError
from transfer_service.services.shared_windows import Limit, Windows

_POLL_SECONDS = 0.03


class Guesses:
    """Counts what was wrong under each of its keys. `used_for` tells the log what is not exact without Redis."""

    def __init__(self, redis_url: str | None, *, used_for: str) -> None:
        self._windows = Windows(redis_url, used_for=used_for)
        self._running: Counter[tuple[str, ...]] = Counter()

    @contextmanager
    def attempt(
        self, limits: Sequence[Limit], *, wrong: type[TransferError], refusal: type[TooManyAttempts]
    ) -> Iterator[None]:
        """One guess: a `wrong` that leaves the block counts. Raises `refusal` before it runs.

        Attempts under way count as if they were wrong, with Redis those at other instances too, so many at once cannot
        slip through together. An attempt that is over the limit only because of them waits for their outcome.
        """
        attempt = uuid.uuid4().hex
        try:
            self._wait_for_place(limits, attempt, refusal)
            try:
                yield
            except wrong:
                for item, key in limits:
                    self._windows.hit(item, key)
                raise
            finally:
                self._leave(limits)
        finally:
            self._windows.leave(limits, attempt)

    def _wait_for_place(self, limits: Sequence[Limit], attempt: str, refusal: type[TooManyAttempts]) -> None:
        """Count the attempt as running, under each key that limits it."""
        while True:
            for _, key in limits:  # before Redis is asked: others run meanwhile, and count with this one
                self._running[key] += 1
            places = self._windows.places(limits, attempt)
            if all(
                self._windows.has_room(item, key, cost=max(place, self._running[key]))
                for (item, key), place in zip(limits, places, strict=True)
            ):
                return
            self._leave(limits)
            self._refuse_if_spent(limits, refusal)
            time.sleep(_POLL_SECONDS)

    def _leave(self, limits: Sequence[Limit]) -> None:
        for _, key in limits:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]

    def _refuse_if_spent(self, limits: Sequence[Limit], refusal: type[TooManyAttempts]) -> None:
        for item, key in limits:
            if not self._windows.has_room(item, key):
                raise refusal(retry_after_seconds=max(1, round(self._windows.seconds_to_room(item, key))))
