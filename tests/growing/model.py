"""What may be stored, by what clients were told: of each byte, which of the requests with it may have brought it.

Each request's bytes are marked as its own, so that a byte that was stored over an acknowledged one is seen, although a
client would send the same.
"""

from dataclasses import dataclass, field

import numpy as np

MOST_TRIES = 250


class Fault(Exception):
    """The service has broken a promise."""


@dataclass
class Try:
    """A request that brings bytes from `start` on. What has no answer may still be read by somebody who was frozen."""

    mark: int
    start: int
    stop: int
    is_answered: bool = False


@dataclass
class Content:
    """`length` bytes that come in order, each under the mark of a try."""

    length: int
    seed: int
    offset: int = 0
    """So many are known to be stored."""
    tries: list[Try] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._base = np.frombuffer(np.random.default_rng(self.seed).bytes(self.length), dtype=np.uint8)
        self._possible: list[tuple[int, int, frozenset[int]]] = []

    def attempt(self, start: int, size: int) -> tuple[Try, bytes]:
        """A new request, and its bytes."""
        mark = len(self.tries) + 1
        assert mark <= MOST_TRIES, "a history has too many tries"
        made = Try(mark, start, min(start + size, self.length))
        self.tries.append(made)
        return made, (self._base[made.start : made.stop] ^ np.uint8(mark)).tobytes()

    def acknowledged(self, made: Try, offset: int) -> None:
        """A try was answered: all of it is stored."""
        made.is_answered = True
        if offset != made.stop:
            raise Fault(f"{made.stop - made.start} bytes at {made.start} were answered with the offset {offset}")
        if made.start != self.offset:
            raise Fault(f"bytes at {made.start} were taken where {self.offset} were stored")
        self._come(made.start, made.stop, frozenset({made.mark}))
        self.offset = made.stop

    def refused(self, made: Try, *, is_final: bool) -> None:
        """A try was answered otherwise: some of it may be stored, unless the refusal `is_final`."""
        made.is_answered = True
        if is_final:
            made.stop = made.start

    def told(self, offset: int) -> None:
        """So many bytes are stored, by a look that began after everything else."""
        if offset < self.offset:
            raise Fault(f"the offset went back from {self.offset} to {offset}")
        if offset == self.offset:
            return
        # A look ends what was under way. After it comes only what was sent from this offset on, and one of these.
        marks = frozenset(each.mark for each in self.tries if each.start == self.offset and each.stop >= offset)
        if not marks:
            raise Fault(f"the offset is {offset}, where {self.offset} was told and {self.tries[-3:]} were sent last")
        self._come(self.offset, offset, marks)
        self.offset = offset

    def _come(self, start: int, stop: int, marks: frozenset[int]) -> None:
        if start < stop:
            self._possible.append((start, stop, marks))

    def check(self, start: int, got: bytes) -> None:
        """Raises Fault where bytes from `start` on are not what they must be."""
        found = np.frombuffer(got, dtype=np.uint8) ^ self._base[start : start + len(got)]
        for first, last, marks in self._possible:
            part = found[max(0, first - start) : max(0, last - start)]
            wrong = ~np.isin(part, list(marks)) | (part != part[:1])
            if wrong.any():
                place = max(first, start) + int(np.flatnonzero(wrong)[0])
                raise Fault(f"byte {place} is of try {int(part[wrong][0])}, not of {sorted(marks)}")
