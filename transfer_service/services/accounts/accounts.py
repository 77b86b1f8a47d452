"""Accounts: devices and people, their passwords and permissions."""

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from transfer_service.db.prepared import PreparedSelect
from transfer_service.errors import (
    BadCredentials,
    InvalidName,
    InvalidRequest,
    LastAdmin,
    NameTaken,
    NotFound,
    WrongPassword,
)
from transfer_service.models.accounts import DELETED_ACCOUNT, Account, AccountPermission, SignIn
from transfer_service.models.files import File
from transfer_service.services.accounts.passwords import LoginThrottle, Passwords, check_new_password
from transfer_service.services.accounts.sign_ins import Identity
from transfer_service.services.core import Core
from transfer_service.services.files.rows import is_visible
from transfer_service.wire.filenames import parse_label

MOST_BYTES = 2**63 - 1
"""The largest quota."""

_PERMISSION = re.compile(r"[a-z][a-z0-9_.-]{0,99}", re.ASCII)

_accounts, _permissions = Account.__table__, AccountPermission.__table__
_BY_NAME = PreparedSelect(select(_accounts).where(_accounts.c.name == bindparam("name")))
_ALL_HELD = PreparedSelect(
    select(_permissions.c.permission)
    .where(_permissions.c.account_id == bindparam("account_id"))
    .order_by(_permissions.c.permission)
)
_HELD = PreparedSelect(
    select(_permissions.c.permission).where(
        _permissions.c.account_id == bindparam("account_id"), _permissions.c.permission == bindparam("permission")
    )
)


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """An account as others may see it."""

    account_id: uuid.UUID
    name: str
    is_admin: bool
    permissions: tuple[str, ...]
    disabled: bool
    used_bytes: int
    own_quota_bytes: int | None
    created_at: datetime
    last_sign_in_at: datetime | None


@dataclass(frozen=True, slots=True)
class Verified:
    """An account whose password was shown, and the hash that it was verified against."""

    account: AccountRecord
    password_hash: str


