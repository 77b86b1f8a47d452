"""The audit log as it is read: pages of it, newest first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from transfer_service.db.database import Database
from transfer_service.models.events import Activity

_activities = Activity.__table__
_MOST = 2**63 - 1
"""What a database can count."""


@dataclass(frozen=True, slots=True)
class ActivityRecord:
    """An activity, and who did it."""

    activity_id: int
    username: str | None
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


class ActivityService:
    """Reads what was recorded."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    def list_page(self, page: int, limit: int) -> ActivityPage:
        """The page of `limit` activities, newest first; pages count from 1, and those past the end are empty."""
        with self._database.read() as session:
            total = session.execute(select(func.count()).select_from(_activities)).scalar_one()
            before = (page - 1) * limit
            if before >= min(total, _MOST):
                return ActivityPage(rows=(), total=total)
            newest = (_activities.c.created_at.desc(), _activities.c.id.desc())
            ids = select(_activities.c.id).order_by(*newest).limit(limit).offset(before)
            shown = select(Activity).where(_activities.c.id.in_(ids)).order_by(*newest)
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
