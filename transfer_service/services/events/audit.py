"""The audit log: a row in the transaction of what it tells of, so that it stays if and only if that does."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect, PreparedWrite
from transfer_service.models.accounts import Account
from transfer_service.models.events import Activity
from transfer_service.services.events.actions import Action
from transfer_service.services.events.actors import Actor, present_actor
from transfer_service.services.events.marks import forget_from

_activities, _accounts = Activity.__table__, Account.__table__
_COLUMNS = tuple(column.name for column in _activities.c if not column.primary_key)
_insert = insert(_activities).values({name: bindparam(name) for name in _COLUMNS}).inline()
_INSERT, _INSERT_KNOWN = PreparedWrite(_insert), PreparedWrite(_insert.returning(_activities.c.id))
_TAKE_BACK = PreparedWrite(
    delete(_activities).where(_activities.c.id == bindparam("activity_id")).returning(_activities.c.created_at)
)
_NAME = PreparedSelect(select(_accounts.c.name).where(_accounts.c.id == bindparam("account_id")))


def record(
    rows: Executor,
    action: Action,
    resource_id: uuid.UUID | str,
    details: Mapping[str, Any],
    *,
    at: datetime,
    actor: Actor | None = None,
) -> None:
    """Add one row to the log, in the caller's transaction, of what the present actor does, or another `actor`.

    It takes no lock and waits for nobody. `details` become JSON; they name what the id stands for, and what changed,
    and hold neither passwords nor tokens nor addresses that let anybody in.
    """
    _INSERT.run(rows, _values(rows, action, resource_id, details, at, actor))


def record_known(
    rows: Executor, action: Action, resource_id: uuid.UUID, details: Mapping[str, Any], at: datetime
) -> int:
    """The same for what may come to nothing after its commit: the row's id, for `take_back`."""
    added = _INSERT_KNOWN.find(rows, _values(rows, action, resource_id, details, at, None))
    return int(added.id)  # type: ignore[union-attr] # an INSERT gives its row


def _values(
    rows: Executor,
    action: Action,
    resource_id: uuid.UUID | str,
    details: Mapping[str, Any],
    at: datetime,
    actor: Actor | None,
) -> dict[str, Any]:
    who = present_actor() if actor is None else actor
    return {
        "username": name_of(rows, who),
        "action": action.value,
        "resource": action.resource,
        "resource_id": str(resource_id),
        "details": dict(details),
        "ip_address": who.ip_address,
        "created_at": at,
    }


def take_back(rows: Executor, activity_id: int) -> None:
    """Take a row out of the log, in the transaction that undoes what it tells of."""
    gone = _TAKE_BACK.find(rows, {"activity_id": activity_id})
    if gone is not None:
        forget_from(rows, gone.created_at, activity_id)


def name_of(rows: Executor, actor: Actor) -> str | None:
    """The actor's name, None where that is nobody, or an account that is gone."""
    if actor.name is not None or actor.account_id is None:
        return actor.name
    found = _NAME.find(rows, {"account_id": actor.account_id})
    return None if found is None else str(found.name)


def actor_for(account_id: uuid.UUID) -> Actor:
    """Who a change in an account is told of that the account itself has asked for: itself, now or earlier.

    A step that a crash left undone is taken by whoever looks next, a command or another account.
    """
    actor = present_actor()
    return actor if actor.account_id == account_id else Actor(account_id, None, None)
