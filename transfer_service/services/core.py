"""What most services stand on: the settings, the database, the stores, quotas, the clock, work off the event loop."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sqlalchemy import BigInteger, bindparam, func, or_, select, update

from transfer_service.db.database import Database, Executor
from transfer_service.db.prepared import PreparedSelect, PreparedWrite
from transfer_service.errors import AccountGone, QuotaExceeded, TooLarge
from transfer_service.models.accounts import Account
from transfer_service.services.durability import Durability
from transfer_service.services.sharing import allotments
from transfer_service.services.sharing.allotments import Change
from transfer_service.storage.blobs import BlobStore
from transfer_service.threads import BeginOffload, Offload, begin_offload, offload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transfer_service.config import Settings

_accounts = Account.__table__
_total = _accounts.c.used_bytes + bindparam("additional", type_=BigInteger)
_reserve = update(_accounts).where(_accounts.c.id == bindparam("of_account")).values(used_bytes=_total)
_RESERVE = PreparedWrite(_reserve)
_quota = func.coalesce(_accounts.c.quota_bytes, bindparam("quota", type_=BigInteger))
_RESERVE_WITHIN = PreparedWrite(_reserve.where(or_(_quota.is_(None), _total <= _quota)))
_TAKEN = PreparedSelect(
    select(_accounts.c.used_bytes, _accounts.c.quota_bytes).where(_accounts.c.id == bindparam("of_account"))
)


class Taken(NamedTuple):
    """What an account's files have reserved, and its own quota, None where the general one counts."""

    used_bytes: int
    own_quota_bytes: int | None


class Counted(Protocol):
    """What is counted of a file, or of one in the trash."""

    @property
    def id(self) -> uuid.UUID:
        """Its id."""

    @property
    def account_id(self) -> uuid.UUID:
        """Whose it is."""

    @property
    def origin_id(self) -> uuid.UUID | None:
        """The key or link by which it came."""

    @property
    def reserved_bytes(self) -> int:
        """What it takes of the quota."""

    @property
    def sha256(self) -> str | None:
        """Of one that is whole, or was."""


