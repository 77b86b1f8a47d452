"""Which account somebody has who has signed in at a provider of OpenID Connect, and what the groups there let it do."""

import uuid
from typing import Any

import structlog
from sqlalchemy import Select, delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from transfer_service.db.database import run_again
from transfer_service.errors import BadCredentials, InvalidName, NotFound, SignInRefused
from transfer_service.models.accounts import Account, AccountPermission
from transfer_service.models.identities import AccountIdentity
from transfer_service.services.accounts.rows import check_new_name
from transfer_service.services.core import Core
from transfer_service.services.events import audit
from transfer_service.services.events.actions import Action
from transfer_service.services.events.actors import Actor, present_actor
from transfer_service.wire.filenames import parse_label
from transfer_service.wire.openid import Asserted

ADMIN = "admin"
"""What `TRANSFER_OIDC_GROUPS` calls the flag of administrators among the permissions."""
NO_PASSWORD = "!"  # noqa: S105 - no password has this hash
_TRIES = 5

_permissions = AccountPermission.__table__


class _Changed(Exception):
    """Somebody else was faster: the next try sees what he has done."""


class Identities:
    """Finds, makes and changes accounts by what a provider says, and by what the settings say of its groups."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._now = core.now
        self._issuer = core.settings.oidc_issuer
        self._groups = core.settings.oidc_groups
        self._named = frozenset(right for rights in self._groups.values() for right in rights)

    def sign_in(self, asserted: Asserted) -> tuple[uuid.UUID, str]:
        """The id and the name of somebody's account, with the rights of the groups.

        At first sight it is the one named like the address, or a new one. Raises SignInRefused where there is no
        verified address then, where the account is somebody else's, and where it is disabled.
        """
        for _ in range(_TRIES):
            try:
                return self._sign_in(asserted)
            except (IntegrityError, _Changed) as error:
                failure = error
        raise SignInRefused("the account changes all the time") from failure

    @run_again
    def _sign_in(self, asserted: Asserted) -> tuple[uuid.UUID, str]:
        with self._database.write(durable=True) as session:
            account_id = self._find(session, asserted) or self._link(session, asserted)
            account = self._lock(session, account_id, self._rights_of(asserted))
            if account.disabled_at is not None:
                raise SignInRefused("the account is disabled", name=account.name)
            self._set_rights(session, account, self._rights_of(asserted))
            return account.id, account.name

    def unlink(self, name: str) -> None:
        """Let an account belong to nobody at the provider any more. Raises NotFound."""
        with self._database.write(durable=True) as session:
            account = session.scalar(select(Account).where(Account.name == parse_label(name)))
            if account is None:
                raise NotFound(f"There is no account {name}")
            identity = session.scalar(select(AccountIdentity).where(AccountIdentity.account_id == account.id))
            if identity is None:
                raise NotFound(f"Account {name} belongs to nobody at the provider")
            session.delete(identity)
            told = {"unlinked": {"issuer": identity.issuer, "subject": identity.subject}}
            audit.record(session, Action.ACCOUNT_CHANGED, account.name, told, at=self._now())

    def _rights_of(self, asserted: Asserted) -> frozenset[str]:
        return frozenset(right for group in asserted.groups for right in self._groups.get(group, ()))

    @staticmethod
    def _find(session: Session, asserted: Asserted) -> uuid.UUID | None:
        identity = session.get(AccountIdentity, (asserted.issuer, asserted.subject))
        return None if identity is None else identity.account_id

    def _link(self, session: Session, asserted: Asserted) -> uuid.UUID:
        """Give the account that is named like the address, or a new one, to whoever is asserted."""
        if asserted.address is None:
            raise SignInRefused("no verified address")
        account_id = session.scalar(select(Account.id).where(Account.name == asserted.address))
        is_new = account_id is None
        if account_id is None:
            account_id = self._create(session, asserted.address)
        else:
            self._check_free(session, account_id, asserted)
        told = {"issuer": asserted.issuer, "subject": asserted.subject}
        self._record(session, Action.ACCOUNT_CREATED if is_new else Action.ACCOUNT_CHANGED, asserted.address, told)
        session.add(
            AccountIdentity(
                issuer=asserted.issuer, subject=asserted.subject, account_id=account_id, created_at=self._now()
            )
        )
        session.flush()
        return account_id

    @staticmethod
    def _check_free(session: Session, account_id: uuid.UUID, asserted: Asserted) -> None:
        """Raises SignInRefused where an account is somebody else's."""
        identity = session.scalar(select(AccountIdentity).where(AccountIdentity.account_id == account_id))
        if identity is None:
            return
        if (identity.issuer, identity.subject) == (asserted.issuer, asserted.subject):
            raise _Changed
        raise SignInRefused("the account is somebody else's", name=asserted.address or "")

    def _create(self, session: Session, name: str) -> uuid.UUID:
        try:
            account = Account(
                id=uuid.uuid4(), name=check_new_name(name), password_hash=NO_PASSWORD, created_at=self._now()
            )
        except InvalidName as error:
            raise SignInRefused("no account can be called so") from error
        session.add(account)
        session.flush()
        return account.id

    def _lock(self, session: Session, account_id: uuid.UUID, rights: frozenset[str]) -> Account:
        """The account, locked until the commit; if it is to lose the flag, after all other administrators."""
        is_admin = session.scalar(select(Account.is_admin).where(Account.id == account_id))
        loses_flag = ADMIN in self._named and ADMIN not in rights
        if is_admin and loses_flag:
            session.execute(_enabled_admins().with_for_update())
        account = session.get(Account, account_id, with_for_update=True, populate_existing=True)
        if account is None or (account.is_admin and loses_flag and not is_admin):
            raise _Changed
        return account

    def _set_rights(self, session: Session, account: Account, rights: frozenset[str]) -> None:
        told: dict[str, Any] = {}
        if ADMIN in self._named and account.is_admin != (ADMIN in rights):
            if account.is_admin and set(session.scalars(_enabled_admins())) == {account.id}:
                structlog.get_logger().warning("last_admin_stays", account=str(account.id))
            else:
                told["is_admin"] = {"from": account.is_admin, "to": ADMIN in rights}
                account.is_admin = ADMIN in rights
        named, wanted = self._named - {ADMIN}, rights - {ADMIN}
        of_account = _permissions.c.account_id == account.id
        held = set(session.scalars(select(_permissions.c.permission).where(of_account)))
        lost, won = held & named - wanted, wanted - held
        if lost:
            session.execute(delete(_permissions).where(of_account, _permissions.c.permission.in_(lost)))
        for permission in sorted(won):
            session.execute(insert(_permissions).values(account_id=account.id, permission=permission))
        if lost or won:
            told["permissions"] = {"from": sorted(held), "to": sorted(held - lost | won)}
        if told:
            self._record(session, Action.ACCOUNT_CHANGED, account.name, told)

    def _record(self, session: Session, action: Action, name: str, details: dict[str, Any]) -> None:
        """The account itself does it, from where its browser is."""
        actor = Actor(None, name, present_actor().ip_address)
        audit.record(session, action, name, details, at=self._now(), actor=actor)

    def record_failure(self, refused: BadCredentials) -> None:
        """Keep in the audit log that somebody came back from the provider and was not let in."""
        if not isinstance(refused, SignInRefused):
            refused = SignInRefused("the account has changed meanwhile")
        told = {"account": refused.name or None, "provider": self._issuer, "reason": refused.reason}
        nobody = Actor(None, None, present_actor().ip_address)
        with self._database.write_rows() as rows:
            audit.record(rows, Action.ACCOUNT_SIGN_IN_FAILED, refused.name, told, at=self._now(), actor=nobody)


def _enabled_admins() -> Select[uuid.UUID]:
    return select(Account.id).where(Account.is_admin, Account.disabled_at.is_(None)).order_by(Account.id)
