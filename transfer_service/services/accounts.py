"""Accounts: devices and people, their passwords and permissions."""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import Table, bindparam, delete, select, update
from sqlalchemy.orm import Session

from transfer_service.database import Database
from transfer_service.errors import BadCredentials, InvalidName, InvalidRequest, NameTaken, NotFound
from transfer_service.models import Account, AccountPermission, SignIn
from transfer_service.prepared import PreparedSelect
from transfer_service.services.login_throttle import LoginThrottle
from transfer_service.services.passwords import Passwords
from transfer_service.wire.filenames import parse_name

_PERMISSION = re.compile(r"[a-z][a-z0-9_.-]{0,99}", re.ASCII)

_permissions = cast(Table, AccountPermission.__table__)
_HELD = PreparedSelect(
    select(_permissions.c.permission).where(
        _permissions.c.account_id == bindparam("account_id"), _permissions.c.permission == bindparam("permission")
    )
)


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """An account as others may see it."""

    account_id: uuid.UUID
    name: str
    is_admin: bool
    permissions: tuple[str, ...]
    disabled: bool


class AccountService:
    """Rules of section 3 of the contract that concern accounts; tokens are in `sign_ins`."""

    def __init__(
        self, *, database: Database, passwords: Passwords, throttle: LoginThrottle, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._throttle = throttle
        self._now = now

    def create(self, name: str, password: str, *, is_admin: bool = False, permissions: tuple[str, ...] = ()) -> None:
        """Make an account. Raises InvalidName, InvalidRequest, NameTaken, ValueError for an impossible password."""
        name = parse_name(name)
        for permission in permissions:
            _check_permission(permission)
        password_hash = self._passwords.hash(password)
        with self._database.write() as session:
            if session.scalar(select(Account.id).where(Account.name == name)) is not None:
                raise NameTaken(f"Account {name} exists")
            account = Account(
                id=uuid.uuid4(), name=name, password_hash=password_hash, is_admin=is_admin, created_at=self._now()
            )
            session.add(account)
            session.flush()
            session.add_all(
                AccountPermission(account_id=account.id, permission=each) for each in sorted(set(permissions))
            )

    def create_first_admin(self, name: str, password: str) -> bool:
        """Make an administrator if there is no account at all, and tell whether that was so."""
        with self._database.read() as session:
            if session.scalar(select(Account.id).limit(1)) is not None:
                return False
        try:
            self.create(name, password, is_admin=True)
        except NameTaken:  # another process was faster
            return False
        return True

    def list_accounts(self) -> list[AccountFacts]:
        """Every account by name."""
        with self._database.read() as session:
            accounts = session.scalars(select(Account).order_by(Account.name)).all()
            return [_facts(session, account) for account in accounts]

    def get(self, name: str) -> AccountFacts:
        """One account. Raises NotFound."""
        with self._database.read() as session:
            return _facts(session, _account(session, name))

    def set_password(self, name: str, password: str) -> None:
        """Replace the password and end every sign-in. Raises NotFound, ValueError."""
        password_hash = self._passwords.hash(password)
        with self._database.write() as session:
            account = _account(session, name)
            account.password_hash = password_hash
            self._revoke_sign_ins(session, account.id)

    def disable(self, name: str) -> None:
        """Lock the account out at once and end every sign-in. Raises NotFound."""
        with self._database.write() as session:
            account = _account(session, name)
            account.disabled_at = account.disabled_at or self._now()
            self._revoke_sign_ins(session, account.id)

    def enable(self, name: str) -> None:
        """Let the account sign in again; no old token revives. Raises NotFound."""
        with self._database.write() as session:
            _account(session, name).disabled_at = None

    def grant(self, name: str, permission: str) -> None:
        """Give a permission. Raises NotFound, InvalidRequest."""
        _check_permission(permission)
        with self._database.write() as session:
            session.merge(AccountPermission(account_id=_account(session, name).id, permission=permission))

    def revoke(self, name: str, permission: str) -> None:
        """Take a permission away. Raises NotFound."""
        rows = AccountPermission
        with self._database.write() as session:
            account_id = _account(session, name).id
            session.execute(delete(rows).where(rows.account_id == account_id, rows.permission == permission))

    def has_permission(self, account_id: uuid.UUID, permission: str) -> bool:
        """Whether the account was given the permission; administrators hold none by being administrators."""
        with self._database.read_rows() as rows:
            return _HELD.find(rows, {"account_id": account_id, "permission": permission}) is not None

    def authenticate(self, name: str, password: str, *, address: str) -> AccountFacts:
        """The account that this name and password belong to. Raises BadCredentials, TooManyAttempts.

        Unknown names, wrong passwords and disabled accounts take the same time and give the same error.
        """
        with self._throttle.attempt(name=name, address=address), self._passwords.turns:
            account = self._find(name)
            if not self._passwords.verify(account.password_hash if account else None, password):
                raise BadCredentials
            if account is None or account.disabled_at is not None:
                raise BadCredentials
            return self.get(name)

    def _find(self, name: str) -> Account | None:
        try:
            name = parse_name(name)
        except InvalidName:
            return None
        with self._database.read() as session:
            return session.scalar(select(Account).where(Account.name == name))

    def _revoke_sign_ins(self, session: Session, account_id: uuid.UUID) -> None:
        rows = SignIn
        alive = update(rows).where(rows.account_id == account_id, rows.revoked_at.is_(None))
        session.execute(alive.values(revoked_at=self._now()))


def _account(session: Session, name: str) -> Account:
    account = session.scalar(select(Account).where(Account.name == parse_name(name)))
    if account is None:
        raise NotFound(f"There is no account {name}")
    return account


def _facts(session: Session, account: Account) -> AccountFacts:
    rows = AccountPermission
    permissions = session.scalars(
        select(rows.permission).where(rows.account_id == account.id).order_by(rows.permission)
    )
    return AccountFacts(
        account_id=account.id,
        name=account.name,
        is_admin=account.is_admin,
        permissions=tuple(permissions),
        disabled=account.disabled_at is not None,
    )


def _check_permission(permission: str) -> None:
    if _PERMISSION.fullmatch(permission) is None:
        raise InvalidRequest(f"{permission!r} is no permission: use lower-case letters, digits, . _ -")