def utc_now() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Space:
    """The limits, in bytes. `quota_bytes` counts what an account's files have reserved, None means without limit; it is
    for accounts that have no quota of their own. With `is_unlimited` neither counts.

    What came by a key or an upload link is counted in its allotment too, in the same transaction. `now` is the clock.
    """

    max_file_bytes: int
    quota_bytes: int | None
    now: Callable[[], datetime] = utc_now
    is_unlimited: bool = False

    def quota_of(self, own_quota_bytes: int | None) -> int | None:
        """The quota in force for an account that has this one of its own, None without one."""
        return self.quota_bytes if own_quota_bytes is None else own_quota_bytes

    def check_size(self, size: int) -> None:
        """Raises TooLarge for a file that could never be stored."""
        if size > self.max_file_bytes:
            raise TooLarge

    def has_room(self, taken: Taken, additional_bytes: int) -> bool:
        """Whether a reservation would succeed right now."""
        quota = self.quota_of(taken.own_quota_bytes)
        return (
            self.is_unlimited or quota is None or additional_bytes <= 0 or taken.used_bytes + additional_bytes <= quota
        )

    def has_room_for(self, rows: Executor, account_id: uuid.UUID, additional_bytes: int) -> bool:
        """The same for an account, which must be looked for. True where it has gone."""
        if self.is_unlimited or additional_bytes <= 0:
            return True
        account = _TAKEN.find(rows, {"of_account": account_id})
        return account is None or self.has_room(Taken(*account), additional_bytes)

    def check_room(self, rows: Executor, account_id: uuid.UUID, additional_bytes: int) -> None:
        """Raises QuotaExceeded where an account's reservation would fail right now."""
        if not self.has_room_for(rows, account_id, additional_bytes):
            raise QuotaExceeded

    def check_quota(self, taken: Taken, additional_bytes: int) -> None:
        """Raises QuotaExceeded where a reservation would fail right now."""
        if not self.has_room(taken, additional_bytes):
            raise QuotaExceeded

    def reserve(self, rows: Executor, account_id: uuid.UUID, additional_bytes: int) -> None:
        """Count more (negative: fewer) bytes against the account, in the caller's transaction.

        Raises QuotaExceeded, AccountGone.
        """
        if additional_bytes == 0:
            return
        values = {"of_account": account_id, "additional": additional_bytes, "quota": self.quota_bytes}
        is_limited = additional_bytes > 0 and not self.is_unlimited
        if not (_RESERVE_WITHIN if is_limited else _RESERVE).run(rows, values):
            is_there = is_limited and _TAKEN.find(rows, {"of_account": account_id}) is not None
            raise QuotaExceeded if is_there else AccountGone

    def begin(self, rows: Executor, file: Counted, *, is_part: bool = False) -> None:
        """Count a file that is new, and what it reserves; one that `is_part` of a final upload only the latter.

        Raises QuotaExceeded, AccountGone, LinkGone, LinkUsedUp.
        """
        self._take(rows, file, Change(file.reserved_bytes, files=int(not is_part)))

    def resize(self, rows: Executor, file: Counted, reserved_bytes: int, *, has_all: bool = False) -> None:
        """Let a file reserve another number of bytes; for `has_all` see `finish`.

        Raises QuotaExceeded, AccountGone, LinkGone.
        """
        if reserved_bytes != file.reserved_bytes:
            self._take(rows, file, Change(reserved_bytes - file.reserved_bytes, brings_nothing=has_all))

    def finish(self, rows: Executor, file: Counted, length: int, *, has_all: bool) -> None:
        """The same for a file that becomes whole. One that `has_all` its bytes already may do so after its link.

        Raises QuotaExceeded, AccountGone, LinkGone.
        """
        self._take(rows, file, Change(length - file.reserved_bytes, whole_bytes=length, brings_nothing=has_all))

    def _take(self, rows: Executor, file: Counted, change: Change) -> None:
        if file.origin_id is None:
            self.reserve(rows, file.account_id, change.additional_bytes)
            return
        self._lock_account(rows, file.account_id, change.additional_bytes)
        allotments.take(rows, file.origin_id, change, now=self.now())

    def _lock_account(self, rows: Executor, account_id: uuid.UUID, additional_bytes: int) -> None:
        """Reserve, and have the account's row in any case: those of its allotments come behind it."""
        if additional_bytes:
            self.reserve(rows, account_id, additional_bytes)
        elif not _RESERVE.run(rows, {"of_account": account_id, "additional": 0}):
            raise AccountGone

    def give_back(self, rows: Executor, file: Counted) -> None:
        """Count a file no more that leaves. Raises AccountGone."""
        if file.origin_id is None:
            self.reserve(rows, file.account_id, -file.reserved_bytes)
            return
        self._lock_account(rows, file.account_id, -file.reserved_bytes)
        allotments.give_back(
            rows, file.origin_id, file.reserved_bytes, file_id=file.id, never_whole=file.sha256 is None
        )

    def give_back_all(self, rows: Executor, account_id: uuid.UUID, files: Sequence[Counted]) -> None:
        """The same for many of one account. Raises AccountGone."""
        self.reserve(rows, account_id, -sum(each.reserved_bytes for each in files if each.origin_id is None))
        for each in files:
            if each.origin_id is not None:
                self.give_back(rows, each)

    def check_open(self, rows: Executor, file: Counted) -> None:
        """Raises LinkGone where nothing may come in any more by the origin of a file."""
        if file.origin_id is not None:
            self.check_origin(rows, file.origin_id, 0, files=0)

    def check_growth(self, rows: Executor, file: Counted, reserved_bytes: int) -> None:
        """Raises QuotaExceeded, LinkGone where `resize` would right now."""
        additional = reserved_bytes - file.reserved_bytes
        self.check_room(rows, file.account_id, additional)
        self.check_origin(rows, file.origin_id, additional, files=0)

    def has_room_by(self, rows: Executor, origin_id: uuid.UUID | None, additional_bytes: int) -> bool:
        """Whether the allotment of an origin has so much room right now."""
        found = allotments.find(rows, origin_id) if origin_id is not None else None
        return found is None or found.has_room(additional_bytes)

    def check_origin(self, rows: Executor, origin_id: uuid.UUID | None, additional_bytes: int, *, files: int) -> None:
        """Raises QuotaExceeded, LinkGone, LinkUsedUp where the allotment of an origin would refuse that right now."""
        found = allotments.find(rows, origin_id) if origin_id is not None else None
        if found is not None:
            found.check(additional_bytes, files, self.now())


@dataclass(frozen=True, slots=True)
class Core:
    """One installation, to be handed to whatever is built on it."""

    settings: Settings
    database: Database
    store: BlobStore
    attachments: BlobStore
    games: BlobStore
    previews: BlobStore
    space: Space
    now: Callable[[], datetime]
    durability: Durability
    stale_after: timedelta
    makes_previews: bool = False
    offload: Offload = offload
    begin_offload: BeginOffload = begin_offload
