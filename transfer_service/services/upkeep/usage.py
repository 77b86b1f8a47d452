"""What is stored, for administrators: bytes and files of each account and of all, and the room that is left.

Nothing of it is kept beside the rows. Files are counted in indexes alone: a million take some 60 ms of CPU, while the
table itself would have to be read for a second.
"""

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, and_, func, literal_column, not_, select

from transfer_service.models.accounts import Account
from transfer_service.models.files import File
from transfer_service.services.core import Core
from transfer_service.services.files import rows as file_rows
from transfer_service.threads import T

_accounts, _files = Account.__table__, File.__table__
_is_complete = _files.c.state == literal_column("'complete'")
_is_folder = _files.c.state == literal_column("'folder'")
_is_seen = and_(_files.c.holds_name, _files.c.received_bytes > 0)


def _count(*conditions: ColumnElement[bool]) -> ScalarSelect[Any]:
    return select(func.count()).select_from(_files).where(*conditions).scalar_subquery()


_is_own = _files.c.account_id == _accounts.c.id
# What an account sees (`file_rows.is_visible`), from counts that indexes have: all but folders and unseen uploads.
FILES_OF_ACCOUNT = (
    _count(_is_own).correlate(_accounts)
    - _count(_is_own, _is_folder).correlate(_accounts)
    - _count(_is_own, file_rows.is_receiving, not_(_is_seen)).correlate(_accounts)
)
_TOTAL = select(
    select(func.coalesce(func.sum(_accounts.c.used_bytes), 0)).scalar_subquery().label("used_bytes"),
    (_count(_is_complete) + _count(file_rows.is_receiving, _is_seen)).label("files"),
)


@dataclass(frozen=True, slots=True)
class Usage:
    """What all accounts have together, and the room where the store has the bytes: None where nobody can tell."""

    used_bytes: int
    files: int
    free_bytes: int | None


@dataclass(frozen=True, slots=True)
class AccountUsage:
    """What one account has: reserved bytes, attachments and trash among them, and the files that it sees."""

    account_id: uuid.UUID
    name: str
    used_bytes: int
    files: int


class UsageReport:
    """Tells what is used. `free_bytes` looks where the bytes are, off the event loop."""

    def __init__(self, core: Core, *, free_bytes: Callable[[], int | None]) -> None:
        self._database = core.database
        self._offload = core.offload
        self._free_bytes = free_bytes

    def total(self) -> Usage:
        """What there is in all. Raises OSError where the disk does not say."""
        with self._database.read_rows() as rows:
            used_bytes, files = self._run(lambda: rows.execute(_TOTAL).one())
        return Usage(int(used_bytes), files, self._offload(self._free_bytes))

    def list_accounts(self, *, limit: int, after: str | None = None) -> list[AccountUsage]:
        """Accounts by name; behind the one that was called `after`."""
        statement = select(_accounts.c.id, _accounts.c.name, _accounts.c.used_bytes, FILES_OF_ACCOUNT.label("files"))
        if after is not None:
            statement = statement.where(_accounts.c.name > after)
        page = statement.order_by(_accounts.c.name).limit(limit)

        with self._database.read_rows() as rows:
            return [AccountUsage(*row) for row in self._run(lambda: rows.execute(page).all())]

    def _run(self, work: Callable[[], T]) -> T:
        """Ask for what may be a million entries of an index, in SQLite off the event loop."""
        return self._offload(work) if self._database.is_sqlite else work()


def free_bytes_of(folder: Path) -> int:
    """The bytes that may still be stored in a folder. One that is not made yet is in the next one above that is."""
    while not folder.exists():
        folder = folder.parent
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize
