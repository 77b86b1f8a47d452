"""The record of an account, and how one is found."""

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect
from transfer_service.errors import InvalidName, InvalidRequest, NotFound
from transfer_service.models.accounts import DELETED_ACCOUNT, Account, AccountPermission
from transfer_service.wire.filenames import parse_label

MOST_BYTES = 2**63 - 1
"""The largest quota."""
_PERMISSION = re.compile(r"[a-z][a-z0-9_.-]{0,99}", re.ASCII)

_accounts, _permissions = Account.__table__, AccountPermission.__table__
_BY_NAME = PreparedSelect(select(_accounts).where(_accounts.c.name == bindparam("name")))
_PERMISSIONS = PreparedSelect(
    select(_permissions.c.permission)
    .where(_permissions.c.account_id == bindparam("account_id"))
    .order_by(_permissions.c.permission)
)


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """An account as others may see it. `own_quota_bytes` is None where the general quota counts."""

    account_id: uuid.UUID
    name: str
    is_admin: bool
    permissions: tuple[str, ...]
    disabled: bool
    used_bytes: int
    own_quota_bytes: int | None
    created_at: datetime
    last_sign_in_at: datetime | None


def record_of(account: Any, permissions: Iterable[str]) -> AccountRecord:
    """The record of a row, or of an `Account`."""
    return AccountRecord(
        account_id=account.id,
        name=account.name,
        is_admin=account.is_admin,
        permissions=tuple(permissions),
        disabled=account.disabled_at is not None,
        used_bytes=account.used_bytes,
        own_quota_bytes=account.quota_bytes,
        created_at=account.created_at,
        last_sign_in_at=account.last_sign_in_at,
    )


def find_record(rows: Executor, name: str) -> AccountRecord | None:
    """The account of that name, written in any way that means the same."""
    account = find_by_name(rows, name)
    return None if account is None else record_of(account, permissions_of(rows, account.id))


def find_by_name(rows: Executor, name: str) -> Any | None:
    """Its row. None also for what no account can be called."""
    try:
        return _BY_NAME.find(rows, {"name": parse_label(name)})
    except InvalidName:
        return None


def permissions_of(rows: Executor, account_id: uuid.UUID) -> list[str]:
    """What the account was given, in order."""
    return [each.permission for each in _PERMISSIONS.find_all(rows, {"account_id": account_id})]


def account_of(session: Session, name: str, *, lock: bool = False) -> Account:
    """The account to be changed, locked until the caller's commit on demand. Raises NotFound."""
    found = find_by_name(session, name)
    account = None if found is None else session.get(Account, found.id, with_for_update=lock)
    if account is None:
        raise unknown(name)
    return account


def unknown(name: str) -> NotFound:
    """The refusal for a name that no account has."""
    return NotFound(f"There is no account {name}")


def check_new_name(name: str) -> str:
    """The name of a new account. Raises InvalidName, also for one that would be taken for a deleted account's."""
    name = parse_label(name)
    if " ".join(name.casefold().split()) == DELETED_ACCOUNT:
        raise InvalidName(f"No account can be called {name}")
    return name


def check_permission(permission: str) -> None:
    """Raises InvalidRequest for what no permission can be called."""
    if _PERMISSION.fullmatch(permission) is None:
        raise InvalidRequest(f"{permission!r} is no permission: use lower-case letters, digits, . _ -")


def check_quota(quota_bytes: int | None) -> None:
    """Raises InvalidRequest for what no quota can be."""
    if quota_bytes is not None and not 0 <= quota_bytes <= MOST_BYTES:
        raise InvalidRequest(f"quota_bytes must be a number of bytes from 0 to {MOST_BYTES}")
