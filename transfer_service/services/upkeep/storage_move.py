"""Carrying the bytes of an installation over to another place: `flask --app wsgi storage move`.

What records name is brought over in passes, each of which looks at all of them again and brings what is new or has
changed. A pass that finds nothing to bring ends the move. Every blob is hashed on the way, compared with the digest
that is known, and read back; the journal remembers what is done, so a move that was killed goes on. Until its end the
marks of the new place belong to no installation, and no service starts there.
"""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import delete, select

from transfer_service.db.database import Database
from transfer_service.db.move_journal import MoveJournal
from transfer_service.errors import BlobMissing, MoveRefused, ReadFailed, TransferError
from transfer_service.models.pieces import DiscardedObject, ScatteredBlob, StoredPiece
from transfer_service.services.files import received_ranges
from transfer_service.services.upkeep.installation import MOVING
from transfer_service.services.upkeep.orphans import Tally
from transfer_service.services.upkeep.promises import MAY_BE_MISSING, Kind, Promise, promises
from transfer_service.services.upkeep.verification import Fault, Problem
from transfer_service.storage.blobs import BlobStore, Key
from transfer_service.storage.bodies import BlobReader
from transfer_service.storage.landing import Landing
from transfer_service.wire.ranges import Span

BLOCK_BYTES = 1024 * 1024
AT_ONCE = 4
MOST_PASSES = 10
IN_PIECES = (
    "All is there but the end: something of FROM is in pieces, of which the database keeps the places. Set "
    "TRANSFER_READ_ONLY=true for all of the service and restart it (or stop it), and call this with that setting again"
)


@dataclass(slots=True)
class Outcome:
    """What was brought in all passes, what was there already in the last one, and what the old place lacks.

    `is_settled`: in the last pass there was nothing to bring.
    """

    brought: Tally = field(default_factory=Tally)
    kept: int = 0
    faults: list[Fault] = field(default_factory=list)
    is_settled: bool = False


