"""SELECTs that are built and compiled once, for what every request asks.

SQLite answers such a question in 10 µs and SQLAlchemy needs 60 around it; so on SQLite the compiled statement goes
to the driver directly, with SQLAlchemy's own conversions of values.
"""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Session

Convert = Callable[[Any], Any]


class PreparedSelect:
    """A SELECT whose columns become the attributes of its rows."""

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement
        self._compiled: _SqliteSelect | None = None

    def find(self, rows: Session | Connection, parameters: Mapping[str, Any]) -> Any | None:
        """The row, None if there is none. See `find_all`."""
        found = self.find_all(rows, parameters)
        return found[0] if found else None

    def find_all(self, rows: Session | Connection, parameters: Mapping[str, Any]) -> Sequence[Any]:
        """The rows. A connection is one of `Database.read_rows`, or its transaction has begun: none begins here."""
        if not (isinstance(rows, Connection) and rows.dialect.name == "sqlite"):
            return rows.execute(self._statement, parameters).all()
        if self._compiled is None:
            self._compiled = _SqliteSelect(self._statement, rows.dialect)
        driver: Any = rows.connection.driver_connection
        return self._compiled.find_all(driver, parameters)


class _SqliteSelect:
    """The statement in the driver's terms."""

    def __init__(self, statement: Select[Any], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self._sql = str(compiled)
        self._parameters: list[tuple[str, Any, Convert | None]] = []
        for name in compiled.positiontup or ():
            convert = compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)
            fixed = compiled.params[name]
            self._parameters.append((name, convert(fixed) if convert and fixed is not None else fixed, convert))
        columns = list(statement.selected_columns)
        self._converts: list[tuple[int, Convert]] = [
            (place, convert)
            for place, column in enumerate(columns)
            if (convert := column.type.dialect_impl(dialect).result_processor(dialect, None)) is not None
        ]
        row_type: Any = namedtuple("Row", [column.key or "" for column in columns])  # type: ignore[misc]
        self._make_row: Callable[[list[Any]], Any] = row_type._make

    def find_all(self, driver: sqlite3.Connection, parameters: Mapping[str, Any]) -> list[Any]:
        """The rows."""
        values = [
            fixed if name not in parameters else convert(parameters[name]) if convert else parameters[name]
            for name, fixed, convert in self._parameters
        ]
        rows = []
        for found in driver.execute(self._sql, values).fetchall():
            row = list(found)
            for place, convert in self._converts:
                row[place] = convert(row[place])
            rows.append(self._make_row(row))
        return rows
