"""Carrying a database over to another one, SQLite or PostgreSQL: `flask --app wsgi database move`.

Every table in the order of its foreign keys, in batches. A batch and the place that it ends at are one transaction of
the target, so a move that was killed goes on from there. At the end nobody may write to the source while every table
is compared; only then the target becomes a database that a service can start on.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    inspect,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.exc import DataError, IntegrityError

from transfer_service.db.move_ends import Source, Target, seeds
from transfer_service.db.schema import MOVING, newest
from transfer_service.db.table_digests import as_plain, digest_of, from_plain
from transfer_service.errors import MoveRefused
from transfer_service.models import accounts  # noqa: F401 - with it all tables are known
from transfer_service.models.base import Base

BATCH_ROWS = 1000
_OWN = MetaData()
_PLACES = Table(
    "database_move",
    _OWN,
    Column("name", String(63), primary_key=True),
    Column("place", Text),
    Column("copied", Integer, nullable=False),
    comment="How far a move into this database has come; it goes with its end.",
)
_FROM = "from:"
"""Before the id of the installation that is moved, in the row that stands for the move itself."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A table that is carried over, with its rows."""

    table: str
    rows: int


def move_database(
    source_url: str,
    target_url: str,
    *,
    tell: Callable[[Moved], object] = lambda _moved: None,
    batch_rows: int = BATCH_ROWS,
) -> list[Moved]:
    """Carry everything over, or go on where an earlier call was killed. `tell` hears how far a table is.

    Raises MoveRefused, with the reason; then neither of the two counts as moved.
    """
    with Source(source_url) as source, Target(target_url) as target:
        if source.same_as(target):
            raise MoveRefused("FROM and TO are the same database")
        installation = _check_source(source)
        _begin(target, installation)
        for table in Base.metadata.sorted_tables:
            _Copy(source.engine, target.engine, table, batch_rows).run(tell)
        with source.locked() as rows:
            return _end(rows, target)


def _check_source(source: Source) -> str:
    """The id of the installation. Raises MoveRefused."""
    with source.engine.begin() as rows:
        if not inspect(rows).has_table("alembic_version"):
            raise MoveRefused("FROM is no database of this service")
        version = rows.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if version != newest():
            raise MoveRefused(f"FROM has the schema {version}, and this version of the service {newest()}")
        found = rows.execute(text("SELECT installation_id FROM installation")).scalar()
    return str(found or "none")


def _begin(target: Target, installation: str) -> None:
    """Make sure that nothing is in the target but what this very move has brought. Raises MoveRefused."""
    target.migrate()
    with target.engine.begin() as rows:
        if inspect(rows).has_table(_PLACES.name):
            origin = rows.execute(select(_PLACES.c.name).where(_PLACES.c.name.startswith(_FROM))).scalar()
            if origin != f"{_FROM}{installation}":
                raise MoveRefused("TO has the beginning of another move in it")
        else:
            _refuse_unless_empty(rows, installation)
            _OWN.create_all(rows)
            rows.execute(insert(_PLACES).values(name=f"{_FROM}{installation}", copied=0))
            rows.execute(text("UPDATE alembic_version SET version_num = :moving"), {"moving": MOVING})
            for table in reversed(Base.metadata.sorted_tables):
                rows.execute(delete(table))
        target.loosen(rows)


def _refuse_unless_empty(rows: Connection, installation: str) -> None:
    if rows.execute(text("SELECT installation_id FROM installation")).scalar() == installation:
        raise MoveRefused(
            "TO is not empty: this installation is in it already, since a move ended there or began there"
        )
    for table in Base.metadata.sorted_tables:
        seeded = seeds().get(table.name)
        if rows.scalar(select(func.count()).select_from(table)) and (
            seeded is None or digest_of(rows, table) != seeded
        ):
            raise MoveRefused(f"TO is not empty: there is something in its table {table.name}")


class _Copy:
    """One table on its way. Its place is the key of the last row that is there, as the source sorts them."""

    def __init__(self, source: Engine, target: Engine, table: Table, batch_rows: int) -> None:
        self._source, self._target = source, target
        self._table = table
        self._batch_rows = batch_rows
        self._keys = list(table.primary_key.columns)

    def run(self, tell: Callable[[Moved], object]) -> None:
        """Bring what is not there yet. Raises MoveRefused where the target does not take a row."""
        last, copied = self._find_place()
        for batch in self._batches(last):
            copied += len(batch)
            with self._target.begin() as rows, _refusals_named(self._table.name):
                rows.execute(insert(self._table), [dict(row._mapping) for row in batch])
                self._note(rows, [batch[-1]._mapping[key.name] for key in self._keys], copied)
            tell(Moved(self._table.name, copied))

    def _batches(self, last: list[Any] | None) -> Iterator[list[Row[Any]]]:
        page = select(self._table).order_by(*self._keys).limit(self._batch_rows)
        while True:
            behind = None if last is None else tuple_(*self._keys) > tuple_(*self._literals(last))
            with self._source.begin() as rows:
                batch = list(rows.execute(page if behind is None else page.where(behind)))
            if not batch:
                return
            yield batch
            last = [batch[-1]._mapping[key.name] for key in self._keys]

    def _literals(self, values: list[Any]) -> list[Any]:
        return [literal(value, key.type) for key, value in zip(self._keys, values, strict=True)]

    def _find_place(self) -> tuple[list[Any] | None, int]:
        with self._target.begin() as rows:
            found = rows.execute(select(_PLACES).where(_PLACES.c.name == self._table.name)).first()
        return (None, 0) if found is None else ([from_plain(each) for each in json.loads(found.place)], found.copied)

    def _note(self, rows: Connection, key: list[Any], copied: int) -> None:
        values = {"place": json.dumps([as_plain(each) for each in key]), "copied": copied}
        changed = rows.execute(update(_PLACES).where(_PLACES.c.name == self._table.name).values(values))
        if not changed.rowcount:
            rows.execute(insert(_PLACES).values(name=self._table.name, **values))


def _end(source: Connection, target: Target) -> list[Moved]:
    """Compare every table, and let the target be a database, in one transaction of each. Raises MoveRefused."""
    moved, different = [], []
    with target.engine.begin() as rows:
        for table in Base.metadata.sorted_tables:
            wanted, found = digest_of(source, table), digest_of(rows, table)
            moved.append(Moved(table.name, wanted.rows))
            if wanted != found:
                different.append(table.name)
        if not different:
            target.tighten(rows)
            target.number_on(rows, source, Base.metadata)
            _PLACES.drop(rows)
            rows.execute(text("UPDATE alembic_version SET version_num = :newest"), {"newest": newest()})
    if different:
        _start_over(target)
        raise MoveRefused(
            f"FROM has changed meanwhile, in {', '.join(different)}: stop the service or set TRANSFER_READ_ONLY=true "
            "for all of it, and call this again; it begins anew"
        )
    return moved


def _start_over(target: Target) -> None:
    """Take out what was brought: the next call brings all of it again."""
    with target.engine.begin() as rows:
        target.empty(rows, Base.metadata)
        rows.execute(delete(_PLACES).where(_PLACES.c.name.not_like(f"{_FROM}%")))


@contextmanager
def _refusals_named(table: str) -> Iterator[None]:
    """A row that the target does not take: its table is named, and nothing of what is in it."""
    try:
        yield
    except (DataError, IntegrityError) as error:
        raise MoveRefused(f"TO does not take a row of {table}: {type(error.orig).__name__}") from error
