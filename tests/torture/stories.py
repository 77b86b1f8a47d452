"""What clients do, step by step, and what each step must have brought about once it is acknowledged."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

from tests.torture.callers import Caller, Unexpected
from transfer_service.wire.ranges import Span

LEVELS = ("process", "complete", "ack")


@dataclass(frozen=True)
class State:
    """A file under the story's name, and without one the bytes of it that were acknowledged."""

    content: bytes | None = None
    sent: tuple[Span, ...] = ()
    is_gone: bool = False
    """Whether it was taken away."""


@dataclass
class Step:
    """What a request brings about. `ended` is None while it has no answer; what `is_durable` no level forgets."""

    began: int
    state: State
    is_durable: bool = False
    ended: int | None = None


@dataclass
class World:
    """Whom a story talks to. `clock` numbers the moments at which a power loss may come."""

    call: Caller
    clock: Callable[[], int]
    level: str


@dataclass
class Story:
    """The life of one file."""

    number: int
    chance: random.Random
    steps: list[Step] = field(default_factory=list)
    door: ClassVar[str] = ""

    def __post_init__(self) -> None:
        self.name = f"{self.door}-{self.number}.bin"
        self.data = self.chance.randbytes(self.chance.choice([1, 700, 5_000, 40_000, 150_000]))
        self.is_left = self.chance.random() < 0.4
        """Whether it is left unfinished."""

    def play(self, world: World) -> None:
        """Do it all. Raises whatever a call raises, and Unexpected."""
        raise NotImplementedError

    def resume(self, call: Caller) -> bool:
        """Bring the file to its end by what the service tells. False where nothing of it is left to go on with.

        Raises Unexpected.
        """
        raise NotImplementedError

    @contextmanager
    def step(self, world: World, state: State, *, is_durable: bool = False) -> Iterator[None]:
        """The request inside brings that about."""
        step = Step(world.clock(), state, is_durable)
        self.steps.append(step)
        yield
        step.ended = world.clock()

    def before(self, position: int) -> list[Step]:
        """What was acknowledged before a moment."""
        return [step for step in self.steps if step.ended is not None and step.ended <= position]

    def under_way(self, position: int) -> list[Step]:
        """What had no answer yet at that moment."""
        return [step for step in self.steps if step.began <= position and (step.ended is None or step.ended > position)]

    def pieces(self, most: int = 5) -> list[Span]:
        """The data cut into a few spans."""
        cuts = sorted({self.chance.randrange(len(self.data) + 1) for _ in range(self.chance.randint(0, most - 1))})
        edges = [0, *[cut for cut in cuts if 0 < cut < len(self.data)], len(self.data)]
        return [Span(start, stop) for start, stop in pairwise(edges)]

    def judge(self, call: Caller, position: int, level: str) -> list[str]:
        """What is wrong with the file after a power loss at that moment; afterwards it is finished, if it can be."""
        done, open_steps = self.before(position), self.under_way(position)
        if not done and not open_steps:
            return []
        found = self._download(call)
        faults = self._content_faults(found, done, open_steps, level)
        is_gone = any(step.state.is_gone for step in [*done, *open_steps])
        if faults or found is not None or is_gone or any(step.state.content is not None for step in done):
            return faults
        return self._resume_faults(call, done, level)

    def _content_faults(
        self, found: bytes | None, done: list[Step], open_steps: list[Step], level: str, *, may_be_missing: bool = True
    ) -> list[str]:
        states = [step.state for step in (done[-1:] if level != "process" else self._forgettable(done))]
        allowed = {state.content for state in [*states, *[step.state for step in open_steps]]}
        allowed |= {None} if (level == "process" and may_be_missing) or not done else set()
        if found in allowed:
            return []
        what = "missing" if found is None else f"{len(found)} wrong bytes" if found else "empty"
        return [f"{self.name}: {what}, after {len(done)} of {len(self.steps)} steps"]

    def _forgettable(self, done: list[Step]) -> list[Step]:
        """The steps of which any may be the last that counts, where nothing is flushed."""
        durable = [number for number, step in enumerate(done) if step.is_durable]
        return done[durable[-1] if durable else 0 :]

    def _resume_faults(self, call: Caller, done: list[Step], level: str) -> list[str]:
        sent = done[-1].state.sent if done else ()
        try:
            if level == "ack":
                self.check_kept(call, sent)
            is_there = self.resume(call)
        except Unexpected as fault:
            return [f"{self.name}: cannot be resumed: {fault}"]
        if not is_there:
            return [f"{self.name}: acknowledged bytes are gone"] if level == "ack" and sent else []
        return [] if self._download(call) == self.data else [f"{self.name}: resumed to other bytes"]

    def check_kept(self, call: Caller, sent: tuple[Span, ...]) -> None:
        """Raises Unexpected where not all that was acknowledged counts."""
        raise NotImplementedError

    def _download(self, call: Caller) -> bytes | None:
        answer = call("GET", f"/api/files/download/{self.name}")
        return answer.body if answer.must_be(200, 404).status == 200 else None


def is_within(spans: list[Span], span: Span) -> bool:
    """Whether one of these covers it."""
    return any(each.start <= span.start and span.stop <= each.stop for each in spans)
