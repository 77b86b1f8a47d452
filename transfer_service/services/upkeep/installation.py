"""Which database and which store belong together: one id, in the database and in each folder of stored bytes.

A database that is new, another one or somebody else's makes every file look like an orphan. So nothing that changes
anything begins where the ids differ. They are joined when an installation is new, or clearly was one before there were
ids; anything else is for a person to decide (`adopt`).
"""

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from transfer_service.db.database import Database
from transfer_service.errors import InstallationMismatch
from transfer_service.models.upkeep import Installation as InstallationRow
from transfer_service.services.upkeep.census import Census, clearly_belong, take_census
from transfer_service.services.upkeep.orphans import Shelf
from transfer_service.threads import Offload

ONLY_ROW = 1


class Mark(Protocol):
    """The id that a folder carries."""

    def read(self) -> str | None:
        """What it is, None where there is none. Raises StoreUnavailable."""

    def write(self, value: str) -> None:
        """Put it there, for good. Raises StorageFull, StoreUnavailable."""


@dataclass(frozen=True, slots=True)
class Part:
    """A folder of stored bytes, by the name that an operator knows it under."""

    name: str
    mark: Mark
    shelf: Shelf


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

    def __init__(self, *, database: Database, parts: list[Part], offload: Offload, now: Callable[[], datetime]) -> None:
        self._database = database
        self._parts = parts
        self._offload = offload
        self._now = now

    def ensure(self) -> None:
        """Return when database and store belong together, joining them where that is beyond doubt.

        Raises InstallationMismatch, StoreUnavailable, StorageFull.
        """
        row = self._find()
        marks = self._read_marks()
        if row is not None and row.is_joined and set(marks.values()) == {row.installation_id}:
            return
        if row is None:
            row = self._begin(self._decide(marks))
        for part in self._parts:
            self._join(part, marks[part.name], row)
        if not row.is_joined:
            self._record(row.installation_id, is_joined=True)

    def survey(self) -> Survey:
        """Look at both sides, and at everything they hold."""
        row = self._find()
        census = {part.name: self._census(part) for part in self._parts}
        return Survey(row.installation_id if row else None, self._read_marks(), census)

    def adopt(self) -> None:
        """Join both sides whatever ids they carry. Whoever else belonged to either does not any more."""
        installation_id = str(uuid.uuid4())
        self._begin(installation_id)
        self._record(installation_id, is_joined=False)
        for part in self._parts:
            self._write(part, installation_id)
        self._record(installation_id, is_joined=True)

    def _decide(self, marks: dict[str, str | None]) -> str:
        """The id for a database that has none. Raises InstallationMismatch."""
        found = {mark for mark in marks.values() if mark is not None}
        counted = [(part.shelf, self._census(part)) for part in self._parts]
        if found:
            is_empty = not any(census.facts or census.stored for _, census in counted)
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
        holds_something = self._offload(lambda: any(part.shelf.batches()))
        if mark is not None and (holds_something or part.shelf.must_be_there):
            raise InstallationMismatch(f"{part.name} belongs to another installation than the database")
        if row.is_joined:  # it once had a mark: this is another folder, or an empty one where a disk is not mounted
            if holds_something:
                raise InstallationMismatch(f"{part.name} belongs to no installation, but holds something")
            if part.shelf.must_be_there and any(part.shelf.expected()):
                raise InstallationMismatch(f"{part.name} is empty, and the database knows of files there")
        self._write(part, row.installation_id)

    def _write(self, part: Part, installation_id: str) -> None:
        self._offload(lambda: part.mark.write(installation_id))

    def _read_marks(self) -> dict[str, str | None]:
        return {part.name: part.mark.read() for part in self._parts}

    def _census(self, part: Part) -> Census:
        return take_census(part.shelf)

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
        values = {"installation_id": installation_id, "is_joined": is_joined}
        with self._database.write(durable=True) as session:
            session.execute(update(InstallationRow).where(InstallationRow.id == ONLY_ROW).values(values))
