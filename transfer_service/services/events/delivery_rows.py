"""What is to be sent to webhooks, as the worker sees it: who sends to which, what is due, and what became of it.

One runner at a time sends to a webhook, and every change here but the claim asks for that: so what is remembered in
between, and what is read before it is written, is nobody else's to change.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, delete, exists, literal_column, or_, select, update

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect
from transfer_service.models.webhooks import Webhook, WebhookDelivery, WebhookState

_webhooks, _deliveries = Webhook.__table__, WebhookDelivery.__table__
_earlier = _deliveries.alias("earlier")
_is_due = and_(_deliveries.c.due_at.is_not(None), _deliveries.c.due_at <= bindparam("now"))
_is_free = or_(_webhooks.c.runs_until.is_(None), _webhooks.c.runs_until < bindparam("now"))
_is_ours = and_(_webhooks.c.id == bindparam("of_webhook"), _webhooks.c.runner == bindparam("by_runner"))
_is_active = _webhooks.c.state == literal_column("'active'")
_has_not_ended = exists().where(_webhooks.c.id == bindparam("of_webhook"), _is_active)
_FREE = PreparedSelect(
    select(_webhooks.c.id)
    .where(_is_active, _is_free, exists().where(_deliveries.c.webhook_id == _webhooks.c.id, _is_due))
    .order_by(_webhooks.c.created_at)
)
_CLAIM = (
    update(_webhooks)
    .where(_webhooks.c.id == bindparam("of_webhook"), _is_active, _is_free)
    .values(runner=bindparam("by_runner"), runs_until=bindparam("until"))
)
_OURS = select(_webhooks.c.url, _webhooks.c.sealed_secret).where(_is_ours)
_DUE = PreparedSelect(
    select(
        _deliveries.c.id,
        _deliveries.c.message_id,
        _deliveries.c.subject,
        _deliveries.c.tries,
        _deliveries.c.due_at,
        exists()
        .where(
            _earlier.c.webhook_id == _deliveries.c.webhook_id,
            _earlier.c.subject == _deliveries.c.subject,
            _earlier.c.failed_at.is_(None),
            _earlier.c.id < _deliveries.c.id,
        )
        .label("has_earlier"),
    )
    .where(_deliveries.c.webhook_id == bindparam("of_webhook"), _is_due, _has_not_ended)
    .order_by(_deliveries.c.due_at, _deliveries.c.id)
    .limit(bindparam("limit", type_=BigInteger))
)
_BODY = PreparedSelect(
    select(_deliveries.c.body, _deliveries.c.traceparent).where(_deliveries.c.id == bindparam("of_delivery"))
)
_NEXT_DUE = PreparedSelect(
    select(_deliveries.c.due_at)
    .where(_deliveries.c.webhook_id == bindparam("of_webhook"), _deliveries.c.due_at.is_not(None), _has_not_ended)
    .order_by(_deliveries.c.due_at)
    .limit(1)
)
_WAITED_FOR = PreparedSelect(
    select(_deliveries.c.webhook_id)
    .where(_deliveries.c.webhook_id > bindparam("behind"), _deliveries.c.failed_at.is_(None))
    .order_by(_deliveries.c.webhook_id)
    .limit(1)
)
AT_ONCE = 1000
_NEXT_OF_SUBJECT = PreparedSelect(
    select(_deliveries.c.id, _deliveries.c.due_at)
    .where(
        _deliveries.c.webhook_id == bindparam("of_webhook"),
        _deliveries.c.subject == bindparam("of_subject"),
        _deliveries.c.failed_at.is_(None),
    )
    .order_by(_deliveries.c.id)
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a webhook's events go."""

    webhook_id: uuid.UUID
    url: str
    sealed_secret: str


@dataclass(frozen=True, slots=True)
class Due:
    """An event that is to be sent now, unless it `has_earlier` ones of its subject. `tries` are those so far."""

    id: int
    message_id: uuid.UUID
    subject: str
    tries: int
    has_earlier: bool
    is_overdue: bool


def find_free(rows: Executor, now: datetime) -> list[uuid.UUID]:
    """The webhooks that something is due for, and nobody sends to."""
    return [row.id for row in _FREE.find_all(rows, {"now": now})]


def claim(rows: Executor, webhook_id: uuid.UUID, runner: uuid.UUID, now: datetime, until: datetime) -> Receiver | None:
    """Take an active webhook until then, unless another runner has it."""
    values = {"of_webhook": webhook_id, "by_runner": runner}
    result: Any = rows.execute(_CLAIM, {**values, "now": now, "until": until})
    found = rows.execute(_OURS, values).first() if result.rowcount else None
    return None if found is None else Receiver(webhook_id, found.url, found.sealed_secret)


def prolong(rows: Executor, webhook_ids: Collection[uuid.UUID], runner: uuid.UUID, until: datetime) -> set[uuid.UUID]:
    """Keep webhooks until then. Those that are still this runner's."""
    ours = update(_webhooks).where(_webhooks.c.id.in_(webhook_ids), _webhooks.c.runner == runner)
    return set(rows.execute(ours.values(runs_until=until).returning(_webhooks.c.id)).scalars())


