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

from sqlalchemy import ColumnElement, Connection, Select, and_, case, false, func, or_, select, union_all

from transfer_service.errors import NotFound
from transfer_service.models.files import File, FileState, Folder, folded
from transfer_service.services.core import Core
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.folder_rows import find_folder, has_any_folder, is_below
from transfer_service.services.files.name_order import list_by_name
from transfer_service.services.files.rows import FileRecord
from transfer_service.wire.filenames import split_name

_files = File.__table__
_folders = Folder.__table__
_LAST_CHARACTER, _SURROGATES = 0x10FFFF, range(0xD800, 0xE000)
COMMON = 2000
"""From so many names with a prefix on, they are not sorted."""
LARGE_FOLDER = 2_000
"""To sort so many files takes about as long as to come by a page of them among a million."""
NEAR = 20_000
"""Among so many files of an account a page of a large folder's must be, or the folder is sorted nevertheless."""
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
    """Which files, in which order. `search` is a part of the name in any case, `prefix` its very beginning.

    With a `folder`, empty for the top, only those that lie directly in it; with `search` too, all below it, of whose
    names what is behind the folder's own counts.
    """

    sort: Sort = Sort.CREATED
    is_ascending: bool = False
    prefix: str = ""
    search: str = ""
    status: Status | None = None
    folder: str | None = None

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
    Sort.NAME: _Order((file_rows.WHOLE_NAME,), (str,), lambda file: (file.name,)),
    Sort.SIZE: _Order(
        (_files.c.reserved_bytes, _files.c.id), (int, uuid.UUID), lambda file: (file.reserved_bytes, file.id)
    ),
    Sort.UPDATED: _Order(
        (_files.c.updated_at, _files.c.id), (datetime, uuid.UUID), lambda file: (file.updated_at, file.id)
    ),
}


_INDEXED = (Sort.CREATED, Sort.NAME)
"""The orders that there is an index for in every folder; elsewhere all that lies in one is sorted."""


def place_types(sort: Sort) -> tuple[type, ...]:
    """The types of what `place_of` gives."""
    return _ORDERS[sort].types


def place_of(sort: Sort, file: FileRecord) -> Place:
    """Where a file stands in an order."""
    return _ORDERS[sort].place_of(file)


