"""Accounts: devices and people, their passwords and permissions."""

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, select

from transfer_service.db.prepared import PreparedSelect
from transfer_service.errors import BadCredentials, NameTaken, WrongPassword
from transfer_service.models.accounts import Account, AccountPermission
from transfer_service.models.files import File
from transfer_service.services.accounts import changes
from transfer_service.services.accounts.changes import Changes, end_sign_ins, lock_admins, set_permissions
from transfer_service.services.accounts.passwords import LoginThrottle, Passwords, check_new_password
from transfer_service.services.accounts.rows import (
    AccountRecord,
    account_of,
    check_new_name,
    check_permission,
    check_quota,
    find_by_name,
    find_record,
    permissions_of,
    record_of,
    unknown,
)
from transfer_service.services.accounts.sign_ins import Identity
from transfer_service.services.core import Core
from transfer_service.services.events import audit
from transfer_service.services.events.actions import Action
from transfer_service.services.events.actors import Actor, present_actor
from transfer_service.services.files.rows import is_visible

PASSWORD_BYTES = 12
"""Random ones in a password that is made here."""

_permissions = AccountPermission.__table__
_HELD = PreparedSelect(
    select(_permissions.c.permission).where(
        _permissions.c.account_id == bindparam("account_id"), _permissions.c.permission == bindparam("permission")
    )
)


