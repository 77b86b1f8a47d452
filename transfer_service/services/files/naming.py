"""Giving a file its name when it is whole: numbered where that is taken, or in place of the old one."""

import uuid

from sqlalchemy import bindparam, select

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect
from transfer_service.models.accounts import Account
from transfer_service.models.files import File
from transfer_service.services.files.files import remove_row
from transfer_service.services.files.rows import COLUMNS, FileRecord
from transfer_service.services.limits import Space
from transfer_service.wire.filenames import numbered_name

_accounts = Account.__table__
_files = File.__table__
_LOCK_ACCOUNT = PreparedSelect(
    select(_accounts.c.id).where(_accounts.c.id == bindparam("account_id")).with_for_update()
)
_held = select(*COLUMNS).where(
    _files.c.account_id == bindparam("account_id"), _files.c.name == bindparam("name"), _files.c.holds_name
)
_HOLDER, _LOCK_HOLDER = PreparedSelect(_held), PreparedSelect(_held.with_for_update())


def claim_name(
    rows: Executor, account_id: uuid.UUID, name: str, *, overwrite: bool, space: Space, new_bytes: int = 0
) -> tuple[str, uuid.UUID | None]:
    """A name that a file may hold from the caller's transaction on: `name` itself, or `name` with a number.

    With `overwrite` whoever holds it is removed; then its id comes along, and its blob is the caller's to discard.
    Room for `new_bytes` is reserved before that: until then there are both. Raises QuotaExceeded.
    """
    if overwrite:  # its file before the account, as everybody who changes a file does: or they wait for each other
        _LOCK_HOLDER.find(rows, {"account_id": account_id, "name": name})
    space.reserve(rows, account_id, new_bytes)
    lock_names(rows, account_id)
    holder = find_holder(rows, account_id, name)
    if holder is None:
        return name, None
    if overwrite:
        remove_row(rows, holder, space)
        return name, holder.id
    taken, free = 1, 2
    while find_holder(rows, account_id, numbered_name(name, free)) is not None:
        taken, free = free, free * 2
    while free - taken > 1:  # so a thousand namesakes cost twenty look-ups
        middle = (taken + free) // 2
        is_taken = find_holder(rows, account_id, numbered_name(name, middle)) is not None
        taken, free = (middle, free) if is_taken else (taken, middle)
    return numbered_name(name, free), None


def lock_names(rows: Executor, account_id: uuid.UUID) -> None:
    """Names are given out one at a time: nobody else gives one of this account's before the transaction ends."""
    _LOCK_ACCOUNT.find(rows, {"account_id": account_id})


def find_holder(rows: Executor, account_id: uuid.UUID, name: str) -> FileRecord | None:
    """Who holds a name, visible or not."""
    row = _HOLDER.find(rows, {"account_id": account_id, "name": name})
    return FileRecord(*row) if row is not None else None
