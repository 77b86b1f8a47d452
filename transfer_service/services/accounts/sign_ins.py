"""Who is asking; and token families: what one sign-in gave out, and when it ends.

RFC 9700 section 4.14.2: refresh tokens rotate.
"""

import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import repeat

from sqlalchemy import BigInteger, bindparam, delete, func, insert, or_, select, update

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect, PreparedWrite
from transfer_service.errors import BadCredentials
from transfer_service.models.accounts import Account, RefreshToken, SignIn
from transfer_service.models.base import UtcDateTime
from transfer_service.models.keys import AccountKey, Scope
from transfer_service.services.core import Core
from transfer_service.services.events import audit
from transfer_service.services.events.actions import Action
from transfer_service.services.events.actors import Actor, present_actor

_accounts, _sign_ins, _keys = Account.__table__, SignIn.__table__, AccountKey.__table__
_ALIVE = PreparedSelect(
    select(_accounts.c.id, _accounts.c.is_admin, _accounts.c.signing_generation)
    .select_from(_sign_ins.join(_accounts, _sign_ins.c.account_id == _accounts.c.id))
    .where(_sign_ins.c.id == bindparam("sign_in_id"), _sign_ins.c.revoked_at.is_(None))
    .where(_accounts.c.disabled_at.is_(None), _accounts.c.name == bindparam("name"))
)
_signer = select(_accounts.c.name).where(
    _accounts.c.id == bindparam("account_id"),
    _accounts.c.signing_generation == bindparam("generation", type_=BigInteger),
    _accounts.c.disabled_at.is_(None),
)
_SIGNER = PreparedSelect(_signer)
_SIGNER_BY_KEY = PreparedSelect(
    _signer.join(_keys, _keys.c.account_id == _accounts.c.id)
    .where(_keys.c.id == bindparam("key_id"))
    .where(or_(_keys.c.expires_at.is_(None), _keys.c.expires_at > bindparam("now", type_=UtcDateTime)))
)

_THE_ALIVE = (
    select(_sign_ins.c.id)
    .select_from(_sign_ins.join(_accounts, _sign_ins.c.account_id == _accounts.c.id))
    .where(_sign_ins.c.id.in_(bindparam("sign_in_ids", expanding=True)), _sign_ins.c.revoked_at.is_(None))
    .where(_accounts.c.disabled_at.is_(None))
)
_THE_ALIVE_KEYS = (
    select(_keys.c.id)
    .select_from(_keys.join(_accounts, _keys.c.account_id == _accounts.c.id))
    .where(_keys.c.id.in_(bindparam("sign_in_ids", expanding=True)), _accounts.c.disabled_at.is_(None))
)
_tokens = RefreshToken.__table__
_is_family = _sign_ins.c.id == bindparam("of_family")
_of_family = _tokens.c.sign_in_id == bindparam("of_family")
_now = bindparam("now", type_=UtcDateTime)
_FAMILY = PreparedSelect(select(_sign_ins.c.id).where(_is_family, _sign_ins.c.revoked_at.is_(None)).with_for_update())
_PROLONG = PreparedWrite(
    update(_sign_ins)
    .where(_is_family)
    .values(expires_at=bindparam("until"), renewed_at=bindparam("at", type_=UtcDateTime))
)
_END = PreparedWrite(
    update(_sign_ins)
    .where(_is_family, _sign_ins.c.revoked_at.is_(None))
    .values(revoked_at=_now)
    .returning(_sign_ins.c.account_id)
)
_FORGET = PreparedWrite(delete(_tokens).where(_of_family, _tokens.c.spent_at < bindparam("oldest")))
_SPEND = PreparedWrite(
    update(_tokens)
    .where(_of_family, _tokens.c.jti == bindparam("spent_jti"))
    .values(spent_at=func.coalesce(_tokens.c.spent_at, _now))
)
_ADD = PreparedWrite(insert(_tokens))
REUSED = "a refresh token was used again"
"""Why a sign-in ended that nobody has ended."""
IDS_A_QUERY = 500
REUSE_SECONDS = 30
"""For how long after its first use a refresh token still counts: for a second tab, or after an answer that was lost."""


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """The key that a request came with. `expires_at` is None where it has no end.

    What comes by one that `has_quota` is counted in the allotment of its id.
    """

    id: uuid.UUID
    scopes: frozenset[Scope]
    expires_at: datetime | None
    has_quota: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """Who sends a request, and under which sign-in. With a `key` that is the key's id, and nobody is administrator.

    `signing_generation` is that of the account at the moment in which the sign-in counted.
    """

    account_id: uuid.UUID
    name: str
    is_admin: bool
    sign_in_id: uuid.UUID
    key: KeyGrant | None = None
    signing_generation: int = 0


NO_SIGN_IN = uuid.UUID(int=0)
"""Of who comes by a signed address."""


@dataclass(frozen=True, slots=True)
class Client:
    """What is known of whoever signs in: where from, what the program calls itself, and the issuer of OpenID Connect,
    None where a password was shown.
    """

    ip_address: str | None = None
    user_agent: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class FamilyGrant:
    """What a new pair of tokens must carry."""

    name: str
    sign_in_id: uuid.UUID
    refresh_jti: str


