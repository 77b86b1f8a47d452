"""What administrators change in an account, in one transaction, and what of it the audit log is told."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from transfer_service.errors import Forbidden, LastAdmin
from transfer_service.models.accounts import Account, AccountPermission, SignIn
from transfer_service.models.keys import AccountKey
from transfer_service.models.sharing import Allotment
from transfer_service.services.accounts.rows import account_of, permissions_of
from transfer_service.services.accounts.sign_ins import Identity, check_alive
from transfer_service.services.events import audit
from transfer_service.services.events.actions import Action

ADMINS_ONLY = "Admin privileges required"


@dataclass(frozen=True, slots=True)
class Changes:
    """What becomes of an account; None leaves a thing as it is. `permissions` are all that it will have.

    A quota of None is the general one, so `sets_quota` tells whether it is meant. With a password all sign-ins end,
    with `end_keys` all keys, and all addresses that the account has signed.
    """

    is_admin: bool | None = None
    is_disabled: bool | None = None
    permissions: frozenset[str] | None = None
    sets_quota: bool = False
    quota_bytes: int | None = None
    password_hash: str | None = None
    end_keys: bool = False


def lock_admins(session: Session, *, by: Identity | None) -> set[uuid.UUID]:
    """Lock the enabled administrators until the caller's commit, all of them before any other account, or two callers
    would wait for each other. `by` is who asks, None for commands: who was let in when his request began has no rights
    any more that were taken since.

    Raises Forbidden where that is no administrator now, BadCredentials where his sign-in has ended.
    """
    enabled = select(Account.id).where(Account.is_admin, Account.disabled_at.is_(None)).order_by(Account.id)
    admins = set(session.scalars(enabled.with_for_update()))
    if by is not None:
        check_alive(session, by)
        if by.account_id not in admins:
            raise Forbidden(ADMINS_ONLY)
    return admins


def lock_expendable(session: Session, name: str, *, by: Identity | None = None) -> Account:
    """Lock an account without which an enabled administrator is left until the caller's commit.

    Raises Forbidden, NotFound, LastAdmin.
    """
    admins = lock_admins(session, by=by)
    account = account_of(session, name, lock=True)
    if admins == {account.id}:
        raise last_admin(account)
    return account


def last_admin(account: Account) -> LastAdmin:
    """The refusal to do without an account."""
    return LastAdmin(f"{account.name} is the last enabled administrator")


def change(session: Session, name: str, changes: Changes, *, by: Identity | None, now: datetime) -> Account:
    """Change an account, and tell the audit log of what has become different.

    Raises Forbidden, BadCredentials, NotFound, LastAdmin.
    """
    takes_rights = changes.is_admin is False or changes.is_disabled is True
    admins = lock_admins(session, by=by) if takes_rights or by is not None else set()
    account = account_of(session, name, lock=True)
    if takes_rights and admins == {account.id}:
        raise last_admin(account)
    told = _change_rights(session, account, changes)
    if changes.end_keys:
        told["signed_addresses"] = "ended"
        _end_keys(session, account, now)
    if told:
        audit.record(session, Action.ACCOUNT_CHANGED, account.name, told, at=now)
    _change_password(session, account, changes, now)
    _change_state(session, account, changes, now)
    return account


def _change_rights(session: Session, account: Account, changes: Changes) -> dict[str, Any]:
    """What has changed, with what was before."""
    told: dict[str, Any] = {}
    if changes.is_admin is not None and changes.is_admin != account.is_admin:
        told["is_admin"] = _step(account.is_admin, changes.is_admin)
        account.is_admin = changes.is_admin
    if changes.sets_quota and changes.quota_bytes != account.quota_bytes:
        told["quota_bytes"] = _step(account.quota_bytes, changes.quota_bytes)
        account.quota_bytes = changes.quota_bytes
    if changes.permissions is not None:
        before = permissions_of(session, account.id)
        if set(before) != changes.permissions:
            told["permissions"] = _step(before, sorted(changes.permissions))
            set_permissions(session, account.id, before=before, after=changes.permissions)
    return told


def _step(before: object, after: object) -> dict[str, Any]:
    return {"from": before, "to": after}


def set_permissions(
    session: Session, account_id: uuid.UUID, *, before: Collection[str], after: Collection[str]
) -> None:
    """Give an account these permissions, under its lock, and take all others."""
    rows = AccountPermission
    taken = [each for each in before if each not in after]
    session.execute(delete(rows).where(rows.account_id == account_id, rows.permission.in_(taken)))
    session.add_all(
        AccountPermission(account_id=account_id, permission=each) for each in sorted(set(after) - set(before))
    )


def _end_keys(session: Session, account: Account, now: datetime) -> None:
    """End keys and signed addresses. What has come by the keys counts for the account alone then."""
    account.signing_generation += 1
    is_own = AccountKey.account_id == account.id
    session.execute(delete(Allotment).where(Allotment.id.in_(select(AccountKey.id).where(is_own))))
    for key in session.execute(delete(AccountKey).where(is_own).returning(AccountKey.id, AccountKey.name)).all():
        audit.record(session, Action.KEY_REVOKED, key.id, {"name": key.name}, at=now)


def _change_password(session: Session, account: Account, changes: Changes, now: datetime) -> None:
    if changes.password_hash is not None:
        account.password_hash = changes.password_hash
        end_sign_ins(session, account.id, now)
        audit.record(session, Action.ACCOUNT_PASSWORD_CHANGED, account.name, {}, at=now)


def _change_state(session: Session, account: Account, changes: Changes, now: datetime) -> None:
    if changes.is_disabled is True:
        end_sign_ins(session, account.id, now)
    if changes.is_disabled is None or changes.is_disabled == (account.disabled_at is not None):
        return
    account.disabled_at = now if changes.is_disabled else None
    action = Action.ACCOUNT_DISABLED if changes.is_disabled else Action.ACCOUNT_ENABLED
    audit.record(session, action, account.name, {}, at=now)


def end_sign_ins(session: Session, account_id: uuid.UUID, now: datetime, *, keep: uuid.UUID | None = None) -> None:
    """End every sign-in of an account, but for one that is to stay."""
    rows = SignIn
    alive = update(rows).where(rows.account_id == account_id, rows.revoked_at.is_(None))
    if keep is not None:
        alive = alive.where(rows.id != keep)
    session.execute(alive.values(revoked_at=now))
