"""The rows of webhooks, and of what has failed, as administrators see them."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, func, insert, or_, select, update

from transfer_service.db.database import Executor
from transfer_service.models.accounts import Account
from transfer_service.models.webhooks import Webhook, WebhookDelivery, WebhookState
from transfer_service.wire.webhooks import Event

_webhooks, _deliveries, _accounts = Webhook.__table__, WebhookDelivery.__table__, Account.__table__
_has_failed = _deliveries.c.failed_at.is_not(None)
_SHOWN = (
    _webhooks.c.id, _webhooks.c.url, _webhooks.c.events, _accounts.c.name.label("account"), _webhooks.c.state,
    _webhooks.c.created_at,
)  # fmt: skip
_WITH_ACCOUNT = _webhooks.outerjoin(_accounts, _accounts.c.id == _webhooks.c.account_id)
_FAILED = (
    _deliveries.c.message_id, _deliveries.c.webhook_id, _deliveries.c.event, _deliveries.c.tries, _deliveries.c.error,
    _deliveries.c.failed_at, _deliveries.c.id,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WebhookRecord:
    """A webhook; `account` is the name of the one whose things it is told of, None for all."""

    id: uuid.UUID
    url: str
    events: tuple[Event, ...]
    account: str | None
    state: WebhookState
    created_at: datetime


@dataclass(frozen=True, slots=True)
class FailedDelivery:
    """An event that did not arrive. `id` is what its receiver knows it by, `number` its place among all."""

    id: uuid.UUID
    webhook_id: uuid.UUID
    event: str
    tries: int
    error: str
    failed_at: datetime
    number: int


def add(rows: Executor, webhook: WebhookRecord, account_id: uuid.UUID | None, sealed_secret: str) -> None:
    """Insert a webhook."""
    values = {
        "id": webhook.id, "url": webhook.url, "events": f" {' '.join(webhook.events)} ", "account_id": account_id,
        "state": webhook.state, "sealed_secret": sealed_secret, "created_at": webhook.created_at,
    }  # fmt: skip
    rows.execute(insert(_webhooks), values)


def find(rows: Executor, webhook_id: uuid.UUID) -> WebhookRecord | None:
    """The webhook of that id."""
    row = rows.execute(select(*_SHOWN).select_from(_WITH_ACCOUNT).where(_webhooks.c.id == webhook_id)).first()
    return None if row is None else _record(row)


def find_all(rows: Executor) -> list[WebhookRecord]:
    """Every webhook, the newest first."""
    ordered = select(*_SHOWN).select_from(_WITH_ACCOUNT).order_by(_webhooks.c.created_at.desc(), _webhooks.c.id.desc())
    return [_record(row) for row in rows.execute(ordered)]


def remove(rows: Executor, webhook_id: uuid.UUID) -> bool:
    """Delete a webhook, and what has failed of it. Whether it was there."""
    rows.execute(delete(_deliveries).where(_deliveries.c.webhook_id == webhook_id, _has_failed))
    result: Any = rows.execute(delete(_webhooks).where(_webhooks.c.id == webhook_id))
    return bool(result.rowcount)


def find_sealed(rows: Executor) -> list[tuple[uuid.UUID, str]]:
    """Every webhook and its sealed secret."""
    return [(row.id, row.sealed_secret) for row in rows.execute(select(_webhooks.c.id, _webhooks.c.sealed_secret))]


def replace_sealed(rows: Executor, webhook_id: uuid.UUID, sealed_secret: str) -> int:
    """Keep another seal of the same secret. How many webhooks have that id."""
    changed = update(_webhooks).where(_webhooks.c.id == webhook_id).values(sealed_secret=sealed_secret)
    result: Any = rows.execute(changed)
    return int(result.rowcount)


def forget_account(rows: Executor, account_id: uuid.UUID) -> None:
    """Remove what an account's own webhooks were to be told, and what has failed of its things. The rest goes out yet:
    it is about what has happened before.
    """
    own = select(_webhooks.c.id).where(_webhooks.c.account_id == account_id).scalar_subquery()
    rows.execute(delete(_deliveries).where(_deliveries.c.webhook_id.in_(own)))
    rows.execute(delete(_deliveries).where(_deliveries.c.account_id == account_id, _has_failed))


def forget_gone_accounts(rows: Executor) -> None:
    """Remove what has failed of the things of accounts that were deleted before."""
    is_gone = ~select(_accounts.c.id).where(_accounts.c.id == _deliveries.c.account_id).exists()
    rows.execute(delete(_deliveries).where(_deliveries.c.account_id.is_not(None), _has_failed, is_gone))


def find_failed(rows: Executor, *, limit: int, after: tuple[datetime, int] | None) -> list[FailedDelivery]:
    """What has failed, the latest first, behind a place in that order."""
    return [FailedDelivery(*row) for row in rows.execute(failed_statement(limit=limit, after=after))]


def failed_statement(*, limit: int, after: tuple[datetime, int] | None) -> Select[Any]:
    """What `find_failed` asks. The first comparison is what the index can jump to."""
    statement = select(*_FAILED).join_from(_deliveries, _webhooks, _webhooks.c.id == _deliveries.c.webhook_id)
    statement = statement.where(_has_failed)
    if after is not None:
        at, number = after
        is_behind = or_(_deliveries.c.failed_at < at, _deliveries.c.id < number)
        statement = statement.where(and_(_deliveries.c.failed_at <= at, is_behind))
    return statement.order_by(_deliveries.c.failed_at.desc(), _deliveries.c.id.desc()).limit(limit)


def find_failed_one(rows: Executor, delivery_id: uuid.UUID) -> FailedDelivery | None:
    """What has failed under that id."""
    row = rows.execute(select(*_FAILED).where(_deliveries.c.message_id == delivery_id, _has_failed)).first()
    return None if row is None else FailedDelivery(*row)


def begin_again(rows: Executor, number: int, *, now: datetime) -> bool:
    """Let what has failed be tried anew, as often as the first time. Whether it had failed."""
    values = {"tries": 0, "error": None, "failed_at": None, "due_at": now}
    failed = update(_deliveries).where(_deliveries.c.id == number, _has_failed)
    result: Any = rows.execute(failed.values(values))
    return bool(result.rowcount)


def count_failed(rows: Executor, before: datetime) -> int:
    """How many have failed before then."""
    return rows.execute(select(func.count()).select_from(_deliveries).where(_is_old(before))).scalar_one()


def remove_failed(rows: Executor, before: datetime, *, limit: int) -> int:
    """Forget some that have failed before then. How many."""
    some = select(_deliveries.c.id).where(_is_old(before)).order_by(_deliveries.c.failed_at).limit(limit)
    result: Any = rows.execute(delete(_deliveries).where(_deliveries.c.id.in_(some.scalar_subquery())))
    return int(result.rowcount)


def _is_old(before: datetime) -> ColumnElement[bool]:
    return and_(_has_failed, _deliveries.c.failed_at < before)


def _record(row: Any) -> WebhookRecord:
    webhook_id, url, events, account, state, created_at = row
    return WebhookRecord(webhook_id, url, tuple(map(Event, events.split())), account, state, created_at)
