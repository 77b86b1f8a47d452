"""What the worker and the maker say to each other.

The worker sends a `Job` over a socket that keeps messages apart, with two descriptors: the file, for reading, and a
socket for the answer. The answer is a head in JSON, its length before it, and the pictures; then the socket ends.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass

SIZES = (160, 480, 1280)
"""The longest sides of the pictures."""
MOST_PIXELS = 90_000_000
SECONDS = 20
"""How long one file may take, by the clock."""
CPU_SECONDS = 10
MEMORY_BYTES = 1536 * 1024**2
"""Of addresses: the maker's own take a third of a gigabyte, a picture of 90 megapixels twice 360 MB."""
MOST_ANSWER_BYTES = 16 * 1024**2
READY = b"ready"
MISSING = b"missing "
_LENGTH = struct.Struct("!I")
_JOB = struct.Struct("!QB")


@dataclass(frozen=True, slots=True)
class Job:
    """A file to be shown: its length in bytes, and whether somebody waits for it."""

    length: int
    is_urgent: bool

    def pack(self) -> bytes:
        """As it is sent."""
        return _JOB.pack(self.length, self.is_urgent)

    @classmethod
    def unpack(cls, data: bytes) -> "Job":
        """As it was sent."""
        length, is_urgent = _JOB.unpack(data)
        return cls(length, bool(is_urgent))


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a picture or a film as it is shown; `duration` in seconds, None for pictures."""

    width: int
    height: int
    duration: float | None
    blurhash: str


@dataclass(frozen=True, slots=True)
class Made:
    """The facts of a file, and its pictures in WebP, by SIZES; an empty one is the same as the one before it."""

    facts: Facts
    pictures: tuple[bytes, ...]


class NotShown(Exception):
    """There is no preview of this: it cannot be read, is too large, or is no picture."""


def pack_answer(made: Made | None) -> bytes:
    """An answer as it is sent; None for a file of which there is no preview."""
    if made is None:
        return _LENGTH.pack(0)
    head = json.dumps({**asdict(made.facts), "lengths": [len(each) for each in made.pictures]}).encode()
    return b"".join([_LENGTH.pack(len(head)), head, *made.pictures])


def unpack_answer(data: bytes) -> Made | None:
    """An answer as it was sent. Raises ValueError for one that is cut short, or is none."""
    if len(data) < _LENGTH.size:
        raise ValueError("no answer")
    (size,) = _LENGTH.unpack_from(data)
    if size == 0:
        return None
    start = _LENGTH.size + size
    fields = json.loads(data[_LENGTH.size : start])
    lengths = fields.pop("lengths")
    pictures = _split(data[start:], lengths)
    return Made(_checked(Facts(**fields)), pictures)


def _split(data: bytes, lengths: Sequence[int]) -> tuple[bytes, ...]:
    if len(lengths) != len(SIZES) or any(length < 0 for length in lengths) or sum(lengths) != len(data):
        raise ValueError("an answer cut short")
    pictures, start = [], 0
    for length in lengths:
        pictures.append(data[start : start + length])
        start += length
    return tuple(pictures)


def _checked(facts: Facts) -> Facts:
    """Facts of the forms that they have: what comes from the maker is not believed more than the file it was given."""
    whole = all(type(each) is int and 0 < each < 2**31 for each in (facts.width, facts.height))
    timed = facts.duration is None or (type(facts.duration) is float and 0 <= facts.duration < 2**31)
    hashed = type(facts.blurhash) is str and facts.blurhash.isascii() and 6 <= len(facts.blurhash) <= 64
    if not (whole and timed and hashed):
        raise ValueError("facts of another form")
    return facts
