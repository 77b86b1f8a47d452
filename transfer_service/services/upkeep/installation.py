"""Which database and which store belong together: one id, in the database and in each folder of stored bytes.

A database that is new, another one or somebody else's makes every file look like an orphan. So nothing that changes
anything begins where the ids differ. They are joined when an installation is new, or clearly was one before there were
ids; anything else is for a person to decide (`adopt`).
"""

import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from transfer_service.errors import InstallationMismatch, ReadOnly
from transfer_service.models.upkeep import Installation as InstallationRow
from transfer_service.services.core import Core
from transfer_service.services.upkeep.orphans import Shelf

ONLY_ROW = 1
JOIN_FIRST = "The database and the store were never joined: start the service once without TRANSFER_READ_ONLY"


MOVING = "moving "
"""Before the id of the installation, in the marks of a place that `storage move` is filling."""
RESTORING = "restoring "
"""The same of a place that `restore` is filling, before the name of what it brings."""


@dataclass(frozen=True, slots=True)
class Part:
    """A room of the store, by the name that an operator knows it under."""

    name: str
    shelf: Shelf


@dataclass(frozen=True, slots=True)
class Census:
    """One shelf: `records` that need bytes, those `lacking` them, things `stored`, those `unknown` to the records."""

    records: int
    lacking: int
    stored: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Survey:
    """Both sides as they are: the ids, None where there is none, and the census, by the names of the parts."""

    database_id: str | None
    ids: dict[str, str | None]
    census: dict[str, Census]

    @property
    def are_joined(self) -> bool:
        """Whether all carry the same id."""
        return self.database_id is not None and set(self.ids.values()) == {self.database_id}


class Installation:
    """Joins a database and a store, and tells whether they belong together."""

    def __init__(self, core: Core, *, parts: list[Part]) -> None:
        self._database = core.database
        self._parts = parts
        self._now = core.now

    def ensure(self) -> None:
        """Return when database and store belong together, joining them where that is beyond doubt.

        Raises InstallationMismatch, StoreUnavailable, StorageFull; ReadOnly where they would have to be joined first.
        """
        row = self._find()
        marks = self._read_marks()
        if any(mark is not None and mark.startswith(RESTORING) for mark in marks.values()):
            raise InstallationMismatch("a restore into this place has not ended: call `restore` again")
        if row is not None and row.is_joined and set(marks.values()) == {row.installation_id}:
            return
        if self._database.is_read_only:
            if row is not None and row.is_joined and self._carry(marks, row.installation_id):
                return
            if row is not None and not set(marks.values()) <= {row.installation_id, None}:
                raise InstallationMismatch("the ids of some of them differ")
            raise ReadOnly(JOIN_FIRST)
        if row is None:
            row = self._begin(self._decide(marks))
        for part in self._parts:
            self._join(part, marks[part.name], row)
        if not row.is_joined:
            self._record(row.installation_id, is_joined=True)

    def _carry(self, marks: dict[str, str | None], installation_id: str) -> bool:
        """Whether every part carries the id; one whose bytes can be had again may be without any, such as a new one."""
        return all(
            marks[part.name] == installation_id or (marks[part.name] is None and not part.shelf.must_be_there)
            for part in self._parts
        )

    def survey(self) -> Survey:
        """Look at both sides, and at everything they hold."""
        row = self._find()
        census = {part.name: take_census(part.shelf) for part in self._parts}
        return Survey(row.installation_id if row else None, self._read_marks(), census)

    def adopt(self) -> None:
        """Join both sides whatever ids they carry. Whoever else belonged to either does not any more."""
        installation_id = str(uuid.uuid4())
        self._begin(installation_id)
        self._record(installation_id, is_joined=False)
        for part in self._parts:
            part.shelf.store.mark.write(installation_id)
        self._record(installation_id, is_joined=True)

    def _decide(self, marks: dict[str, str | None]) -> str:
        """The id for a database that has none. Raises InstallationMismatch."""
        found = {mark for mark in marks.values() if mark is not None}
        counted = [(part.shelf, take_census(part.shelf)) for part in self._parts]
        if found:
            is_empty = not any(census.records or census.stored for _, census in counted)
            if len(found) == 1 and is_empty:
                return found.pop()
            raise InstallationMismatch("the database belongs to no installation yet, but the store does")
        if not clearly_belong(counted):
            raise InstallationMismatch("most of what one of them holds, the other one does not know")
        return str(uuid.uuid4())

    def _join(self, part: Part, mark: str | None, row: InstallationRow) -> None:
        """Mark a part that has no mark yet, where it may have one. Raises InstallationMismatch."""
        if mark == row.installation_id:
            return
        if mark == f"{MOVING}{row.installation_id}":
            raise InstallationMismatch(f"a move to {part.name} has not ended: call `storage move` again")
        holds_something = any(part.shelf.batches())
        if mark is not None and (holds_something or part.shelf.must_be_there):
            raise InstallationMismatch(f"{part.name} belongs to another installation than the database")
        if row.is_joined:  # it once had a mark: this is another folder, or an empty one where a disk is not mounted
            if holds_something:
                raise InstallationMismatch(f"{part.name} belongs to no installation, but holds something")
            if part.shelf.must_be_there and any(part.shelf.expected()):
                raise InstallationMismatch(f"{part.name} is empty, and the database knows of files there")
        part.shelf.store.mark.write(row.installation_id)

    def _read_marks(self) -> dict[str, str | None]:
        return {part.name: part.shelf.store.mark.read() for part in self._parts}

    def _find(self) -> InstallationRow | None:
        with self._database.read() as session:
            return session.get(InstallationRow, ONLY_ROW)

    def _begin(self, installation_id: str) -> InstallationRow:
        """Give the database an id, unless somebody else has just done so: then that one counts."""
        row = InstallationRow(id=ONLY_ROW, installation_id=installation_id, is_joined=False, created_at=self._now())
        with suppress(IntegrityError), self._database.write(durable=True) as session:
            found = session.get(InstallationRow, ONLY_ROW)
            if found is not None:
                return found
            session.add(row)
            session.flush()
            return row
        return self._find() or row

    def _record(self, installation_id: str, *, is_joined: bool) -> None:
        """Write the database's id. While it is not `is_joined`, marks may be missing: they are being written."""
        values: dict[str, object] = {"installation_id": installation_id, "is_joined": is_joined}
        if not is_joined:
            values["key_fingerprint"] = None  # that was made with the old id
        with self._database.write(durable=True) as session:
            session.execute(update(InstallationRow).where(InstallationRow.id == ONLY_ROW).values(values))