class StorageMove:
    """A move of the rooms, by the names of their shelves.

    `is_in_use`: the settings name the new place by now. `note_flushed` makes what unfinished uploads have independent
    of the machine that received it, where that is needed.
    """

    def __init__(
        self,
        database: Database,
        *,
        sources: dict[str, BlobStore],
        landings: dict[str, Landing],
        journal: MoveJournal,
        is_in_use: bool = False,
        note_flushed: Callable[[], object] = lambda: None,
    ) -> None:
        self._database = database
        self._is_in_use = is_in_use
        self._note_flushed = note_flushed
        self._sources = sources
        self._landings = landings
        self._journal = journal
        self._first_pass = 0

    def run(self, tell: Callable[[Outcome], object] = lambda _outcome: None) -> Outcome:
        """Bring everything over, or go on, and `tell` how far that is now and then.

        Raises MoveRefused, StorageFull, StoreUnavailable.
        """
        try:
            self._begin(self._installation())
        except TransferError:
            self._journal.remove_unused()
            raise
        self._note_flushed()
        number, outcome = self._journal.last_pass(), Outcome()
        self._first_pass = number + 1
        for _ in range(MOST_PASSES):
            number += 1
            brought_before = outcome.brought.count
            self._bring(number, outcome, tell)
            removed = self._remove_deleted(number)
            if outcome.brought.count == brought_before and not removed:
                outcome.is_settled = True
                break
        return outcome

    def finish(self, *, nobody_writes: bool) -> None:
        """Let the new place be that of the installation, and forget where the old one has its pieces.

        Raises MoveRefused where there are such and it is not sure that `nobody_writes`.
        """
        installation = self._installation()
        with self._database.write_rows(durable=True) as rows:
            is_remote = any(store.is_remote for store in self._sources.values())
            if (
                is_remote
                and not nobody_writes
                and rows.execute(select(StoredPiece.object).limit(1)).first() is not None
            ):
                raise MoveRefused(IN_PIECES)
            if nobody_writes or not is_remote:
                for model in (StoredPiece, ScatteredBlob, DiscardedObject):
                    rows.execute(delete(model))
        for landing in self._landings.values():
            landing.mark.write(installation)
        if nobody_writes:  # else it is called once more, and what is done need not be done again
            self._journal.remove()

    def _installation(self) -> str:
        """The id that all rooms of the old place carry. Raises MoveRefused."""
        marks = {store.mark.read() for store in self._sources.values()}
        if len(marks) != 1 or None in marks:
            raise MoveRefused("FROM is not the place of an installation: its marks are missing or differ")
        return str(marks.pop())

    def _begin(self, installation: str) -> None:
        """Mark the new place as one that is being filled, if it may be. Raises MoveRefused."""
        for name, landing in self._landings.items():
            mark = landing.mark.read()
            if mark is None and not landing.is_empty():
                raise MoveRefused(f"TO has {name} already, of an installation that is not known")
            if mark is not None and mark.removeprefix(MOVING) != installation:
                raise MoveRefused("TO belongs to another installation")
            if mark == installation and self._is_in_use:
                raise MoveRefused("TO is where the service has its bytes already")
        for landing in self._landings.values():
            landing.mark.write(f"{MOVING}{installation}")

    def _bring(self, number: int, outcome: Outcome, tell: Callable[[Outcome], object]) -> None:
        outcome.kept, outcome.faults = 0, []
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for batch in promises(self._database):
                wanted = [each for each in batch if each.room in self._landings]
                if not wanted:
                    continue
                done = self._journal.find(wanted[0].room, [_text(each) for each in wanted])
                self._settle(wanted, list(pool.map(partial(self._bring_one, done), wanted)), number, outcome)
                tell(outcome)

    def _settle(self, wanted: list[Promise], results: list["bool | Problem"], number: int, outcome: Outcome) -> None:
        """Count, and write down what is right at the new place."""
        right = []
        for promise, result in zip(wanted, results, strict=True):
            if isinstance(result, Problem):
                if not (promise.kind in MAY_BE_MISSING and result is Problem.MISSING):
                    outcome.faults.append(_fault(promise, result))
                continue
            right.append((_text(promise), _stamp(promise)))
            if result:
                outcome.brought.add(promise.length)
            else:
                outcome.kept += 1
        self._journal.note(wanted[0].room, right, seen=number)

    def _bring_one(self, done: dict[str, tuple[str, int]], promise: Promise) -> bool | Problem:
        """Whether a blob had to be brought; or what is wrong with it at the old place.

        What an earlier run has brought is looked for at the new place once in this one.
        """
        landing = self._landings[promise.room]
        stamp, seen = done.get(_text(promise), ("", 0))
        is_done = stamp == _stamp(promise)
        if is_done and (seen >= self._first_pass or landing.size(promise.blob_key) == promise.length):
            return False
        try:
            return self._copy(promise, landing)
        except BlobMissing:
            return Problem.MISSING
        except ReadFailed:
            landing.delete(promise.blob_key)
            return Problem.UNREADABLE

    def _copy(self, promise: Promise, landing: Landing) -> "bool | Problem":
        """Bring one blob as it is, also where that is wrong. Raises BlobMissing, ReadFailed, MoveRefused."""
        hasher = hashlib.sha256()
        with closing(self._sources[promise.room].open_reader(promise.blob_key, is_checked=True)) as reader:
            length = min(reader.size, promise.length)
            blocks = _hashed(reader, self._spans_of(promise, length), length, hasher)
            landing.put(promise.blob_key, blocks, length=length)
        # Read again before anything is refused: it may have been damaged on its way back.
        if all(_digest_at(landing, promise.blob_key, length) != hasher.digest() for _ in range(2)):
            raise MoveRefused(f"TO gives other bytes back than it was given: {promise.room} {_text(promise)}")
        is_whole = length == promise.length and promise.sha256 in {None, hasher.hexdigest()}
        return True if is_whole else Problem.DAMAGED

    def _spans_of(self, promise: Promise, length: int) -> list[Span]:
        """Which of the first `length` bytes there are: no object store reads the holes of an unfinished upload."""
        whole = Span(0, length)
        if promise.kind is not Kind.UPLOAD:
            return [whole]
        with self._database.read_rows() as rows:
            spans = received_ranges.all_spans(rows, promise.key)
        return sorted((both for each in spans if (both := each.overlap(whole))), key=lambda span: span.start)

    def _remove_deleted(self, number: int) -> int:
        """Remove what was brought and has no record any more: how many that were."""
        count = 0
        for room, text in self._journal.not_seen(number):
            if room in self._landings:
                self._landings[room].delete(text)
                count += 1
        return count


def _hashed(reader: BlobReader, spans: list[Span], length: int, hasher: "hashlib._Hash") -> Iterator[bytes]:
    """The first `length` bytes, those outside of the spans as zeros, hashed as they go. Raises ReadFailed."""
    position = 0
    for span in [*spans, Span(length, length)]:
        while position < span.stop:
            is_hole = position < span.start
            size = min(BLOCK_BYTES, (span.start if is_hole else span.stop) - position)
            block = bytes(size) if is_hole else reader.read(position, size)
            if not block:
                raise ReadFailed
            hasher.update(block)
            position += len(block)
            yield block


def _text(promise: Promise) -> str:
    key: Key = promise.blob_key
    return key if isinstance(key, str) else key.hex


def _stamp(promise: Promise) -> str:
    return f"{promise.length} {promise.sha256 or promise.version}"


def _fault(promise: Promise, problem: Problem) -> Fault:
    return Fault(promise.kind, problem, promise.account, promise.name, str(promise.key))


def _digest_at(landing: Landing, key: Key, length: int) -> bytes:
    """The SHA-256 of what is there; one byte more than there should be is another digest."""
    hasher, position = hashlib.sha256(), 0
    while position < length and (block := landing.read(key, position, min(BLOCK_BYTES * 8, length - position))):
        hasher.update(block)
        position += len(block)
    if landing.size(key) != length:
        hasher.update(b"length")
    return hasher.digest()
