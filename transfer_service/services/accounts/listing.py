"""Accounts in pages, for administrators; and names of accounts, for everybody who looks for somebody.

`name` and `last_sign_in` are walked along their indexes. What is searched for is looked for in all names, and
`used_bytes` are sorted: an index of theirs would have to be changed by every upload. A hundred thousand accounts take
some 15 ms of CPU for that, off the event loop.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select

from transfer_service.models.accounts import Account, AccountPermission
from transfer_service.models.files import folded
from transfer_service.services.accounts.rows import AccountRecord, record_of
from transfer_service.services.core import Core
from transfer_service.services.upkeep.usage import FILES_OF_ACCOUNT
from transfer_service.threads import T

MOST_NAMES = 20
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Where those who have never signed in stand in the order: before all others."""

_accounts, _permissions = Account.__table__, AccountPermission.__table__
_HAS_SIGNED_IN, _NEVER_SIGNED_IN = _accounts.c.last_sign_in_at.is_not(None), _accounts.c.last_sign_in_at.is_(None)
Place = tuple[Any, ...]


class Sort(StrEnum):
    """What accounts are sorted by."""

    NAME = "name"
    USED_BYTES = "used_bytes"
    LAST_SIGN_IN = "last_sign_in"


PLACE_TYPES: dict[Sort, tuple[type, ...]] = {
    Sort.NAME: (str,),
    Sort.USED_BYTES: (int, uuid.UUID),
    Sort.LAST_SIGN_IN: (datetime, uuid.UUID),
}
"""The types of what `place_of` gives."""


@dataclass(frozen=True, slots=True)
class ListedAccount:
    """An account, and how many files it sees."""

    account: AccountRecord
    files: int


@dataclass(frozen=True, slots=True)
class AccountQuery:
    """Which accounts, in which order. `search` is a part of the name in any case of any script."""

    search: str = ""
    sort: Sort = Sort.NAME
    is_ascending: bool = True


def place_of(sort: Sort, listed: ListedAccount) -> Place:
    """Where an account stands in an order."""
    account = listed.account
    if sort is Sort.NAME:
        return (account.name,)
    if sort is Sort.USED_BYTES:
        return (account.used_bytes, account.account_id)
    return (account.last_sign_in_at or NEVER, account.account_id)


class AccountListing:
    """Lists accounts, page by page, and finds names."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._offload = core.offload

    def list_accounts(self, query: AccountQuery, *, limit: int, after: Place | None = None) -> list[ListedAccount]:
        """Accounts behind a place of their order."""

        def find() -> list[ListedAccount]:
            with self._database.read_rows() as rows:
                found: list[Any] = []
                for statement in self._statements(query, after):
                    found += rows.execute(statement.limit(limit - len(found))).all()
                    if len(found) == limit:
                        break
                return _completed(rows, found)

        return self._run(find)

    def count_files(self, account_id: uuid.UUID) -> int:
        """How many files an account sees."""

        def count() -> int:
            with self._database.read_rows() as rows:
                counted = select(FILES_OF_ACCOUNT).select_from(_accounts).where(_accounts.c.id == account_id)
                return rows.execute(counted).scalar() or 0

        return self._run(count)

    def find_names(self, search: str) -> list[str]:
        """The names of up to MOST_NAMES enabled accounts that have this in them; first those that begin with it."""
        begins = case((self._place_in_name(search) == 1, 0), else_=1)
        statement = select(_accounts.c.name).where(self._has(search), _accounts.c.disabled_at.is_(None))
        page = statement.order_by(begins, _accounts.c.name).limit(MOST_NAMES)

        def find() -> list[str]:
            with self._database.read_rows() as rows:
                return list(rows.execute(page).scalars())

        return self._run(find)

    def _statements(self, query: AccountQuery, after: Place | None) -> Iterator[Select[Any]]:
        """What gives the accounts of an order, one after the other."""
        accounts = select(_accounts)
        if query.search:
            accounts = accounts.where(self._has(query.search))
        if query.sort is not Sort.LAST_SIGN_IN:
            by = (_accounts.c.name,) if query.sort is Sort.NAME else (_accounts.c.used_bytes, _accounts.c.id)
            yield _walk(accounts, by, after, is_ascending=query.is_ascending)
            return
        columns = (_accounts.c.last_sign_in_at, _accounts.c.id)
        halves = [_NEVER_SIGNED_IN, _HAS_SIGNED_IN] if query.is_ascending else [_HAS_SIGNED_IN, _NEVER_SIGNED_IN]
        if after is not None and (after[0] == NEVER) is (halves[1] is _NEVER_SIGNED_IN):
            del halves[0]  # its accounts stand before the place
        for half in halves:
            # Of the one half only the ids differ. They are still sorted by both columns, as the index has them.
            behind = after and (after if half is _HAS_SIGNED_IN else (None, after[1]))
            yield _walk(accounts.where(half), columns, behind, is_ascending=query.is_ascending)
            after = None

    def _has(self, search: str) -> ColumnElement[bool]:
        return self._place_in_name(search) > 0

    def _place_in_name(self, search: str) -> ColumnElement[int]:
        find = func.instr if self._database.is_sqlite else func.strpos
        return find(_accounts.c.folded_name, folded(search))

    def _run(self, work: Callable[[], T]) -> T:
        """Ask for what may be much, in SQLite off the event loop."""
        return self._offload(work) if self._database.is_sqlite else work()


def _walk(
    accounts: Select[Any], columns: Sequence[ColumnElement[Any]], after: Place | None, *, is_ascending: bool
) -> Select[Any]:
    """Accounts behind a place, in the order of columns. The first comparison is what an index can jump to."""
    if after is not None:
        accounts = accounts.where(_is_behind(columns, after, is_ascending=is_ascending))
    return accounts.order_by(*(column.asc() if is_ascending else column.desc() for column in columns))


def _is_behind(columns: Sequence[ColumnElement[Any]], place: Place, *, is_ascending: bool) -> ColumnElement[bool]:
    first, last = columns[0], columns[-1]
    is_behind_last: ColumnElement[bool] = last > place[-1] if is_ascending else last < place[-1]
    if len(columns) == 1 or place[0] is None:
        return is_behind_last
    if is_ascending:
        return and_(first >= place[0], or_(first > place[0], is_behind_last))
    return and_(first <= place[0], or_(first < place[0], is_behind_last))


def _completed(rows: Connection, found: Sequence[Any]) -> list[ListedAccount]:
    """With what each may do, and how many files it has."""
    ids = [account.id for account in found]
    held: dict[uuid.UUID, list[str]] = {}
    of_them = select(_permissions).where(_permissions.c.account_id.in_(ids)).order_by(_permissions.c.permission)
    for row in rows.execute(of_them):
        held.setdefault(row.account_id, []).append(row.permission)
    files = {
        row[0]: row[1] for row in rows.execute(select(_accounts.c.id, FILES_OF_ACCOUNT).where(_accounts.c.id.in_(ids)))
    }
    return [ListedAccount(record_of(each, held.get(each.id, ())), files.get(each.id, 0)) for each in found]