class AccountService:
    """Rules of section 3 of the contract that concern accounts; tokens are in `sign_ins`."""

    def __init__(self, core: Core, *, passwords: Passwords) -> None:
        self._database = core.database
        self._passwords = passwords
        self._throttle = LoginThrottle(core.settings.redis_url)
        self._now = core.now

    def create(self, name: str, password: str, *, is_admin: bool = False, permissions: tuple[str, ...] = ()) -> None:
        """Make an account. Raises InvalidName, InvalidRequest, NameTaken."""
        name = new_name(name)
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

    def create_first_admin(self, name: str, password: str, *, permissions: tuple[str, ...] = ()) -> bool:
        """Make an administrator if there is no account at all, and tell whether that was so."""
        with self._database.read() as session:
            if session.scalar(select(Account.id).limit(1)) is not None:
                return False
        try:
            self.create(name, password, is_admin=True, permissions=permissions)
        except NameTaken:  # another process was faster
            return False
        return True

    def list_accounts(self) -> list[AccountRecord]:
        """Every account by name."""
        permissions: dict[uuid.UUID, list[str]] = {}
        with self._database.read() as session:
            accounts = session.scalars(select(Account).order_by(Account.name)).all()
            for row in session.scalars(select(AccountPermission).order_by(AccountPermission.permission)):
                permissions.setdefault(row.account_id, []).append(row.permission)
        return [_record(account, permissions.get(account.id, ())) for account in accounts]

    def count_files(self) -> dict[uuid.UUID, int]:
        """How many files each account sees, finished or not; accounts without any are missing."""
        files = File.__table__
        counts = select(files.c.account_id, func.count()).where(is_visible).group_by(files.c.account_id)
        with self._database.read_rows() as rows:
            return {row[0]: row[1] for row in rows.execute(counts)}

    def get(self, name: str) -> AccountRecord:
        """One account. Raises NotFound."""
        with self._database.read_rows() as rows:
            account = _BY_NAME.find(rows, {"name": parse_label(name)})
            if account is None:
                raise NotFound(f"There is no account {name}")
            held = _ALL_HELD.find_all(rows, {"account_id": account.id})
            return _record(account, [each.permission for each in held])

    def set_password(self, name: str, password: str) -> None:
        """Replace the password and end every sign-in. Raises NotFound, InvalidRequest."""
        password_hash = self._passwords.hash(password)
        with self._database.write(durable=True) as session:
            account = _account(session, name, lock=True)
            account.password_hash = password_hash
            self._revoke_sign_ins(session, account.id)

    def change_password(self, identity: Identity, *, current: str, new: str, address: str) -> None:
        """Replace the own password and end every other sign-in.

        A wrong current one counts like one at a sign-in. Raises InvalidRequest, TooManyAttempts, WrongPassword.
        """
        check_new_password(new)
        try:
            verified = self.authenticate(identity.name, current, address=address)
        except BadCredentials as error:
            raise WrongPassword from error
        password_hash = self._passwords.hash(new)
        with self._database.write(durable=True) as session:
            account = session.get(Account, identity.account_id, with_for_update=True)
            if account is None or account.password_hash != verified.password_hash:  # replaced meanwhile
                raise WrongPassword
            account.password_hash = password_hash
            self._revoke_sign_ins(session, account.id, keep=identity.sign_in_id)

    def disable(self, name: str) -> None:
        """Lock the account out at once and end every sign-in. Raises NotFound, LastAdmin."""
        with self._database.write(durable=True) as session:
            account = lock_expendable(session, name)
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
        with self._database.write(durable=True) as session:
            account_id = _account(session, name).id
            session.execute(delete(rows).where(rows.account_id == account_id, rows.permission == permission))

    def set_quota(self, name: str, quota_bytes: int | None) -> None:
        """Give the account a quota of its own, or with None the general one. Raises NotFound, InvalidRequest.

        What is stored already stays, also where less is allowed now.
        """
        if quota_bytes is not None and not 0 <= quota_bytes <= MOST_BYTES:
            raise InvalidRequest(f"A quota is 0 to {MOST_BYTES} bytes")
        with self._database.write(durable=True) as session:
            _account(session, name, lock=True).quota_bytes = quota_bytes

    def has_permission(self, account_id: uuid.UUID, permission: str) -> bool:
        """Whether the account was given the permission; administrators hold none by being administrators."""
        with self._database.read_rows() as rows:
            return _HELD.find(rows, {"account_id": account_id, "permission": permission}) is not None

    def authenticate(self, name: str, password: str, *, address: str) -> Verified:
        """The account that this name and password belong to. Raises BadCredentials, TooManyAttempts.

        Unknown names, wrong passwords and disabled accounts take the same time and give the same error.
        """
        with self._throttle.attempt(name=name, address=address), self._passwords.turns:
            account = self._find(name)
            if not self._passwords.verify(account.password_hash if account else None, password):
                raise BadCredentials
            if account is None or account.disabled_at is not None:
                raise BadCredentials
            return Verified(self.get(name), account.password_hash)

    def _find(self, name: str) -> Account | None:
        try:
            name = parse_label(name)
        except InvalidName:
            return None
        with self._database.read() as session:
            return session.scalar(select(Account).where(Account.name == name))

    def _revoke_sign_ins(self, session: Session, account_id: uuid.UUID, *, keep: uuid.UUID | None = None) -> None:
        rows = SignIn
        alive = update(rows).where(rows.account_id == account_id, rows.revoked_at.is_(None))
        if keep is not None:
            alive = alive.where(rows.id != keep)
        session.execute(alive.values(revoked_at=self._now()))


def lock_expendable(session: Session, name: str) -> Account:
    """Lock an account without which an enabled administrator is left until the caller's commit.

    Raises NotFound, LastAdmin.
    """
    enabled = select(Account.id).where(Account.is_admin, Account.disabled_at.is_(None)).order_by(Account.id)
    admins = set(session.scalars(enabled.with_for_update()))  # all of them first: else two callers wait for each other
    account = _account(session, name, lock=True)
    if admins == {account.id}:
        raise LastAdmin(f"{account.name} is the last enabled administrator")
    return account


def _account(session: Session, name: str, *, lock: bool = False) -> Account:
    statement = select(Account).where(Account.name == parse_label(name))
    account = session.scalar(statement.with_for_update() if lock else statement)
    if account is None:
        raise NotFound(f"There is no account {name}")
    return account


def _record(account: Any, permissions: Iterable[str]) -> AccountRecord:
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


def new_name(name: str) -> str:
    """The name of a new account. Raises InvalidName, also for one that would be taken for a deleted account's."""
    name = parse_label(name)
    if " ".join(name.casefold().split()) == DELETED_ACCOUNT:
        raise InvalidName(f"No account can be called {name}")
    return name


def _check_permission(permission: str) -> None:
    if _PERMISSION.fullmatch(permission) is None:
        raise InvalidRequest(f"{permission!r} is no permission: use lower-case letters, digits, . _ -")