def take_census(shelf: Shelf) -> Census:
    """Count everything. Blocking."""
    records = lacking = stored = unknown = 0
    for keys in shelf.expected():
        records += len(keys)
        lacking += len(shelf.store.find_lacking(keys))
    for batch in shelf.batches():
        stored += len(batch)
        unknown += len(batch) - len(shelf.known({each.key for each in batch}))
    return Census(records, lacking, stored, unknown)


def clearly_belong(shelves: Iterable[tuple[Shelf, Census]]) -> bool:
    """Whether most records have their bytes, and most bytes their records. Nothing and nothing belong together."""
    counted = list(shelves)
    needed = [census for shelf, census in counted if shelf.must_be_there]
    lacking, records = sum(each.lacking for each in needed), sum(each.records for each in needed)
    unknown, stored = sum(each.unknown for _, each in counted), sum(each.stored for _, each in counted)
    return 2 * lacking <= records and 2 * unknown <= stored


class StartGate:
    """What must be true before a process changes anything: steps that are taken once, in order, by whoever comes first.

    A step that failed is tried again by the next one. So a service that was started before its database answers, or
    before that is migrated, works once that is done.
    """

    def __init__(self, steps: Sequence[Callable[[], object]]) -> None:
        self._steps = list(steps)
        self._lock = threading.Lock()

    def add(self, step: Callable[[], object]) -> None:
        """One step more, after the others."""
        self._steps.append(step)

    def enter(self) -> None:
        """Return when every step is taken. Raises what a step raises; the next one who comes tries again."""
        if not self._steps:
            return
        with self._lock:
            while self._steps:
                self._steps[0]()
                del self._steps[0]