def release(rows: Executor, webhook_id: uuid.UUID, runner: uuid.UUID) -> None:
    """Let another runner have a webhook."""
    ours = update(_webhooks).where(_is_ours).values(runner=None, runs_until=None)
    rows.execute(ours, {"of_webhook": webhook_id, "by_runner": runner})


def hold(rows: Executor, webhook_id: uuid.UUID, runner: uuid.UUID) -> bool:
    """Keep a webhook from other runners until the caller's transaction ends. Whether it is still this one's."""
    held = _OURS.with_for_update()
    return rows.execute(held, {"of_webhook": webhook_id, "by_runner": runner}).first() is not None


def find_due(rows: Executor, webhook_id: uuid.UUID, now: datetime, *, limit: int, overdue: timedelta) -> list[Due]:
    """What is due for a webhook, what has been due for longest first; longer than `overdue` is overdue.

    Nothing is for one that has ended, however much still waits.
    """
    return [
        Due(row.id, row.message_id, row.subject, row.tries, bool(row.has_earlier), row.due_at < now - overdue)
        for row in _DUE.find_all(rows, {"of_webhook": webhook_id, "now": now, "limit": limit})
    ]


def find_next_due(rows: Executor, webhook_id: uuid.UUID) -> datetime | None:
    """When something is due for a webhook, None where nothing waits, or it has ended."""
    row = _NEXT_DUE.find(rows, {"of_webhook": webhook_id})
    return None if row is None else row.due_at


def find_body(rows: Executor, delivery_id: int) -> tuple[bytes, str | None] | None:
    """What is to be sent, and the trace that it belongs to, None where it is gone."""
    row = _BODY.find(rows, {"of_delivery": delivery_id})
    return None if row is None else (row.body.encode(), row.traceparent)


def park(rows: Executor, delivery_ids: Sequence[int]) -> None:
    """Let events that have earlier ones wait until these let them go on (`_wake_next`)."""
    rows.execute(update(_deliveries).where(_deliveries.c.id.in_(delivery_ids)).values(due_at=None))


def remove(rows: Executor, webhook_id: uuid.UUID, due: Due, *, now: datetime) -> None:
    """An event has arrived."""
    rows.execute(delete(_deliveries).where(_deliveries.c.id == due.id))
    _wake_next(rows, webhook_id, due.subject, now)


def put_back(rows: Executor, due: Due, *, error: str, due_at: datetime) -> None:
    """A try has failed, and another one comes."""
    values = {"tries": due.tries + 1, "error": error, "due_at": due_at}
    rows.execute(update(_deliveries).where(_deliveries.c.id == due.id).values(values))


def set_failed(rows: Executor, webhook_id: uuid.UUID, due: Due, *, error: str, now: datetime) -> None:
    """The last try has failed: keep the event, and let those go on that waited for it."""
    values = {"tries": due.tries + 1, "error": error, "due_at": None, "failed_at": now}
    rows.execute(update(_deliveries).where(_deliveries.c.id == due.id).values(values))
    _wake_next(rows, webhook_id, due.subject, now)


def end(rows: Executor, webhook_id: uuid.UUID) -> str | None:
    """Send nothing more to a webhook: its receiver said so. Its address; None where it has ended before."""
    ended = update(_webhooks).where(_webhooks.c.id == webhook_id, _is_active).values(state=WebhookState.ENDED)
    return rows.execute(ended.returning(_webhooks.c.url)).scalar()


def find_next_waited_for(rows: Executor, behind: uuid.UUID) -> tuple[uuid.UUID | None, WebhookState | None]:
    """The id of a webhook that something waits for, the next one in their order, and its state if there is one."""
    waited_for = _WAITED_FOR.find(rows, {"behind": behind})
    if waited_for is None:
        return None, None
    state = rows.execute(select(_webhooks.c.state).where(_webhooks.c.id == waited_for.webhook_id)).scalar()
    return waited_for.webhook_id, state


def dismiss(rows: Executor, webhook_id: uuid.UUID, now: datetime, *, error: str) -> bool:
    """Let some of what waits for a webhook fail. Whether there was any."""
    failed = update(_deliveries).where(_some_waiting(webhook_id)).values(error=error, due_at=None, failed_at=now)
    result: Any = rows.execute(failed)
    return bool(result.rowcount)


def forget(rows: Executor, webhook_id: uuid.UUID) -> bool:
    """Remove some of what waits for a webhook. Whether there was any."""
    result: Any = rows.execute(delete(_deliveries).where(_some_waiting(webhook_id)))
    return bool(result.rowcount)


def _some_waiting(webhook_id: uuid.UUID) -> ColumnElement[bool]:
    waiting = select(_deliveries.c.id).where(_deliveries.c.webhook_id == webhook_id, _deliveries.c.failed_at.is_(None))
    return _deliveries.c.id.in_(waiting.limit(AT_ONCE).scalar_subquery())


def _wake_next(rows: Executor, webhook_id: uuid.UUID, subject: str, now: datetime) -> None:
    row = _NEXT_OF_SUBJECT.find(rows, {"of_webhook": webhook_id, "of_subject": subject})
    if row is not None and row.due_at is None:
        rows.execute(update(_deliveries).where(_deliveries.c.id == row.id).values(due_at=now))
