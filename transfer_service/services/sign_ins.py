"""Token families: what one sign-in gave out, and when it ends (RFC 9700 section 4.14.2, refresh token rotation)."""

import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Table, bindparam, select, update

from transfer_service.database import Database
from transfer_service.errors import BadCredentials
from transfer_service.models import Account, SignIn
from transfer_service.prepared import PreparedSelect

_accounts, _sign_ins = cast(Table, Account.__table__), cast(Table, SignIn.__table__)
_ALIVE = PreparedSelect(
    select(_accounts.c.id, _accounts.c.is_admin)
    .select_from(_sign_ins.join(_accounts, _sign_ins.c.account_id == _accounts.c.id))
    .where(_sign_ins.c.id == bindparam("sign_in_id"), _sign_ins.c.revoked_at.is_(None))
    .where(_accounts.c.disabled_at.is_(None), _accounts.c.name == bindparam("name"))
)


_THE_ALIVE = (
    select(_sign_ins.c.id)
    .select_from(_sign_ins.join(_accounts, _sign_ins.c.account_id == _accounts.c.id))
    .where(_sign_ins.c.id.in_(bindparam("sign_in_ids", expanding=True)), _sign_ins.c.revoked_at.is_(None))
    .where(_accounts.c.disabled_at.is_(None))
)
IDS_A_QUERY = 500


@dataclass(frozen=True, slots=True)
class Identity:
    """Who sends a request, and under which sign-in."""

    account_id: uuid.UUID
    name: str
    is_admin: bool
    sign_in_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class FamilyGrant:
    """What a new pair of tokens must carry."""

    name: str
    sign_in_id: uuid.UUID
    refresh_jti: str


class SignInService:
    """Begins, renews, checks and ends sign-ins. A family without a row counts as ended."""

    def __init__(self, *, database: Database, now: Callable[[], datetime], refresh_lifetime: timedelta) -> None:
        self._database = database
        self._now = now
        self._refresh_lifetime = refresh_lifetime

    def begin(self, *, account_id: uuid.UUID, name: str) -> FamilyGrant:
        """A new family. Raises BadCredentials where the account was disabled meanwhile."""
        grant = FamilyGrant(name=name, sign_in_id=uuid.uuid4(), refresh_jti=str(uuid.uuid4()))
        now = self._now()
        with self._database.write() as session:
            account = session.get(Account, account_id, with_for_update=True)
            if account is None or account.disabled_at is not None:
                raise BadCredentials
            session.add(
                SignIn(
                    id=grant.sign_in_id,
                    account_id=account_id,
                    refresh_jti=grant.refresh_jti,
                    created_at=now,
                    expires_at=now + self._refresh_lifetime,
                )
            )
        return grant

    def renew(self, identity: Identity, *, refresh_jti: str) -> FamilyGrant:
        """Spend a refresh token. One that is already spent was stolen or copied: the family ends, BadCredentials."""
        grant = FamilyGrant(name=identity.name, sign_in_id=identity.sign_in_id, refresh_jti=str(uuid.uuid4()))
        now = self._now()
        alive = update(SignIn).where(SignIn.id == identity.sign_in_id, SignIn.revoked_at.is_(None))
        with self._database.write() as session:
            spent = session.execute(
                alive.where(SignIn.refresh_jti == refresh_jti)
                .values(refresh_jti=grant.refresh_jti, expires_at=now + self._refresh_lifetime)
                .returning(SignIn.id)
            ).one_or_none()
            if spent is None:
                session.execute(alive.values(revoked_at=now))
        if spent is None:
            raise BadCredentials
        return grant

    def end(self, sign_in_id: uuid.UUID) -> None:
        """Revoke the family: all its tokens, at once."""
        with self._database.write() as session:
            session.execute(
                update(SignIn)
                .where(SignIn.id == sign_in_id, SignIn.revoked_at.is_(None))
                .values(revoked_at=self._now())
            )

    def find_alive(self, sign_in_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
        """Those of the families that have not ended and whose accounts are not disabled."""
        alive: set[uuid.UUID] = set()
        with self._database.read_rows() as rows:
            ids = list(sign_in_ids)
            for start in range(0, len(ids), IDS_A_QUERY):
                asked = {"sign_in_ids": ids[start : start + IDS_A_QUERY]}
                alive.update(rows.execute(_THE_ALIVE, asked).scalars())
        return alive

    def find_identity(self, sign_in_id: uuid.UUID, *, name: str) -> Identity | None:
        """Who a verified token speaks for, None where its family ended or its account is disabled."""
        with self._database.read_rows() as rows:
            row = _ALIVE.find(rows, {"sign_in_id": sign_in_id, "name": name})
        return Identity(account_id=row.id, name=name, is_admin=row.is_admin, sign_in_id=sign_in_id) if row else None
