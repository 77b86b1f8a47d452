"""What accounts did: rows that are added together with what they tell of, and pages of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from transfer_service.db.database import Database
from transfer_service.models.games import Activity, ActivityTotal

_NEXT = update(ActivityTotal).values(total=ActivityTotal.total + 1).returning(ActivityTotal.total)


class Action(StrEnum):
    """What can be told of a remote download."""

    STARTED = "download.started"
    COMPLETED = "download.completed"
    FAILED = "download.failed"
    CANCELLED = "download.cancelled"


@dataclass(frozen=True, slots=True)
class ActivityRecord:
    """An activity, and who did it."""

    activity_id: int
    username: str
    action: str
    resource: str
    resource_id: str
    details: dict[str, Any]
    ip_address: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """Some activities, and how many there are in all."""

    rows: tuple[ActivityRecord, ...]
    total: int


def record(
    session: Session,
    *,
    username: str,
    action: Action,
    resource: str,
    resource_id: str,
    details: Mapping[str, Any],
    ip_address: str | None,
    at: datetime,
) -> None:
    """Add an activity to the caller's transaction, so that it stays if and only if what it tells of does.

    Until that ends nobody else adds one: its number is the next one, without gaps.
    """
    session.add(
        Activity(
            number=session.execute(_NEXT).scalar_one(),
            username=username,
            action=action.value,
            resource=resource,
            resource_id=resource_id,
            details=dict(details),
            ip_address=ip_address,
            created_at=at,
        )
    )


class ActivityService:
    """Reads what was recorded."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    def list_page(self, page: int, limit: int) -> ActivityPage:
        """The page of `limit` activities, newest first; pages count from 1, and those past the end are empty."""
        with self._database.read() as session:
            total = session.scalars(select(ActivityTotal.total)).one()
            newest = total - (page - 1) * limit
            if newest < 1:  # which may be less than a database can count
                return ActivityPage(rows=(), total=total)
            shown = select(Activity).where(Activity.number <= newest).order_by(Activity.number.desc()).limit(limit)
            return ActivityPage(rows=tuple(map(_record, session.scalars(shown))), total=total)


def _record(row: Activity) -> ActivityRecord:
    return ActivityRecord(
        activity_id=row.id,
        username=row.username,
        action=row.action,
        resource=row.resource,
        resource_id=row.resource_id,
        details=row.details,
        ip_address=row.ip_address,
        created_at=row.created_at,
    )
