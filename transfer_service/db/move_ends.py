"""The two databases of a move: what is different where SQLite or PostgreSQL is the source, or the target."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Self

from sqlalchemy import (
    Connection,
    Engine,
    Integer,
    MetaData,
    NullPool,
    create_engine,
    delete,
    event,
    func,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import AddConstraint, DropConstraint, ForeignKeyConstraint

from transfer_service.db.database import failures_named
from transfer_service.db.schema import upgrade
from transfer_service.db.sqlite import create_private
from transfer_service.db.table_digests import TableDigest, digest_of
from transfer_service.errors import MoveRefused
from transfer_service.models.base import Base

LOCK_SECONDS = 30


class _End:
    """A database by its URL, with an engine of its own: nothing of a move goes through the service's pool."""

    begin = "BEGIN"

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = self._make_engine()

    def __enter__(self) -> Self:
        self._naming = failures_named()
        self._naming.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self.engine.dispose()
        self._naming.__exit__(*raised)

    def same_as(self, other: "_End") -> bool:
        """Whether both are one database, as far as their addresses tell."""
        if self.is_sqlite and other.is_sqlite:
            return Path(self.url.database or "").resolve() == Path(other.url.database or "").resolve()
        mine, others = ((each.url.host, each.url.port, each.url.database) for each in (self, other))
        return self.is_sqlite == other.is_sqlite and mine == others

    def _make_engine(self) -> Engine:
        if not self.is_sqlite:
            options = f"-c lock_timeout={LOCK_SECONDS * 1000}"
            return create_engine(self.url, poolclass=NullPool, connect_args={"options": options})
        engine = create_engine(self.url, poolclass=NullPool, connect_args={"timeout": LOCK_SECONDS})

        @event.listens_for(engine, "connect")
        def _configure(connection: Any, _record: Any) -> None:
            connection.isolation_level = None
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = OFF")  # all at once at the end: files and folders name each other

        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(self.begin))
        return engine


class Source(_End):
    """Where everything comes from. Nothing in it is changed."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        if self.is_sqlite and not Path(self.url.database or "").is_file():
            raise MoveRefused("There is no database at FROM")

    @contextmanager
    def locked(self) -> Iterator[Connection]:
        """A transaction during which nobody writes. Raises MoveRefused where somebody does so all the time."""
        names = ", ".join(f'"{table.name}"' for table in Base.metadata.sorted_tables)
        self.begin = "BEGIN IMMEDIATE"
        with self.engine.connect() as rows:
            try:
                rows.execute(text("SELECT 1" if self.is_sqlite else f"LOCK TABLE {names} IN SHARE MODE"))
            except DBAPIError as error:
                raise MoveRefused("Somebody writes to FROM all the time: stop the service first") from error
            yield rows
            rows.rollback()


class Target(_End):
    """Where everything goes."""

    begin = "BEGIN IMMEDIATE"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        if self.is_sqlite:
            create_private(Path(self.url.database or "").absolute())

    def migrate(self) -> None:
        """Make the tables, where there are none."""
        with self.engine.begin() as rows:
            is_there = inspect(rows).has_table("alembic_version")
        if not is_there:
            upgrade(self.url.render_as_string(hide_password=False))

    def loosen(self, rows: Connection) -> None:
        """Let rows come before those that they name, where two tables name each other."""
        if not self.is_sqlite:
            known = {each["name"] for table in _circular() for each in inspect(rows).get_foreign_keys(table.name)}
            for constraint in _circular().values():
                if constraint.name in known:
                    rows.execute(DropConstraint(constraint))

    def tighten(self, rows: Connection) -> None:
        """Check what was let through. Raises MoveRefused."""
        if not self.is_sqlite:
            for constraint in _circular().values():
                rows.execute(AddConstraint(constraint))
        elif rows.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
            raise MoveRefused("FROM has rows that name what is not there")

    def number_on(self, rows: Connection, source: Connection, metadata: MetaData) -> None:
        """Let numbers that the database gives go on where those of the source have come to."""
        if self.is_sqlite:
            return  # it takes the highest by itself
        for table in metadata.sorted_tables:
            for column in table.primary_key.columns:
                sequence = _sequence_of(rows, table.name, column.name) if isinstance(column.type, Integer) else None
                if sequence is None:
                    continue
                highest = rows.scalar(select(func.max(column))) or 0
                theirs = _sequence_of(source, table.name, column.name)
                given = max(highest, _last_of(source, theirs) if theirs else 0)
                rows.execute(select(func.setval(sequence, max(given, 1), given > 0)))

    def empty(self, rows: Connection, metadata: MetaData) -> None:
        """Remove every row."""
        if self.is_sqlite:
            for table in reversed(metadata.sorted_tables):
                rows.execute(delete(table))
            return
        names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
        rows.execute(text(f"TRUNCATE {names}"))


def _circular() -> dict[Any, ForeignKeyConstraint]:
    """The keys without which the tables have an order, by their tables."""
    return {
        table: constraint
        for table in Base.metadata.sorted_tables
        for constraint in table.foreign_key_constraints
        if constraint.use_alter
    }


def _sequence_of(rows: Connection, table: str, column: str) -> str | None:
    """The sequence that numbers a column of PostgreSQL, quoted as it must be."""
    if rows.dialect.name == "sqlite":
        return None
    found: str | None = rows.scalar(select(func.pg_get_serial_sequence(table, column)))
    return found


def _last_of(rows: Connection, sequence: str) -> int:
    """The last number that a sequence has given, 0 before the first."""
    last, is_called = rows.execute(text(f"SELECT last_value, is_called FROM {sequence}")).one()  # noqa: S608 - the name comes from PostgreSQL, quoted
    return int(last) if is_called else 0


@cache
def seeds() -> dict[str, TableDigest]:
    """What the migrations put into a new database by themselves, by table."""
    with tempfile.TemporaryDirectory(prefix="transfer-seeds-") as folder:
        fresh = Target(f"sqlite:///{folder}/seeds.sqlite3")
        fresh.migrate()
        with fresh.engine.begin() as rows:
            digests = {table.name: digest_of(rows, table) for table in Base.metadata.sorted_tables}
        fresh.engine.dispose()
    return {name: digest for name, digest in digests.items() if digest.rows}