@dataclass(frozen=True, slots=True)
class AccountDraft:
    """What an account is to be."""

    name: str
    is_admin: bool = False
    permissions: frozenset[str] = frozenset()
    quota_bytes: int | None = None


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
        self.add(AccountDraft(name, is_admin, frozenset(permissions)), password)

    def add(self, draft: AccountDraft, password: str, *, by: Identity | None = None) -> AccountRecord:
        """Make an account; `by` is the administrator who asks for it, None for commands.

        Raises InvalidName, InvalidRequest, NameTaken, Forbidden, BadCredentials.
        """
        name = check_new_name(draft.name)
        for permission in draft.permissions:
            check_permission(permission)
        check_quota(draft.quota_bytes)
        password_hash = self._passwords.hash(password)
        with self._database.write() as session:
            if by is not None:
                lock_admins(session, by=by)
            if find_by_name(session, name) is not None:
                raise NameTaken(f"Account {name} exists")
            account = Account(
                id=uuid.uuid4(),
                name=name,
                password_hash=password_hash,
                is_admin=draft.is_admin,
                quota_bytes=draft.quota_bytes,
                created_at=self._now(),
            )
            session.add(account)
            session.flush()
            set_permissions(session, account.id, before=(), after=draft.permissions)
            audit.record(session, Action.ACCOUNT_CREATED, name, _told(draft), at=account.created_at)
        return record_of(account, sorted(draft.permissions))

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
        return [record_of(account, permissions.get(account.id, ())) for account in accounts]

    def count_files(self) -> dict[uuid.UUID, int]:
        """How many files each account sees, finished or not; accounts without any are missing."""
        files = File.__table__
        counts = select(files.c.account_id, func.count()).where(is_visible).group_by(files.c.account_id)
        with self._database.read_rows() as rows:
            return {row[0]: row[1] for row in rows.execute(counts)}

    def get(self, name: str) -> AccountRecord:
        """One account. Raises NotFound."""
        with self._database.read_rows() as rows:
            found = find_record(rows, name)
        if found is None:
            raise unknown(name)
        return found

    def change(self, name: str, wanted: Changes, *, by: Identity | None = None) -> AccountRecord:
        """Change an account in one transaction, at once for whatever tokens it has given out. `by` as in `add`.

        Raises InvalidRequest, NotFound, LastAdmin, Forbidden, BadCredentials.
        """
        for permission in wanted.permissions or ():
            check_permission(permission)
        check_quota(wanted.quota_bytes)
        with self._database.write(durable=True) as session:
            account = changes.change(session, name, wanted, by=by, now=self._now())
            held = permissions_of(session, account.id)
        return record_of(account, held)

    def hash_of(self, password: str) -> str:
        """What `Changes` take of a new password. Raises InvalidRequest."""
        return self._passwords.hash(password)

    def set_password(self, name: str, password: str) -> None:
        """Replace the password and end every sign-in. Raises NotFound, InvalidRequest."""
        self.change(name, Changes(password_hash=self.hash_of(password)))

    def disable(self, name: str) -> None:
        """Lock the account out at once and end every sign-in. Raises NotFound, LastAdmin."""
        self.change(name, Changes(is_disabled=True))

    def enable(self, name: str) -> None:
        """Let the account sign in again; no old token revives. Raises NotFound."""
        self.change(name, Changes(is_disabled=False))

    def set_quota(self, name: str, quota_bytes: int | None) -> None:
        """Give the account a quota of its own, or with None the general one. Raises NotFound, InvalidRequest.

        What is stored already stays, also where less is allowed now.
        """
        self.change(name, Changes(sets_quota=True, quota_bytes=quota_bytes))

    def grant(self, name: str, permission: str) -> None:
        """Give a permission. Raises NotFound, InvalidRequest."""
        check_permission(permission)
        self._change_permissions(name, lambda held: held | {permission})

    def revoke(self, name: str, permission: str) -> None:
        """Take a permission away. Raises NotFound."""
        self._change_permissions(name, lambda held: held - {permission})

    def _change_permissions(self, name: str, change: Callable[[frozenset[str]], frozenset[str]]) -> None:
        with self._database.write(durable=True) as session:
            account = account_of(session, name, lock=True)
            held = frozenset(permissions_of(session, account.id))
            changes.change(session, name, Changes(permissions=change(held)), by=None, now=self._now())

    def has_permission(self, account_id: uuid.UUID, permission: str) -> bool:
        """Whether the account was given the permission; administrators hold none by being administrators."""
        with self._database.read_rows() as rows:
            return _HELD.find(rows, {"account_id": account_id, "permission": permission}) is not None

    def authenticate(self, name: str, password: str, *, address: str) -> Verified:
        """The account that this name and password belong to. Raises BadCredentials, TooManyAttempts.

        Unknown names, wrong passwords and disabled accounts take the same time and give the same error.
        """
        with self._throttle.attempt(name=name, address=address), self._passwords.turns:
            with self._database.read_rows() as rows:
                account = find_by_name(rows, name)
            if not self._passwords.verify(account.password_hash if account else None, password):
                raise BadCredentials
            if account is None or account.disabled_at is not None:
                raise BadCredentials
            return Verified(self.get(name), account.password_hash)

    def note_failure(self, name: str) -> None:
        """Tell the audit log that a password was wrong, or its account disabled. Who tried is not known, so nobody did.

        What no account is called is not written down: people type passwords into the field of the name.
        """
        with self._database.write_rows() as rows:
            account = find_by_name(rows, name)
            told = {"account": account.name if account else None}
            nobody = Actor(None, None, present_actor().ip_address)
            audit.record(rows, Action.ACCOUNT_SIGN_IN_FAILED, told["account"] or "", told, at=self._now(), actor=nobody)

    def change_password(self, identity: Identity, *, current: str, new: str, address: str) -> None:
        """Replace the own password and end every other sign-in.

        A wrong current one counts like one at a sign-in. Raises InvalidRequest, TooManyAttempts, WrongPassword.
        """
        check_new_password(new)
        try:
            verified = self.authenticate(identity.name, current, address=address)
        except BadCredentials as error:
            self.note_failure(identity.name)
            raise WrongPassword from error
        password_hash = self._passwords.hash(new)
        with self._database.write(durable=True) as session:
            account = session.get(Account, identity.account_id, with_for_update=True)
            if account is None or account.password_hash != verified.password_hash:  # replaced meanwhile
                raise WrongPassword
            account.password_hash = password_hash
            end_sign_ins(session, account.id, self._now(), keep=identity.sign_in_id)
            audit.record(session, Action.ACCOUNT_PASSWORD_CHANGED, account.name, {}, at=self._now())


def new_password() -> str:
    """A password that nobody can guess."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


def _told(draft: AccountDraft) -> dict[str, Any]:
    """What the audit log says of a new account."""
    return {"is_admin": draft.is_admin, "permissions": sorted(draft.permissions), "quota_bytes": draft.quota_bytes}
