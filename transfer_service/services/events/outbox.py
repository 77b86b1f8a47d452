"""What webhooks are to be told: rows that are added together with what they tell of, so both are there, or neither."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Uuid, bindparam, insert, literal_column, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect, PreparedWrite
from transfer_service.models.base import UtcDateTime
from transfer_service.models.webhooks import Webhook, WebhookDelivery
from transfer_service.telemetry.traces import present_trace
from transfer_service.wire.webhooks import TEST_EVENT, format_body

_webhooks, _deliveries = Webhook.__table__, WebhookDelivery.__table__


class _RandomId(GenericFunction[uuid.UUID]):
    """An id that nobody can guess, made by the database for each row."""

    type = Uuid()
    inherit_cache = True


@compiles(_RandomId)
def _random_id(_element: _RandomId, _compiler: SQLCompiler, **_options: Any) -> str:
    return "gen_random_uuid()"


@compiles(_RandomId, "sqlite")
def _random_id_of_sqlite(_element: _RandomId, _compiler: SQLCompiler, **_options: Any) -> str:
    return "lower(hex(randomblob(16)))"


class _Now(GenericFunction[datetime]):
    """The instant by the clock that workers go by: a server's own. A database in a file has that of its argument."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(_Now)
def _now(_element: _Now, _compiler: SQLCompiler, **_options: Any) -> str:
    return "clock_timestamp()"


@compiles(_Now, "sqlite")
def _now_of_sqlite(element: _Now, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses.clauses[0], **options)


_at = bindparam("at", type_=UtcDateTime())
_account_id = bindparam("account_id", type_=Uuid())
_COLUMNS = [
    "message_id",
    "webhook_id",
    "account_id",
    "event",
    "subject",
    "body",
    "created_at",
    "due_at",
    "tries",
    "traceparent",
]


def _for(*conditions: ColumnElement[bool]) -> PreparedWrite:
    told: Select[Any] = select(
        _RandomId(),
        _webhooks.c.id,
        _account_id,
        bindparam("event", type_=_deliveries.c.event.type),
        bindparam("subject", type_=_deliveries.c.subject.type),
        bindparam("body", type_=_deliveries.c.body.type),
        _at,
        _Now(_at),
        literal_column("0"),
        bindparam("traceparent", type_=_deliveries.c.traceparent.type),
    ).where(_webhooks.c.state == literal_column("'active'"), *conditions)
    return PreparedWrite(insert(_deliveries).from_select(_COLUMNS, told))


_is_told = (
    _webhooks.c.events.like(bindparam("wanted")),
    or_(_webhooks.c.account_id.is_(None), _webhooks.c.account_id == _account_id),
)
_PUBLISH = _for(*_is_told)
_ANY_TOLD = PreparedSelect(
    select(_webhooks.c.id).where(_webhooks.c.state == literal_column("'active'"), *_is_told).limit(1)
)
_PUBLISH_TO = _for(_webhooks.c.id == bindparam("webhook_id"))


def publish(
    rows: Executor, event: str, *, account_id: uuid.UUID | None, subject: str, data: Mapping[str, Any], at: datetime
) -> None:
    """Have webhooks told of an event of an account's things, in the transaction of the fact.

    Where nobody listens nothing is made or written; else one statement decides who is told. Whoever publishes holds the
    row of the `subject` (a file, a conversation): that makes the order of events that of the facts.
    """
    if not is_anybody_told(rows, event, account_id):
        return
    body = format_body(event, at, data)
    values = {"event": event, "subject": subject, "body": body, "at": at, "traceparent": present_trace()}
    _PUBLISH.run(rows, {**values, "wanted": f"% {event} %", "account_id": account_id})


def is_anybody_told(rows: Executor, event: str, account_id: uuid.UUID | None) -> bool:
    """Whether `publish` would write anything: for who would call it for each of very many things at once."""
    return _ANY_TOLD.find(rows, {"wanted": f"% {event} %", "account_id": account_id}) is not None


def publish_test(rows: Executor, webhook_id: uuid.UUID, *, at: datetime) -> None:
    """Have an active webhook told that it works."""
    body = format_body(TEST_EVENT, at, {"webhook_id": str(webhook_id)})
    values = {"event": TEST_EVENT, "subject": f"test:{uuid.uuid4()}", "body": body, "at": at}
    values["traceparent"] = present_trace()
    _PUBLISH_TO.run(rows, {**values, "webhook_id": webhook_id, "account_id": None})
