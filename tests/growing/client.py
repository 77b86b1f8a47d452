"""Somebody who asks now this instance, now that one, gives up early where nobody answers, and asks again."""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import requests

from tests.growing.fleet import Fleet, Trouble
from tests.torture.callers import Answer, Unexpected

PATIENCE_SECONDS, IMPATIENCE_SECONDS = 15.0, 0.6
"""With an instance that is sound, and with one that may not answer at all."""
BACK_SECONDS = 60.0
"""Within this everything works for who goes on asking."""
BUSY = (423, 503)


class SlowBody:
    """Bytes that take some time to be sent."""

    def __init__(self, data: bytes, seconds: float) -> None:
        self._data, self._at = data, 0
        self._pause = seconds / max(1, len(data) // 65536)

    def __len__(self) -> int:
        return len(self._data) - self._at

    def read(self, size: int = -1) -> bytes:
        """The next ones, of which 64 KiB come at once."""
        size = min(65536, size if size > 0 else 65536)
        block = self._data[self._at : self._at + size]
        if self._at // 65536 != (self._at + size) // 65536:
            time.sleep(self._pause)
        self._at += len(block)
        return block


@dataclass
class Client:
    """One who is signed in, and may make trouble."""

    fleet: Fleet
    token: str
    chance: random.Random
    mine: int | None = None
    """The instance that has trouble of this one's making."""
    steps_left: int = 0

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes = b"",
        at: int | None = None,
    ) -> Answer | None:
        """The answer, None where none has come: then the request may still be done, at any time."""
        sound = self.fleet.sound()
        if at is None:
            at = self.chance.choice(sound) if self.chance.random() < 0.8 else self.chance.randrange(3)
        seconds = PATIENCE_SECONDS if at in sound else IMPATIENCE_SECONDS
        body = SlowBody(data, self.chance.choice([0, 0, 0.2])) if data else b""
        told = {"Authorization": self.token, **(headers or {})}
        try:
            answer = requests.request(
                method, self.fleet.url(at) + path, params=query, headers=told, data=body, timeout=(1.0, seconds)
            )
        except requests.RequestException:
            return None
        if answer.status_code >= 500 and answer.status_code != 503:
            request = answer.headers.get("X-Request-Id")
            raise Unexpected(f"{method} {path}, request {request}: {answer.status_code}: {answer.text[:300]}")
        return Answer(answer.status_code, answer.headers, answer.content)

    def insist(self, what: str, ask: Callable[[], Answer | None], *statuses: int) -> Answer:
        """Ask until one of these comes. Raises Unexpected for another, and where none comes in time."""
        deadline = time.monotonic() + BACK_SECONDS
        while True:
            answer = ask()
            if answer is not None and answer.status in statuses:
                return answer
            if answer is not None and answer.status not in BUSY:
                raise Unexpected(f"{what}: {answer.status}: {answer.body[:300]!r}")
            if time.monotonic() > deadline:
                raise Unexpected(f"{what}: no answer in {BACK_SECONDS:.0f} s, the last was {answer}")
            time.sleep(self.chance.uniform(0.05, 0.4))

    def make_trouble(self) -> None:
        """Let something happen, now or in the middle of the next requests."""
        if self.mine is not None:
            return
        trouble, victim = self.chance.choice([*Trouble]), self.chance.randrange(3)
        is_silent, delay = self.chance.random() < 0.5, self.chance.choice([0.0, self.chance.uniform(0, 0.25)])
        self.mine, self.steps_left = victim, self.chance.randint(1, 4)
        if delay:
            timer = threading.Timer(delay, self.fleet.begin, [trouble, victim], {"is_silent": is_silent})
            timer.start()
        else:
            self.fleet.begin(trouble, victim, is_silent=is_silent)

    def step(self) -> None:
        """One more thing was done: trouble ends after some."""
        self.steps_left -= 1
        if self.mine is not None and self.steps_left <= 0:
            self.heal()

    def heal(self) -> None:
        """End the trouble that was made."""
        if self.mine is not None:
            self.fleet.heal(self.mine, without_disk=self.chance.random() < 0.3)
            self.mine = None
