"""Keys of devices and programs: made, listed, revoked, and recognized by every request (docs/accounts.md)."""

import hashlib
import secrets
import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from cachetools import FIFOCache
from sqlalchemy import and_, bindparam, delete, insert, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from transfer_service.db.prepared import PreparedSelect, PreparedWrite
from transfer_service.errors import BadCredentials, NotFound
from transfer_service.models.accounts import Account
from transfer_service.models.keys import KEY_PREFIX, AccountKey, Scope
from transfer_service.models.sharing import Allotment
from transfer_service.services.accounts.key_uses import KeyUses
from transfer_service.services.accounts.sign_ins import Identity, KeyGrant, check_alive
from transfer_service.services.core import Core
from transfer_service.services.events import audit
from transfer_service.services.events.actions import Action
from transfer_service.services.sharing import allotments
from transfer_service.wire.instants import format_second

REMEMBERED_KEYS = 10_000
RANDOM_BYTES = 32
KEY_CHARACTERS = len(KEY_PREFIX) + 43  # of base64, for so many bytes

_keys, _accounts, _allotments = AccountKey.__table__, Account.__table__, Allotment.__table__


def _recognize(is_meant: ColumnElement[bool]) -> PreparedSelect:
    of_key = (_keys.c.id, _keys.c.scopes, _keys.c.expires_at, _keys.c.has_quota)
    shown = (*of_key, _keys.c.account_id, _accounts.c.name, _accounts.c.signing_generation)
    joined = _keys.join(_accounts, _keys.c.account_id == _accounts.c.id)
    return PreparedSelect(select(*shown).select_from(joined).where(is_meant, _accounts.c.disabled_at.is_(None)))


