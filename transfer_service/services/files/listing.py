"""The files of an account in pages: filtered, sorted, and fast with a hundred thousand of them.

Every order has an index to walk along from where the page before ended. What is filtered out on the way costs little in
SQLite; where that may be much, the walk happens off the event loop.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from transfer_service.models.files import File, FileState, folded
from transfer_service.services.core import Core
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.rows import FileRecord

_files = File.__table__
_LAST_CHARACTER, _SURROGATES = 0x10FFFF, range(0xD800, 0xE000)
COMMON = 2000
"""From so many names with a prefix on, they are not sorted."""
Place = tuple[Any, ...]


class Sort(StrEnum):
    """What files are sorted by; the size is the length, or as much as is known of it."""

    CREATED = "created"
    NAME = "name"
    SIZE = "size"
    UPDATED = "updated"


class Status(StrEnum):
    """How far files are. No file in a list is pending: of those nothing has come yet."""

    PENDING = "pending"
    PARTIAL = "partial"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class FileQuery:
    """Which files, in which order. `search` is a part of the name in any case, `prefix` its very beginning."""

    sort: Sort = Sort.CREATED
    is_ascending: bool = False
    prefix: str = ""
    search: str = ""
    status: Status | None = None

    @property
    def is_filtered(self) -> bool:
        """Whether there may be many files between two that are shown."""
        return bool(self.prefix or self.search or self.status)


@dataclass(frozen=True, slots=True)
class _Order:
    """The columns of an order, as the index has them, their types, and their values in a file."""

    columns: tuple[ColumnElement[Any], ...]
    types: tuple[type, ...]
    place_of: Callable[[FileRecord], Place]


_ORDERS: Final = {
    Sort.CREATED: _Order(
        (_files.c.created_at, _files.c.id), (datetime, uuid.UUID), lambda file: (file.created_at, file.id)
    ),
    Sort.NAME: _Order((_files.c.name,), (str,), lambda file: (file.name,)),
    Sort.SIZE: _Order(
        (_files.c.reserved_bytes, _files.c.id), (int, uuid.UUID), lambda file: (file.reserved_bytes, file.id)
    ),
    Sort.UPDATED: _Order(
        (_files.c.updated_at, _files.c.id), (datetime, uuid.UUID), lambda file: (file.updated_at, file.id)
    ),
}


def place_types(sort: Sort) -> tuple[type, ...]:
    """The types of what `place_of` gives."""
    return _ORDERS[sort].types


def place_of(sort: Sort, file: FileRecord) -> Place:
    """Where a file stands in an order."""
    return _ORDERS[sort].place_of(file)


class FileListing:
    """Lists files."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._offload = core.offload

    def list_files(
        self, account_id: uuid.UUID, query: FileQuery | None = None, *, limit: int, after: Place | None = None
    ) -> list[FileRecord]:
        """The account's files, newest first unless the query says otherwise; behind `after`, a place of that order."""
        query = query or FileQuery()
        if query.status is Status.PENDING:
            return []
        with self._database.read_rows() as rows:

            def find() -> Sequence[Any]:
                is_common = (
                    query.sort is not Sort.NAME and bool(query.prefix) and self._is_common(rows, account_id, query)
                )
                statement = self.statement(account_id, query, limit=limit, after=after, is_common=is_common)
                return rows.execute(statement).all()

            found = self._offload(find) if query.is_filtered and self._database.is_sqlite else find()
        return [FileRecord(*row) for row in found]

    def statement(
        self, account_id: uuid.UUID, query: FileQuery, *, limit: int, after: Place | None, is_common: bool = False
    ) -> Select[Any]:
        """What is asked of the database. `is_common`: so many names have the prefix that sorting them takes longer than
        to come by some of them in their order.
        """
        order = _ORDERS[query.sort]
        directed = [column.asc() if query.is_ascending else column.desc() for column in order.columns]
        statement = file_rows.select_records.where(
            file_rows.is_visible, _files.c.account_id == account_id, *self._conditions(query, is_common=is_common)
        )
        if after is not None:
            statement = statement.where(_is_behind(order.columns, after, is_ascending=query.is_ascending))
        return statement.order_by(*directed).limit(limit)

    def _is_common(self, rows: Connection, account_id: uuid.UUID, query: FileQuery) -> bool:
        some = select(_files.c.id).where(
            _files.c.account_id == account_id, _files.c.holds_name, *_begins_with(_files.c.name, query.prefix)
        )
        count = select(func.count()).select_from(some.limit(COMMON).subquery())
        return bool(rows.execute(count).scalar_one() == COMMON)

    def _conditions(self, query: FileQuery, *, is_common: bool) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = []
        if query.prefix:  # not the column itself, where its index is not to be used
            conditions += _begins_with(_files.c.name.concat("") if is_common else _files.c.name, query.prefix)
        if query.search:
            find = func.instr if self._database.is_sqlite else func.strpos
            conditions.append(find(_files.c.folded_name, folded(query.search)) > 0)
        if query.status is Status.COMPLETE:
            conditions.append(_files.c.state == FileState.COMPLETE)
        elif query.status is Status.PARTIAL:
            conditions.append(file_rows.is_receiving)
        return conditions


def _begins_with(name: ColumnElement[str], prefix: str) -> list[ColumnElement[bool]]:
    end = _successor(prefix)
    return [name >= prefix] if end is None else [name >= prefix, name < end]


def _is_behind(columns: tuple[Any, ...], place: Place, *, is_ascending: bool) -> ColumnElement[bool]:
    """Whether a row comes after a place. The first comparison is what an index can jump to."""
    first, second = columns[0], columns[-1]
    if len(columns) == 1:
        return cast(ColumnElement[bool], first > place[0] if is_ascending else first < place[0])
    if is_ascending:
        return and_(first >= place[0], or_(first > place[0], second > place[1]))
    return and_(first <= place[0], or_(first < place[0], second < place[1]))


def _successor(prefix: str) -> str | None:
    """The first string behind all that begin with `prefix`, None where there is none."""
    for last in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[last]) + 1
        if code in _SURROGATES:
            code = _SURROGATES.stop
        if code <= _LAST_CHARACTER:
            return prefix[:last] + chr(code)
    return None
