"""What the upload engine takes: one chunk of a file, from whichever door."""

from collections.abc import Callable, Iterator
from typing import Protocol


class Incoming(Protocol):
    """The bytes of one chunk, as they arrive."""

    def blocks(self) -> Iterator[bytes]:
        """The chunk's data; raises a TransferError instead of ending where the chunk turns out to be invalid."""

    @property
    def infers_length(self) -> bool:
        """Whether a file without a given length ends, for the time being, at its highest byte."""

    @property
    def media_type(self) -> str | None:
        """The type of the file that the client tells, None where it tells none."""

    def claimed_length(self) -> int | None:
        """The file's total length if the client gave one; final only when `blocks` has ended."""

    def give_up_when(self, condition: Callable[[], bool]) -> None:
        """Stop waiting for a client that has gone quiet as soon as `condition` holds."""
