"""What most services stand on: the settings, the database, the stores, quotas, the clock, work off the event loop."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, bindparam, select, update

from transfer_service.db.database import Database, Executor
from transfer_service.db.prepared import PreparedSelect, PreparedWrite
from transfer_service.errors import AccountGone, QuotaExceeded, TooLarge
from transfer_service.models.accounts import Account
from transfer_service.services.durability import Durability
from transfer_service.storage.blobs import BlobStore
from transfer_service.threads import BeginOffload, Offload, begin_offload, offload

if TYPE_CHECKING:
    from collections.abc import Callable

    from config import Settings

_accounts = Account.__table__
_total = _accounts.c.used_bytes + bindparam("additional", type_=BigInteger)
_reserve = update(_accounts).where(_accounts.c.id == bindparam("of_account")).values(used_bytes=_total)
_RESERVE = PreparedWrite(_reserve)
_EXISTS = PreparedSelect(select(_accounts.c.id).where(_accounts.c.id == bindparam("of_account")))
_RESERVE_WITHIN = PreparedWrite(_reserve.where(_total <= bindparam("quota", type_=BigInteger)))


@dataclass(frozen=True, slots=True)
class Space:
    """The limits, in bytes. `quota_bytes` counts what an account's files have reserved, None means without limit."""

    max_file_bytes: int
    quota_bytes: int | None

    def check_size(self, size: int) -> None:
        """Raises TooLarge for a file that could never be stored."""
        if size > self.max_file_bytes:
            raise TooLarge

    def has_room(self, used_bytes: int, additional_bytes: int) -> bool:
        """Whether a reservation would succeed right now."""
        return self.quota_bytes is None or additional_bytes <= 0 or used_bytes + additional_bytes <= self.quota_bytes

    def check_quota(self, used_bytes: int, additional_bytes: int) -> None:
        """Raises QuotaExceeded where a reservation would fail right now."""
        if not self.has_room(used_bytes, additional_bytes):
            raise QuotaExceeded

    def reserve(self, rows: Executor, account_id: uuid.UUID, additional_bytes: int) -> None:
        """Count more (negative: fewer) bytes against the account, in the caller's transaction.

        Raises QuotaExceeded, AccountGone.
        """
        if additional_bytes == 0:
            return
        values = {"of_account": account_id, "additional": additional_bytes, "quota": self.quota_bytes}
        is_limited = additional_bytes > 0 and self.quota_bytes is not None
        if not (_RESERVE_WITHIN if is_limited else _RESERVE).run(rows, values):
            is_there = is_limited and _EXISTS.find(rows, {"of_account": account_id}) is not None
            raise QuotaExceeded if is_there else AccountGone


def utc_now() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Core:
    """One installation, to be handed to whatever is built on it."""

    settings: Settings
    database: Database
    store: BlobStore
    attachments: BlobStore
    games: BlobStore
    space: Space
    now: Callable[[], datetime]
    durability: Durability
    stale_after: timedelta
    offload: Offload = offload
    begin_offload: BeginOffload = begin_offload
