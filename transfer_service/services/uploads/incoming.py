"""What a door hands to the upload engine: for which file a chunk is, and its bytes."""

import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol


class Place(NamedTuple):
    """The name that a chunk is for; where it is the first of a file, by which key or link that comes."""

    account_id: uuid.UUID
    name: str
    origin_id: uuid.UUID | None = None


class Incoming(Protocol):
    """The bytes of one chunk, as they arrive."""

    def blocks(self) -> Iterator[bytes]:
        """The chunk's data; raises a TransferError instead of ending where the chunk turns out to be invalid."""

    @property
    def infers_length(self) -> bool:
        """Whether a file without a given length ends, for the time being, at its highest byte."""

    @property
    def media_type(self) -> str | None:
        """The type of the file, if the client tells it."""

    def claimed_length(self) -> int | None:
        """The file's total length if the client gave one; final only when `blocks` has ended."""

    def give_up_when(self, condition: Callable[[], bool]) -> None:
        """Stop waiting for an idle client as soon as `condition` holds."""
