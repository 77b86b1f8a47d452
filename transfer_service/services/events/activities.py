"""The audit log as it is read: pages of it, or all that matches, newest first; and what is removed of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import repeat
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, func, select

from transfer_service.db.database import Executor
from transfer_service.models.events import Activity
from transfer_service.services.core import Core
from transfer_service.services.events import marks
from transfer_service.services.events.marks import ORDER

EXPORTED_AT_ONCE = 1000
REMOVED_AT_ONCE = 1000
T = TypeVar("T")

_activities = Activity.__table__
_newest_first = tuple(column.desc() for column in ORDER)
_COLUMNS = [
    _activities.c[name]
    for name in ("id", "username", "action", "resource", "resource_id", "details", "ip_address", "created_at")
]


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


@dataclass(frozen=True, slots=True)
class ActivityFilter:
    """Which activities are wanted; None is any. `since` and `until` are wanted too."""

    username: str | None = None
    action: str | None = None
    resource: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_of_time(self) -> bool:
        """Whether nothing is asked but when."""
        return self.username is None and self.action is None and self.resource is None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The same for a statement."""
        named = {"username": self.username, "action": self.action, "resource": self.resource}
        wanted: list[ColumnElement[bool]] = [
            _activities.c[name] == value for name, value in named.items() if value is not None
        ]
        if self.since is not None:
            wanted.append(_activities.c.created_at >= self.since)
        if self.until is not None:
            wanted.append(_activities.c.created_at <= self.until)
        return wanted


EVERYTHING = ActivityFilter()


class ActivityService:
    """Reads what was recorded, and lets go of what is old."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._offload = core.offload
        self._now = core.now
        self._kept_for = timedelta(days=core.settings.activity_days)

    def list_page(self, page: int, limit: int, wanted: ActivityFilter = EVERYTHING) -> ActivityPage:
        """The page of `limit` activities, newest first; pages count from 1, and those past the end are empty.

        What is asked by time alone is found by marks; all else is counted, along an index.
        """
        if not wanted.is_of_time:
            return self._run(lambda: self._count_page(page, limit, wanted))
        with self._database.read() as session:
            first, last = marks.count_before(session, wanted.since), marks.count_until(session, wanted.until)
            number = last - (page - 1) * limit
            found = self._from(session, number, min(limit, number - first), last=last, wanted=wanted)
            is_marked = marks.at_or_after(session, last - 2 * marks.STEP) is not None
        if not is_marked and not self._database.is_read_only:
            marks.add_missing(self._database, self._now())
        return ActivityPage(rows=found, total=max(0, last - first))

    def _run(self, work: Callable[[], T]) -> T:
        """Do what may take long, in SQLite off the event loop."""
        return self._offload(work) if self._database.is_sqlite else work()

    @staticmethod
    def _from(
        rows: Executor, number: int, count: int, *, last: int, wanted: ActivityFilter
    ) -> tuple[ActivityRecord, ...]:
        """So many rows from one on, whose number is given, to older ones; `last` is that of the newest wanted one."""
        if count < 1:  # the number may be less than a database can count
            return ()
        mark = marks.at_or_after(rows, number)
        if mark is None or mark.position >= last:
            newer = last - number
            return _page(rows, wanted.conditions(), count, newer)
        return _page(rows, [marks.is_not_after(mark)], count, mark.position - number)

    def _count_page(self, page: int, limit: int, wanted: ActivityFilter) -> ActivityPage:
        conditions, before = wanted.conditions(), (page - 1) * limit
        with self._database.read() as session:
            counted = select(func.count()).select_from(_activities).where(*conditions)
            total = int(session.execute(counted).scalar_one())
            found = _page(session, conditions, limit, before) if before < total else ()
        return ActivityPage(rows=found, total=total)

    def read_all(self, wanted: ActivityFilter = EVERYTHING) -> Iterator[Sequence[ActivityRecord]]:
        """Everything that matches, newest first, some at a time, in short reads.

        What is recorded meanwhile is not told, and what stays is told once.
        """
        conditions = wanted.conditions()
        behind = conditions
        while found := self._run(partial(self._read_some, behind)):
            yield found
            behind = [*conditions, marks.is_before(found[-1].created_at, found[-1].activity_id)]

    def _read_some(self, conditions: Sequence[ColumnElement[bool]]) -> tuple[ActivityRecord, ...]:
        with self._database.read() as session:
            return _page(session, conditions, EXPORTED_AT_ONCE, 0)

    def remove_old(self, *, dry_run: bool) -> Iterator[int]:
        """Remove what is older than it is to be kept, the oldest first, in short transactions. A 0 for each row."""
        before = self._now() - self._kept_for
        if dry_run:
            with self._database.read() as session:
                count = marks.count_before(session, before) - marks.lowest(session).position
            yield from repeat(0, count)
            return
        while count := marks.remove_some(self._database, before, most=REMOVED_AT_ONCE):
            yield from repeat(0, count)
        marks.check(self._database)
        marks.add_missing(self._database, self._now())


def _page(
    rows: Executor, conditions: Sequence[ColumnElement[bool]], limit: int, offset: int
) -> tuple[ActivityRecord, ...]:
    # The index alone tells which rows are passed over; only those that are shown are read.
    shown = select(_activities.c.id).where(*conditions).order_by(*_newest_first).limit(limit).offset(offset)
    statement: Select[Any] = select(*_COLUMNS).where(_activities.c.id.in_(shown)).order_by(*_newest_first)
    return tuple(ActivityRecord(*row) for row in rows.execute(statement))
