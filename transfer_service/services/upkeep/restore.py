"""Bringing a backup back into an empty place: `flask --app wsgi restore`.

First the bytes, each compared with its digest on the way, then the database, then the marks of the rooms: until these
are those of the installation, no service starts there. A journal remembers what is done, so a restore that was killed
goes on. The backup is only read.
"""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, delete, update

from transfer_service.db.backup_contents import BackupContents, Listed
from transfer_service.db.move_journal import MoveJournal
from transfer_service.db.restoring import DatabaseRestore
from transfer_service.errors import BackupRefused
from transfer_service.models.claims import Claim, ClaimProcess
from transfer_service.models.files import File, TrashedFile
from transfer_service.models.pieces import DiscardedObject, ScatteredBlob, StoredPiece
from transfer_service.services.upkeep.backup import read_facts
from transfer_service.services.upkeep.installation import RESTORING
from transfer_service.services.upkeep.orphans import Tally
from transfer_service.services.upkeep.verification import Problem
from transfer_service.storage.backup_folder import BackupFolder
from transfer_service.storage.landing import Landing

BLOCK_BYTES = 1024 * 1024
AT_ONCE = 4
NOT_EMPTY = "{room} is not empty: a backup is restored into an empty place only"


@dataclass(slots=True)
class Restored:
    """What was brought, and what the backup lacks or has damaged."""

    brought: Tally = field(default_factory=Tally)
    faults: list[tuple[Problem, Listed]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Source:
    """A backup: its folder, the generation of it that counts, and what that says of itself."""

    folder: BackupFolder
    generation: Path
    facts: dict[str, object]


def find_source(root: Path) -> Source:
    """The backup in a folder. Raises BackupRefused."""
    folder = BackupFolder(root)
    generation = folder.current()
    if generation is None:
        raise BackupRefused(f"There is no backup in {root}")
    return Source(folder, generation, read_facts(generation))


class Restore:
    """One call: a backup, into rooms by the names of their shelves. `keep_keys` puts its signing keys in place."""

    def __init__(
        self,
        source: Source,
        *,
        landings: dict[str, Landing],
        database: DatabaseRestore,
        journal: Path,
        keep_keys: Callable[[], None],
    ) -> None:
        self._source = source
        self._facts = source.facts
        self._landings = landings
        self._database = database
        self._journal = journal
        self._keep_keys = keep_keys
        self._mark = f"{RESTORING}{source.generation.name}"
        self._installation = str(source.facts["installation"])

    def run(self, tell: Callable[[Restored], object] = lambda _restored: None) -> Restored:
        """Do all of it, or go on, and `tell` how far it is. Raises BackupRefused, StorageFull, StoreUnavailable."""
        is_there = self._database.look()
        restored = Restored()
        if self._facts["with_bytes"]:
            self._refuse_what_is_full(is_there=is_there)
            for landing in self._landings.values():
                if not is_there:
                    landing.mark.write(self._mark)
            journal = MoveJournal(self._journal)
            self._bring(journal, restored, tell)
        else:
            self._refuse_another_store(is_there=is_there)
        if is_there:
            self._database.finish(self._settle)
        else:
            self._database.run(self._settle)
        self._keep_keys()
        for landing in self._landings.values():
            landing.mark.write(self._installation)
        if self._facts["with_bytes"]:
            journal.remove()
        return restored

    def _refuse_what_is_full(self, *, is_there: bool) -> None:
        """Raises BackupRefused unless each room is empty, or what a call before this one has begun to fill."""
        marks = {room: landing.mark.read() for room, landing in self._landings.items()}
        if is_there and set(marks.values()) == {self._installation}:
            raise BackupRefused("The installation is here already: a backup is restored into an empty place only")
        for room, landing in self._landings.items():
            ours = {self._mark, self._installation} if is_there else {self._mark}
            may_be = {None, self._database.empty_id}
            if marks[room] not in ours and (marks[room] not in may_be or not landing.is_empty()):
                raise BackupRefused(NOT_EMPTY.format(room=f"The room of {room}"))

    def _refuse_another_store(self, *, is_there: bool) -> None:
        """Raises BackupRefused unless the bytes, which are not in the backup, are at their place."""
        if is_there:
            raise BackupRefused("The installation is here already: a backup is restored into an empty database only")
        for room, landing in self._landings.items():
            if landing.mark.read() not in {self._installation, *([None] if landing.is_empty() else [])}:
                raise BackupRefused(
                    f"The backup was made without bytes, and those of {room} at this place are another installation's"
                )

    def _bring(self, journal: MoveJournal, restored: Restored, tell: Callable[[Restored], object]) -> None:
        with closing(BackupContents(self._source.generation)) as contents, ThreadPoolExecutor(AT_ONCE) as pool:
            for batch in contents.batches():
                for room in sorted({each.room for each in batch}):
                    some = [each for each in batch if each.room == room]
                    done = journal.find(room, [each.key for each in some])
                    results = list(pool.map(partial(self._bring_one, done), some))
                    self._settle_batch(journal, some, results, restored)
                tell(restored)

    @staticmethod
    def _settle_batch(
        journal: MoveJournal, batch: list[Listed], results: "list[Problem | int | None]", restored: Restored
    ) -> None:
        right = []
        for listed, result in zip(batch, results, strict=True):
            if isinstance(result, Problem):
                restored.faults.append((result, listed))
            elif result is not None:
                restored.brought.add(result)
            if not isinstance(result, Problem) and listed.stored is not None:
                right.append((listed.key, listed.stored))
        journal.note(batch[0].room, right, seen=1)

    def _bring_one(self, done: dict[str, tuple[str, int]], listed: Listed) -> "Problem | int | None":
        """How many bytes were brought, None for nothing; or what is wrong with the backup's."""
        if listed.stored is None:
            return Problem(listed.problem) if listed.problem else None
        if done.get(listed.key, ("",))[0] == listed.stored:
            return None
        place, landing = self._source.folder.place_of(listed.stored), self._landings[listed.room]
        try:
            length = place.stat().st_size
            with place.open("rb", buffering=0) as file:
                hasher = hashlib.sha256()
                landing.put(listed.key, _hashed(iter(partial(file.read, BLOCK_BYTES), b""), hasher), length=length)
        except FileNotFoundError:
            return Problem.MISSING
        if hasher.hexdigest() != listed.stored:
            return Problem.DAMAGED
        return length

    def _settle(self, rows: Connection) -> None:
        """What was true of the place that the backup is of, and is not of this one."""
        for claims in (Claim.__table__, ClaimProcess.__table__):
            rows.execute(delete(claims))
        if not self._facts["with_bytes"]:
            return
        for pieces in (StoredPiece.__table__, ScatteredBlob.__table__, DiscardedObject.__table__):
            rows.execute(delete(pieces))  # each blob is one here
        for table in (File.__table__, TrashedFile.__table__):  # what had arrived is on the disk here
            is_of_that_boot = table.c.unflushed_boot == str(self._facts["boot"])
            rows.execute(update(table).where(is_of_that_boot).values(unflushed_boot=None))


def _hashed(blocks: Iterator[bytes], hasher: "hashlib._Hash") -> Iterator[bytes]:
    for block in blocks:
        hasher.update(block)
        yield block
