"""What a call is going to move, told as it is found to who wants to hear of it. No transfer waits for that."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from transfer_service_client.connection.addresses import encode_name
from transfer_service_client.connection.session import Session
from transfer_service_client.errors import as_expected
from transfer_service_client.folders.excluding import NOTHING, Excluding
from transfer_service_client.folders.walking import LocalFile, Root, Unsendable, walk
from transfer_service_client.progress import Progress

_TOLD_AT_ONCE = 256


class Planned(NamedTuple):
    """So many files, of so many bytes."""

    files: int
    size: int


class Planning:
    """A context in which a progress that has `expect` hears what is planned; for others nothing is counted."""

    def __init__(self, progress: Progress) -> None:
        self._expect: Callable[[int, int], None] | None = getattr(progress, "expect", None)
        self._is_over = threading.Event()

    def expect(self, count: int, size: int) -> None:
        """Tell of files that were found."""
        if self._expect is not None and not self._is_over.is_set():
            self._expect(count, size)

    def count(self, find: Callable[[], Iterable[Planned]]) -> None:
        """Tell what `find` finds, by a thread of its own."""
        if self._expect is not None:
            threading.Thread(target=self._count, args=(find,), daemon=True, name="planning").start()

    def __enter__(self) -> "Planning":
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()

    def _count(self, find: Callable[[], Iterable[Planned]]) -> None:
        with suppress(Exception):  # a transfer tells of faults; a count is worth none
            for planned in find():
                if self._is_over.is_set():
                    return
                self.expect(*planned)


def below(found: Iterable[Root | Unsendable], exclude: Excluding = NOTHING) -> Iterator[Planned]:
    """What local paths stand for, some hundred files at a time."""
    count = size = 0
    for root in found:
        for each in walk(root, exclude=exclude) if isinstance(root, Root) else ():
            if isinstance(each, LocalFile):
                count, size = count + 1, size + each.size
            if count >= _TOLD_AT_ONCE:
                yield Planned(count, size)
                count = size = 0
    yield Planned(count, size)


def in_folder(session: Session, path: str) -> Iterator[Planned]:
    """What is in a folder of the service, in one request; at the top one for each folder. Raises TransferError."""
    if path:
        fields = session.get_json(f"/api/folders/{encode_name(path)}")
        with as_expected():
            yield Planned(int(fields["files"]), int(fields["bytes"]))
        return
    for page in session.get_pages("/api/files", "files", folder=""):
        with as_expected():
            yield Planned(len(page["files"]), sum(each["total_bytes"] or 0 for each in page["files"]))
            folders = [each["path"] for each in page["folders"]]
        for each in folders:
            yield from in_folder(session, each)