class SignInService:
    """Begins, renews, checks and ends sign-ins. A family without a row counts as ended."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._now = core.now
        access = timedelta(minutes=core.settings.access_token_expire_minutes)
        self._refresh_lifetime = max(timedelta(days=core.settings.refresh_token_days), access)

    def begin(
        self, *, account_id: uuid.UUID, name: str, password_hash: str | None = None, client: Client | None = None
    ) -> FamilyGrant:
        """A new family. Raises BadCredentials where the account has changed since its password was verified.

        `password_hash` is what the password was verified against, None where no password was shown.
        """
        client = client or Client()
        grant = FamilyGrant(name=name, sign_in_id=uuid.uuid4(), refresh_jti=str(uuid.uuid4()))
        now = self._now()
        with self._database.write() as session:
            account = session.get(Account, account_id, with_for_update=True)
            if account is None or account.disabled_at is not None:
                raise BadCredentials
            if password_hash not in {None, account.password_hash}:
                raise BadCredentials
            account.last_sign_in_at = now
            session.add(
                SignIn(
                    id=grant.sign_in_id,
                    account_id=account_id,
                    created_at=now,
                    expires_at=now + self._refresh_lifetime,
                    ip_address=client.ip_address,
                    user_agent=client.user_agent,
                )
            )
            session.flush()
            session.add(RefreshToken(jti=grant.refresh_jti, sign_in_id=grant.sign_in_id))
            told = {"session_id": str(grant.sign_in_id), "user_agent": client.user_agent}
            if client.provider is not None:
                told["provider"] = client.provider
            actor = Actor(account_id, name, present_actor().ip_address)
            audit.record(session, Action.ACCOUNT_SIGNED_IN, name, told, at=now, actor=actor)
        return grant

    def renew(self, identity: Identity, *, refresh_jti: str) -> FamilyGrant:
        """Spend a refresh token for a new pair.

        Within REUSE_SECONDS of its first use it gives one more pair. Later it was stolen or copied: the family ends.
        Raises BadCredentials.
        """
        grant = FamilyGrant(name=identity.name, sign_in_id=identity.sign_in_id, refresh_jti=str(uuid.uuid4()))
        family, now = {"of_family": identity.sign_in_id}, self._now()
        with self._database.write_rows() as rows:
            if _FAMILY.find(rows, family) is None:
                raise BadCredentials
            _FORGET.run(rows, {**family, "oldest": now - timedelta(seconds=REUSE_SECONDS)})
            is_good = bool(_SPEND.run(rows, {**family, "spent_jti": refresh_jti, "now": now}))
            if is_good:
                _PROLONG.run(rows, {**family, "until": now + self._refresh_lifetime, "at": now})
                _ADD.run(rows, {"jti": grant.refresh_jti, "sign_in_id": grant.sign_in_id, "spent_at": None})
        if not is_good:
            self.end(identity.sign_in_id, Action.ACCOUNT_SESSION_ENDED, reason=REUSED)
            raise BadCredentials
        return grant

    def end(self, sign_in_id: uuid.UUID, action: Action = Action.ACCOUNT_SIGNED_OUT, **told: str) -> bool:
        """Revoke the family: all its tokens, at once. Whether it had not ended before; then the audit log is told."""
        now = self._now()
        with self._database.write_rows(durable=True) as rows:
            ended = _END.find(rows, {"of_family": sign_in_id, "now": now})
            if ended is not None:
                name = audit.name_of(rows, Actor(ended.account_id, None, None)) or ""
                audit.record(rows, action, name, {"session_id": str(sign_in_id), **told}, at=now)
        return ended is not None

    def find_alive(self, sign_in_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
        """Those of the families and keys that have not been ended and whose accounts are not disabled."""
        alive: set[uuid.UUID] = set()
        with self._database.read_rows() as rows:
            for statement in (_THE_ALIVE, _THE_ALIVE_KEYS):
                ids = list({*sign_in_ids} - alive)
                for start in range(0, len(ids), IDS_A_QUERY):
                    asked = {"sign_in_ids": ids[start : start + IDS_A_QUERY]}
                    alive.update(rows.execute(statement, asked).scalars())
        return alive

    def find_identity(self, sign_in_id: uuid.UUID, *, name: str) -> Identity | None:
        """Who a verified token speaks for, None where its family ended or its account is disabled."""
        with self._database.read_rows() as rows:
            row = _ALIVE.find(rows, {"sign_in_id": sign_in_id, "name": name})
        if row is None:
            return None
        return Identity(row.id, name, row.is_admin, sign_in_id, signing_generation=row.signing_generation)

    def find_signer(self, account_id: uuid.UUID, *, key_id: uuid.UUID | None, generation: int) -> Identity | None:
        """Whom an address speaks for that this account has signed, or a key of it, in that generation of its addresses.

        None where the account is gone or disabled, the key is revoked or has expired, or the generation is over. Never
        an administrator: such an address is for bytes.
        """
        asked = {"account_id": account_id, "generation": generation}
        with self._database.read_rows() as rows:
            if key_id is None:
                row = _SIGNER.find(rows, asked)
            else:
                row = _SIGNER_BY_KEY.find(rows, {**asked, "key_id": key_id, "now": self._now()})
        return Identity(account_id=account_id, name=row.name, is_admin=False, sign_in_id=NO_SIGN_IN) if row else None

    def remove_spent(self, *, dry_run: bool) -> Iterator[int]:
        """Remove families that have ended: without a row they count as ended just the same. A 0 for each."""
        is_spent = or_(SignIn.revoked_at.is_not(None), SignIn.expires_at < self._now())
        for rows in self._database.batches(select(SignIn.id).where(is_spent)):
            count = len(rows)
            if not dry_run:  # in short transactions: nobody else can write meanwhile
                spent = delete(SignIn).where(SignIn.id.in_([row.id for row in rows]), is_spent).returning(SignIn.id)
                with self._database.write() as session:
                    count = len(session.execute(spent).all())
            yield from repeat(0, count)


def check_alive(rows: Executor, identity: Identity) -> None:
    """Raises BadCredentials where the sign-in has ended since the request of `identity` was let in.

    For what would outlive it. Who calls has locked the account: sign-ins end all together under that lock.
    """
    if _FAMILY.find(rows, {"of_family": identity.sign_in_id}) is None:
        raise BadCredentials
