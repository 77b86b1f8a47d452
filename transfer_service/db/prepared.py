"""Statements that are built and compiled once, for what every request asks or changes.

SQLite answers such a question in 10 µs and SQLAlchemy needs 60 around it; so on SQLite the compiled statement goes
to the driver directly, with SQLAlchemy's own conversions of values.
"""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Delete, Insert, Select, Update
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

Convert = Callable[[Any], Any]


class _Prepared:
    """A statement, and how SQLite's driver gets it."""

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._compiled: _SqliteStatement | None = None

    def find(self, rows: Session | Connection, parameters: Mapping[str, Any]) -> Any | None:
        """The row, None if there is none. See `find_all`."""
        found = self.find_all(rows, parameters)
        return found[0] if found else None

    def find_all(self, rows: Session | Connection, parameters: Mapping[str, Any]) -> Sequence[Any]:
        """The rows. A connection is one of `Database.read_rows` or `write_rows`: no transaction begins here."""
        if not (isinstance(rows, Connection) and rows.dialect.name == "sqlite"):
            return rows.execute(self._statement, parameters).all()
        return self._on_sqlite(rows).find_all(rows, parameters)

    def _on_sqlite(self, rows: Connection) -> "_SqliteStatement":
        if self._compiled is None:
            self._compiled = _SqliteStatement(self._statement, rows.dialect)
        return self._compiled


class PreparedSelect(_Prepared):
    """A SELECT whose columns become the attributes of its rows."""

    def __init__(self, statement: Select[Any]) -> None:
        super().__init__(statement)


class PreparedWrite(_Prepared):
    """An INSERT, UPDATE or DELETE; the columns of its RETURNING become the attributes of its rows.

    An INSERT names no values, and takes one for each column: defaults are the database's business, not this one's.
    """

    def __init__(self, statement: Insert | Update | Delete) -> None:
        super().__init__(statement)

    def run(self, rows: Session | Connection, parameters: Mapping[str, Any]) -> int:
        """How many rows it has changed. Raises sqlalchemy.exc.IntegrityError."""
        if not (isinstance(rows, Connection) and rows.dialect.name == "sqlite"):
            result: Any = rows.execute(self._statement, parameters)
            return int(result.rowcount)
        return self._on_sqlite(rows).execute(rows, parameters).rowcount


class _SqliteStatement:
    """The statement in the driver's terms."""

    def __init__(self, statement: Any, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        if getattr(compiled, "insert_prefetch", ()) or getattr(compiled, "update_prefetch", ()):
            raise TypeError("Columns get values from Python functions, which nobody calls here")
        self._sql = str(compiled)
        self._parameters: list[tuple[str, Any, Convert | None]] = []
        for name in compiled.positiontup or ():
            bind = compiled.binds[name]
            convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
            fixed = _REQUIRED if bind.required else compiled.params[name]
            known = convert(fixed) if convert and fixed is not None and fixed is not _REQUIRED else fixed
            self._parameters.append((name, known, convert))
        columns = list(statement.exported_columns)
        self._converts: list[tuple[int, Convert]] = [
            (place, convert)
            for place, column in enumerate(columns)
            if (convert := column.type.dialect_impl(dialect).result_processor(dialect, None)) is not None
        ]
        row_type: Any = namedtuple("Row", [column.key or "" for column in columns])  # type: ignore[misc]
        self._make_row: Callable[[list[Any]], Any] = row_type._make

    def execute(self, rows: Connection, parameters: Mapping[str, Any]) -> sqlite3.Cursor:
        """Run it. Raises KeyError for a parameter that is missing, SQLAlchemy's IntegrityError like all that do."""
        values = [
            (convert(parameters[name]) if convert else parameters[name])
            if known is _REQUIRED or name in parameters
            else known
            for name, known, convert in self._parameters
        ]
        driver: Any = rows.connection.driver_connection
        try:
            cursor: sqlite3.Cursor = driver.execute(self._sql, values)
        except sqlite3.IntegrityError as error:
            raise IntegrityError(self._sql, None, error) from error
        return cursor

    def find_all(self, rows: Connection, parameters: Mapping[str, Any]) -> list[Any]:
        """The rows."""
        found_rows = []
        for found in self.execute(rows, parameters).fetchall():
            row = list(found)
            for place, convert in self._converts:
                row[place] = convert(row[place])
            found_rows.append(self._make_row(row))
        return found_rows


_REQUIRED = object()
