"""How often a password may be guessed: ten times for an account from one address, fifty times from one address."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from limits import RateLimitItem, RateLimitItemPerMinute

from transfer_service.errors import BadCredentials, InvalidName, TooManyAttempts
from transfer_service.services.shared_windows import Windows, network_of
from transfer_service.wire.filenames import parse_label

PER_ACCOUNT = RateLimitItemPerMinute(10, 15, namespace="sign-in-account")
PER_ADDRESS = RateLimitItemPerMinute(50, 15, namespace="sign-in-address")
_POLL_SECONDS = 0.01


class LoginThrottle:
    """Counts wrong passwords in a moving window of 15 minutes: in Redis too, for several instances.

    Without its Redis an instance counts alone, and signs in all the same.
    """

    def __init__(self, redis_url: str | None) -> None:
        self._windows = Windows(redis_url)
        self._running: Counter[tuple[str, ...]] = Counter()

    @contextmanager
    def attempt(self, *, name: str, address: str) -> Iterator[None]:
        """One sign-in: a BadCredentials that leaves the block counts. Raises TooManyAttempts before it runs.

        Attempts under way count as if they were wrong, so many at once cannot slip through together. An attempt that
        is over the limit only because of them waits for their outcome.
        """
        keys = self._wait_for_place(name, address)
        try:
            yield
        except BadCredentials:
            for item, key in keys:
                self._windows.hit(item, key)
            raise
        finally:
            self._leave(keys)

    def _wait_for_place(self, name: str, address: str) -> list[tuple[RateLimitItem, tuple[str, ...]]]:
        """Count the attempt as running, under each key that limits it."""
        keys: list[tuple[RateLimitItem, tuple[str, ...]]] = [
            (PER_ACCOUNT, (_account_key(name), network_of(address))),
            (PER_ADDRESS, (network_of(address),)),
        ]
        while True:
            for _, key in keys:  # before Redis is asked: others run meanwhile, and count with this one
                self._running[key] += 1
            if all(self._windows.has_room(item, key, cost=self._running[key]) for item, key in keys):
                return keys
            self._leave(keys)
            self._refuse_if_spent(keys)
            time.sleep(_POLL_SECONDS)

    def _leave(self, keys: Sequence[tuple[RateLimitItem, tuple[str, ...]]]) -> None:
        for _, key in keys:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]

    def _refuse_if_spent(self, keys: Sequence[tuple[RateLimitItem, tuple[str, ...]]]) -> None:
        for item, key in keys:
            if not self._windows.has_room(item, key):
                raise TooManyAttempts(retry_after_seconds=max(1, round(self._windows.seconds_to_room(item, key))))


def _account_key(name: str) -> str:
    """One text for every way of writing the name of one account. Names that nobody can have count together."""
    try:
        return " ".join(parse_label(name).split())
    except InvalidName:
        return ""
