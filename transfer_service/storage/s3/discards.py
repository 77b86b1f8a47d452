"""Objects that are to go: noted by name in the transaction that makes them nobody's, removed after it.

A piece's object has a name that nobody ever has again. While a row names it, it stays; once no row does, none ever
will: whoever shares the objects of another blob holds that one's rows in the transaction that adds its own.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Protocol

from sqlalchemy import bindparam, delete, select, text

from transfer_service.db.database import Database, Executor
from transfer_service.errors import TransferError
from transfer_service.logs import log_error
from transfer_service.models.base import UtcDateTime
from transfer_service.models.pieces import DiscardedObject, StoredPiece

IN_DOUBT = timedelta(hours=1)
"""Longer than any commit whose answer was lost takes to be seen, and any request that was given up to arrive."""
BATCH = 1000
"""As many as a store removes at once."""

_pieces, _discarded = StoredPiece.__table__, DiscardedObject.__table__
_NOTE = text(
    "INSERT INTO discarded_objects (name, due_at) VALUES (:name, :due_at)"
    " ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at"
).bindparams(bindparam("due_at", type_=UtcDateTime()))


class Removes(Protocol):
    """Who removes objects (`objects.Objects`)."""

    def delete(self, names: Sequence[str], /) -> None:
        """Remove objects; that some are gone already is no error. Raises StoreUnavailable."""


def note(rows: Executor, names: Iterable[str], *, due_at: datetime | None = None) -> None:
    """Write down which objects are to go, from `due_at` on or at once."""
    due = due_at or datetime.now(UTC)
    values = [{"name": name, "due_at": due} for name in sorted(names)]  # in one order, or two would wait for each other
    if values:
        rows.execute(_NOTE, values)


def _batches(names: Iterable[str]) -> Iterator[list[str]]:
    left = iter(names)
    while batch := list(islice(left, BATCH)):
        yield batch


class Discards:
    """Removes what was noted, unless somebody keeps what is deleted: `is_kept`."""

    def __init__(self, database: Database, objects: Removes, is_kept: Callable[[], bool] = lambda: False) -> None:
        self._database = database
        self._objects = objects
        self._is_kept = is_kept

    def note(self, names: Collection[str], *, due_at: datetime | None = None) -> None:
        """Write down, in a transaction of its own, which objects are to go."""
        if names:
            with self._database.write_rows() as rows:
                note(rows, names, due_at=due_at)

    def remove(self, names: Collection[str]) -> int:
        """Remove what is noted and nobody names, after the commit that noted it. How many objects that are.

        What is deleted is deleted, also where the store does not let go of the bytes: cleanup finds the note.
        """
        try:
            if names and self._is_kept():
                return 0
            return sum(self._remove(batch) for batch in _batches(names))
        except TransferError as error:
            log_error(error)
            return 0

    def finish(self, prefix: str = "", *, now: datetime, dry_run: bool = False) -> int:
        """Remove everything that is due below a prefix. How many objects that are. Raises StoreUnavailable."""
        if self._is_kept():
            return 0
        is_below = _discarded.c.name.startswith(prefix, autoescape=True)
        is_due = select(_discarded.c.name, _discarded.c.due_at).where(_discarded.c.due_at <= now, is_below)
        return sum(
            self._remove([row.name for row in batch], dry_run=dry_run)
            for batch in self._database.batches(is_due, size=BATCH)
        )

    def _remove(self, names: Sequence[str], *, dry_run: bool = False) -> int:
        with self._database.read() as session:
            named = set(session.scalars(select(_pieces.c.object).where(_pieces.c.object.in_(names))))
        unnamed = [name for name in names if name not in named]
        if not dry_run:
            if unnamed:
                self._objects.delete(unnamed)
            with self._database.write_rows() as rows:
                rows.execute(delete(_discarded).where(_discarded.c.name.in_(names)))
        return len(unnamed)