_is_shown = _keys.c.digest == bindparam("digest")
_BY_DIGEST = _recognize(_is_shown)
_BY_ID = _recognize(_keys.c.id == bindparam("key_id"))
_COUNTS = PreparedSelect(
    select(_accounts.c.signing_generation)
    .select_from(_keys.join(_accounts, _keys.c.account_id == _accounts.c.id))
    .where(_is_shown, _accounts.c.disabled_at.is_(None))
)
_ADD = PreparedWrite(insert(_keys))
_SHOWN = (
    _keys.c.id, _keys.c.name, _keys.c.scopes, _keys.c.created_at, _keys.c.expires_at, _keys.c.last_used_at,
    _allotments.c.quota_bytes, _allotments.c.used_bytes,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeyDraft:
    """What a key is to be. Without `expires_at` it has no end, without `quota_bytes` its account's limit alone."""

    name: str
    scopes: frozenset[Scope]
    expires_at: datetime | None
    quota_bytes: int | None


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as its account may see it. With `quota_bytes`, `used_bytes` are what its uploads hold at present."""

    id: uuid.UUID
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    quota_bytes: int | None
    used_bytes: int | None


class KeyService:
    """Makes, recognizes and revokes keys. Whoever reads the database finds none: it has their SHA-256 only.

    Each is 256 random bits, so a plain hash is enough, and it is looked up by that: how long this takes tells nothing
    about any key. What was revoked has no row any more, so it counts nowhere from the commit on. Nothing else of a key
    ever changes, so who it speaks for is remembered of the latest REMEMBERED_KEYS, by their SHA-256.
    """

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._now = core.now
        self._known: FIFOCache[bytes, Identity] = FIFOCache(REMEMBERED_KEYS)
        self.uses = KeyUses(core.database)

    def create(self, account_id: uuid.UUID, draft: KeyDraft, *, by: Identity | None = None) -> tuple[KeyRecord, str]:
        """A new key, and its text, which nobody can tell again.

        Raises BadCredentials where the account has gone, or the sign-in has ended of who asks for it: what ends all
        keys must not be outlived by one that was asked for before.
        """
        text = KEY_PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
        record = KeyRecord(
            id=uuid.uuid4(),
            name=draft.name,
            scopes=draft.scopes,
            created_at=self._now(),
            expires_at=draft.expires_at,
            last_used_at=None,
            quota_bytes=draft.quota_bytes,
            used_bytes=None if draft.quota_bytes is None else 0,
        )
        with self._database.write(durable=True) as session:
            if _lock_account(session, account_id).disabled_at is not None:
                raise BadCredentials
            if by is not None:
                check_alive(session, by)
            _ADD.run(session, _row(record, account_id, _digest(text)))
            if draft.quota_bytes is not None:
                allotments.add(session, record.id, account_id, quota_bytes=draft.quota_bytes, gives_back=True)
            audit.record(session, Action.KEY_CREATED, record.id, _details(draft), at=record.created_at)
        return record, text

    def list_keys(self, account_id: uuid.UUID, *, limit: int, after: tuple[Any, ...] | None) -> list[KeyRecord]:
        """The account's keys behind a place, the newest first."""
        joined = _keys.outerjoin(_allotments, _allotments.c.id == _keys.c.id)
        statement = select(*_SHOWN).select_from(joined).where(_keys.c.account_id == account_id)
        if after is not None:
            at, key_id = after
            is_behind = or_(_keys.c.created_at < at, _keys.c.id < key_id)
            statement = statement.where(and_(_keys.c.created_at <= at, is_behind))
        ordered = statement.order_by(_keys.c.created_at.desc(), _keys.c.id.desc()).limit(limit)
        with self._database.read_rows() as rows:
            return [_record(row) for row in rows.execute(ordered)]

    def revoke(self, account_id: uuid.UUID, key_id: uuid.UUID) -> None:
        """End a key at once, for good. What has come by it counts for its account alone then. Raises NotFound."""
        own = delete(_keys).where(_keys.c.id == key_id, _keys.c.account_id == account_id)
        with self._database.write(durable=True) as session:
            _lock_account(session, account_id)
            name = session.execute(own.returning(_keys.c.name)).scalar_one_or_none()
            if name is None:
                raise NotFound("Key not found")
            allotments.remove(session, key_id)
            audit.record(session, Action.KEY_REVOKED, key_id, {"name": name}, at=self._now())

    def find_identity(self, text: str) -> Identity | None:
        """Who a key speaks for; None where it is none, has expired, or its account is disabled."""
        if len(text) != KEY_CHARACTERS:
            return None
        digest = _digest(text)
        known = self._known.get(digest)
        if known is None:
            identity = self._find(_BY_DIGEST, {"digest": digest})
            if identity is not None:
                self._known[digest] = identity
            return identity
        with self._database.read_rows() as rows:
            row = _COUNTS.find(rows, {"digest": digest})
        if row is None:
            return None
        if row.signing_generation != known.signing_generation:  # rarer than anything else
            self._known[digest] = known = replace(known, signing_generation=row.signing_generation)
        return self._used(known)

    def find_again(self, key_id: uuid.UUID) -> Identity | None:
        """Who a key speaks for that was recognized before. See `find_identity`."""
        return self._find(_BY_ID, {"key_id": key_id})

    def _find(self, statement: PreparedSelect, parameters: dict[str, Any]) -> Identity | None:
        with self._database.read_rows() as rows:
            row = statement.find(rows, parameters)
        if row is None:
            return None
        grant = KeyGrant(row.id, _scopes(row.scopes), row.expires_at, row.has_quota)
        identity = Identity(row.account_id, row.name, is_admin=False, sign_in_id=row.id, key=grant)
        return self._used(replace(identity, signing_generation=row.signing_generation))

    def _used(self, identity: Identity) -> Identity | None:
        """The identity of a key that counts, unless it has expired."""
        now, key = self._now(), identity.key
        if key is not None and key.expires_at is not None and key.expires_at <= now:
            return None
        self.uses.note(identity.sign_in_id, now)
        return identity


def _details(draft: KeyDraft) -> dict[str, Any]:
    """What the log tells of a new key."""
    expires_at = None if draft.expires_at is None else format_second(draft.expires_at)
    scopes = scope_names(draft.scopes)
    return {"name": draft.name, "scopes": scopes, "expires_at": expires_at, "quota_bytes": draft.quota_bytes}


def is_key(token: str) -> bool:
    """Whether a bearer token can only be a key, or none at all."""
    return token.startswith(KEY_PREFIX)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@lru_cache(maxsize=1 << len(Scope))
def _scopes(names: str) -> frozenset[Scope]:
    return frozenset(map(Scope, names.split()))


def _lock_account(session: Session, account_id: uuid.UUID) -> Account:
    """Whose keys are changed: allotments change under its lock only. Raises BadCredentials where it has gone."""
    account = session.get(Account, account_id, with_for_update=True)
    if account is None:
        raise BadCredentials
    return account


def _row(record: KeyRecord, account_id: uuid.UUID, digest: bytes) -> dict[str, Any]:
    of_key = {column.key: getattr(record, column.key) for column in _SHOWN if column.table is _keys}
    names = " ".join(sorted(record.scopes))
    has_quota = record.quota_bytes is not None
    return {**of_key, "account_id": account_id, "digest": digest, "scopes": names, "has_quota": has_quota}


def _record(row: Any) -> KeyRecord:
    key_id, name, scopes, *rest = row
    return KeyRecord(key_id, name, _scopes(scopes), *rest)


def scope_names(scopes: Collection[Scope]) -> list[str]:
    """The names of scopes, in the order in which Scope has them."""
    return [scope.value for scope in Scope if scope in scopes]