class FileListing:
    """Lists the files and folders of an account, page by page along an index."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._offload = core.offload

    def list_files(
        self, account_id: uuid.UUID, query: FileQuery | None = None, *, limit: int, after: Place | None = None
    ) -> Sequence[FileRecord]:
        """The account's files, newest first unless the query says otherwise; behind `after`, a place of that order."""
        query = query or FileQuery()
        if query.status is Status.PENDING:
            return []
        is_sorted = query.sort is Sort.NAME if query.folder is None else query.sort not in _INDEXED
        with self._database.read_rows() as rows:

            def find() -> Sequence[FileRecord]:
                is_walked = query.sort is Sort.NAME and query.folder is None and not query.is_filtered
                if is_walked and has_any_folder(rows, account_id):
                    behind = after[0] if after else None
                    is_ascending = query.is_ascending
                    return list_by_name(rows, account_id, is_ascending=is_ascending, limit=limit, after=behind)
                statement = self.statement(rows, account_id, query, limit=limit, after=after)
                return [FileRecord(*row) for row in rows.execute(statement)]

            is_long = query.is_filtered or is_sorted
            return self._offload(find) if is_long and self._database.is_sqlite else find()

    def statement(
        self, rows: Connection, account_id: uuid.UUID, query: FileQuery, *, limit: int, after: Place | None
    ) -> Select[Any]:
        """What is asked of the database. Raises NotFound for a folder that there is not."""
        where, is_one_folder = self._place(rows, account_id, query)
        columns = _ORDERS[query.sort].columns
        if query.sort is Sort.NAME and is_one_folder:  # then the last label has an index
            columns, after = (_files.c.name,), after and (split_name(after[0])[1],)
        elif is_one_folder and query.sort not in _INDEXED and query.status is not Status.PARTIAL:
            # A small folder is sorted. For a page of a large one the account's order is walked, if that is soon done.
            in_it = select(_files.c.id).where(_files.c.account_id == account_id, *where)
            if _is_many(rows, in_it, LARGE_FOLDER) and _is_near(rows, account_id, query, limit, after):
                where = tuple(case((each, 1), else_=0) == 1 for each in where)
            else:
                columns = tuple(func.coalesce(column, column) for column in columns)
        if query.status is Status.PARTIAL and query.sort is not Sort.CREATED:
            unfinished = select(_files.c.id).where(_files.c.account_id == account_id, file_rows.is_receiving)
            if not _is_many(rows, unfinished, COMMON):  # few are sorted: an order's index leads by all that is finished
                columns = tuple(func.coalesce(column, column) for column in columns)
        directed = [column.asc() if query.is_ascending else column.desc() for column in columns]
        if query.prefix and is_one_folder and query.sort is Sort.NAME:
            where = (*where, *_begins_in(query.folder or "", query.prefix))
        elif query.prefix:
            where = (*where, self._begins(rows, account_id, query))
        statement = file_rows.select_records.where(
            file_rows.is_visible, _files.c.account_id == account_id, *where, *self._conditions(query)
        )
        if after is not None:
            statement = statement.where(_is_behind(columns, after, is_ascending=query.is_ascending))
        return statement.order_by(*directed).limit(limit)

    @staticmethod
    def _place(
        rows: Connection, account_id: uuid.UUID, query: FileQuery
    ) -> tuple[tuple[ColumnElement[bool], ...], bool]:
        """Where to look, and whether that is one folder: then its files' labels have their order. Raises NotFound."""
        if query.folder:
            folder = find_folder(rows, account_id, query.folder)
            if folder is None:
                raise NotFound("Folder not found")
            return ((is_below(query.folder),), False) if query.search else ((_files.c.folder_id == folder.id,), True)
        is_direct = query.folder is not None and not query.search
        if is_direct or (query.sort is Sort.NAME and not has_any_folder(rows, account_id)):
            # Worded like the partial index of unfinished files, so that it is used where only those are asked for.
            is_partial = query.status is Status.PARTIAL
            return (_folders.c.id.is_(None) if is_partial else _files.c.folder_id.is_(None),), True
        return (), False

    @staticmethod
    def _begins(rows: Connection, account_id: uuid.UUID, query: FileQuery) -> ColumnElement[bool]:
        """Whether a file's name has the prefix.

        So many may have it that sorting them takes longer than to come by some of them in their order.
        """
        folder, label = split_name(query.prefix)
        of_account = (_files.c.account_id == account_id, _files.c.holds_name)
        parent = select(_folders.c.id).where(_folders.c.account_id == account_id, _folders.c.path == f"{folder}/")
        is_in = _files.c.folder_id == parent.scalar_subquery() if folder else _files.c.folder_id.is_(None)
        there = select(_files.c.id).where(*of_account, is_in, *_begins_with(_files.c.name, label))
        inside = select(_files.c.id).join(_folders, _folders.c.id == _files.c.folder_id)
        is_below_it = (_folders.c.account_id == account_id, *_begins_with(_folders.c.path, query.prefix))
        ids = union_all(there, inside.where(*of_account, *is_below_it)).subquery()
        if _is_many(rows, select(ids.c.id), COMMON):
            return and_(*_begins_with(file_rows.WHOLE_NAME, query.prefix))
        return _files.c.id.in_(select(ids.c.id))

    def _conditions(self, query: FileQuery) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = []
        if query.search:
            find = func.instr if self._database.is_sqlite else func.strpos
            name = func.coalesce(_folders.c.folded_path, "") + _files.c.folded_name
            behind = func.substr(name, len(folded(f"{query.folder}/")) + 1) if query.folder else name
            conditions.append(find(behind, folded(query.search)) > 0)
        if query.status is Status.COMPLETE:
            conditions.append(_files.c.state == FileState.COMPLETE)
        elif query.status is Status.PARTIAL:
            conditions.append(file_rows.is_receiving)
        return conditions


def _is_many(rows: Connection, found: Select[Any], many: int) -> bool:
    count = select(func.count()).select_from(found.limit(many).subquery())
    return bool(rows.execute(count).scalar_one() == many)


def _is_near(rows: Connection, account_id: uuid.UUID, query: FileQuery, limit: int, after: Place | None) -> bool:
    """Whether a page of a folder's files comes soon in their account's order, behind a place."""
    folder = find_folder(rows, account_id, query.folder) if query.folder else None
    columns = _ORDERS[query.sort].columns
    directed = [column.asc() if query.is_ascending else column.desc() for column in columns]
    first = select(_files.c.folder_id).where(_files.c.account_id == account_id).order_by(*directed).limit(NEAR)
    if after is not None:
        first = first.where(_is_behind(columns, after, is_ascending=query.is_ascending))
    near = first.subquery()
    is_in = near.c.folder_id == folder.id if folder else near.c.folder_id.is_(None)
    return _is_many(rows, select(near.c.folder_id).where(is_in), limit)


def _begins_with(name: ColumnElement[str], prefix: str) -> list[ColumnElement[bool]]:
    end = _successor(prefix)
    return [name >= prefix] if end is None else [name >= prefix, name < end]


def _begins_in(folder: str, prefix: str) -> list[ColumnElement[bool]]:
    """The same of files in one folder, by their labels."""
    path = f"{folder}/" if folder else ""
    if path.startswith(prefix):
        return []
    return _begins_with(_files.c.name, prefix[len(path) :]) if prefix.startswith(path) else [false()]


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
