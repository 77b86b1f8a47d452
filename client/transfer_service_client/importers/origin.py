"""Where files come from: what an origin has to be able to do, and what it tells of its files."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from transfer_service_client.errors import TransferError
from transfer_service_client.folders.walking import Skipped, Unsendable
from transfer_service_client.uploads.sources import Source


class BadAddress(TransferError):
    """What was given as the address of an origin is none."""


@dataclass(frozen=True)
class OriginFile:
    """A file there: its name below the top of what is imported, and its size when it was listed.

    `open` is called by another thread, once, and raises TransferError or OSError where it cannot be had.
    """

    name: str
    size: int
    open: Callable[[], Source]


@dataclass(frozen=True)
class OriginFolder:
    """A folder with nothing in it; others come with what is in them."""

    name: str


Found = OriginFile | OriginFolder | Skipped | Unsendable


class Origin(Protocol):
    """Files that lie elsewhere. It is only ever read."""

    def found(self) -> Iterator[Found]:
        """What is there. A file or folder that cannot be told is Unsendable, and the rest goes on.

        Raises TransferError or OSError where nothing can be told at all.
        """

    def close(self) -> None:
        """Let go of it."""


def problem_of(name: str) -> TransferError | None:
    """Why a name of an origin cannot be one at the service, whatever else that says about it."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return TransferError("Its name is no text")
    if any(label in {"", ".", ".."} for label in name.split("/")):
        return TransferError("Its name has a part that is empty, `.` or `..`")
    return None
