"""Every stored byte against its digest.

It may run beside the service: what is deleted or changed meanwhile is no fault. So a fault counts only where the row,
read again afterwards, still says what it said before.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, TypeAlias

from transfer_service.errors import BlobMissing, ReadFailed
from transfer_service.services.core import Core
from transfer_service.services.file_digest import FileDigest, FileHasher
from transfer_service.services.upkeep import shelves
from transfer_service.services.upkeep.orphans import Tally
from transfer_service.services.upkeep.promises import BATCH, MAY_BE_MISSING, PROMISES, Kind, Promise, Statement
from transfer_service.storage.bodies import BlobReader

READ_BYTES = 1024 * 1024
READ_AT_ONCE = 8
"""From a store on other machines, where each answer takes its time."""


class Problem(StrEnum):
    """What is wrong with them: not there, other bytes or fewer than there were, or not to be read."""

    MISSING = "missing"
    DAMAGED = "damaged"
    UNREADABLE = "unreadable"


Examined: TypeAlias = tuple[Problem | None, int]
"""What is wrong with something, and how many bytes of it were read."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something damaged or missing. `account` is None where it is nobody's any more."""

    kind: Kind
    problem: Problem
    account: str | None
    name: str
    id: str


@dataclass(slots=True)
class Verdict:
    """What was looked at, by kind, and what is wrong."""

    checked: dict[Kind, Tally] = field(default_factory=lambda: {kind: Tally() for kind in Kind})
    faults: list[Fault] = field(default_factory=list)


class Verification:
    """Reads everything that records promise."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._rooms = {
            shelves.BLOBS: core.store,
            shelves.ATTACHMENTS: core.attachments,
            shelves.ARCHIVES: core.games,
            shelves.PREVIEWS: core.previews,
        }
        self._offload = core.offload
        self._is_remote = core.store.is_remote

    def run(self, *, on_fault: Callable[[Fault], object] = lambda _fault: None) -> Verdict:
        """Look at everything; `on_fault` is called with each fault at once."""
        verdict = Verdict()
        for statement, look in PROMISES:
            for rows in self._database.batches(statement, size=BATCH):
                things = [look(row) for row in rows]
                with self._examining(things) as examined:
                    for thing, found in zip(things, examined, strict=True):
                        fault = self._judge(statement, look, thing, found, verdict)
                        if fault is not None:
                            verdict.faults.append(fault)
                            on_fault(fault)
        return verdict

    @contextmanager
    def _examining(self, things: Sequence["Promise"]) -> Iterator[Iterable["Examined"]]:
        """What is wrong with each, in their order: read one after the other, several at once from other machines."""
        if not self._is_remote:
            yield (self._offload(partial(self._examine, thing)) for thing in things)
            return
        with ThreadPoolExecutor(READ_AT_ONCE) as readers:
            try:
                yield readers.map(self._examine, things)
            finally:
                readers.shutdown(cancel_futures=True)

    def _judge(
        self,
        statement: Statement,
        look: Callable[[Any], "Promise"],
        thing: "Promise",
        examined: Examined,
        verdict: Verdict,
    ) -> Fault | None:
        """What is wrong with it, if it is still promised; it is counted as checked."""
        problem, length = examined
        if problem is Problem.MISSING and thing.kind in MAY_BE_MISSING:
            return None
        if problem is not None and not self._is_still_promised(statement, look, thing):
            return None
        verdict.checked[thing.kind].add(length)
        return Fault(thing.kind, problem, thing.account, thing.name, str(thing.key)) if problem else None

    def _is_still_promised(self, statement: Statement, look: Callable[[Any], "Promise"], thing: "Promise") -> bool:
        key = statement.selected_columns[0]
        with self._database.read() as session:
            row = session.execute(statement.where(key == thing.key)).one_or_none()
        return row is not None and look(row) == thing

    def _examine(self, thing: Promise) -> Examined:
        """What is wrong with it, and how many bytes were read. What was damaged on its way here is no fault."""
        found = self._look_at(thing, is_checked=False)
        return self._look_at(thing, is_checked=True) if self._is_remote and found[0] is Problem.DAMAGED else found

    def _look_at(self, thing: Promise, *, is_checked: bool) -> Examined:
        try:
            with closing(self._rooms[thing.room].open_reader(thing.blob_key, is_checked=is_checked)) as body:
                if thing.sha256 is None:
                    return (Problem.DAMAGED if body.size < thing.length else None), 0
                digest, length = _digest_of(body, thing.length)
        except BlobMissing:
            return Problem.MISSING, 0
        except ReadFailed:
            return Problem.UNREADABLE, 0
        is_right = (digest.sha256, length) == (thing.sha256, thing.length) and thing.crc32 in {None, digest.crc32}
        return (None if is_right else Problem.DAMAGED), length


def _digest_of(body: BlobReader, length: int) -> tuple[FileDigest, int]:
    """The digest of the first `length` bytes, and how many of them there are."""
    hasher = FileHasher()
    position = 0
    while block := body.read(position, min(READ_BYTES, length - position)):
        hasher.update(block)
        position += len(block)
    return hasher.digest(), position
