"""Marks in the audit log: after how many rows a row stands, for every thousandth. So a page far down, and how many rows
there are, cost as much as a thousand rows, whatever there is.

Rows are counted from the first that ever was, in the order of the log; what is removed as old goes on to count, and the
lowest mark, which is there always, says how many that are. A mark is only set where no row can come in front of it any
more, some time after the row; if a clock that was set back has brought one all the same, cleanup sets them anew.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, literal, select, tuple_
from sqlalchemy.exc import IntegrityError

from transfer_service.db.database import Database, Executor, run_again
from transfer_service.models.events import Activity, ActivityMark

STEP = 1000
MOST_AT_ONCE = 1000
SETTLED = timedelta(minutes=15)
"""No transaction takes so long, and no two instances' clocks are so far apart."""
MOMENT = timedelta(microseconds=1)
"""Between two instants that a database can tell apart."""

_activities, _marks = Activity.__table__, ActivityMark.__table__
ORDER = (_activities.c.created_at, _activities.c.id)
_place = tuple_(*ORDER)
_mark_place = tuple_(_marks.c.created_at, _marks.c.activity_id)


@dataclass(frozen=True, slots=True)
class Mark:
    """The row of that instant and id is number `position`, counted from 1."""

    position: int
    created_at: datetime
    activity_id: int

    @property
    def place(self) -> Any:
        """Its row's place in the order of the log, to be compared with."""
        return place_of(self.created_at, self.activity_id)


_BEGINNING = Mark(0, datetime(1970, 1, 1, tzinfo=UTC), 0)
_SELECT = select(_marks.c.position, _marks.c.created_at, _marks.c.activity_id)


def place_of(created_at: datetime, activity_id: int) -> Any:
    """A place in the order of the log."""
    return tuple_(literal(created_at, _activities.c.created_at.type), literal(activity_id, _activities.c.id.type))


def is_not_after(mark: Mark) -> ColumnElement[bool]:
    """Whether a row is that of the mark, or an older one."""
    wanted: ColumnElement[bool] = _place <= mark.place
    return wanted


def is_before(created_at: datetime, activity_id: int) -> ColumnElement[bool]:
    """Whether a row is older than the one at that place."""
    wanted: ColumnElement[bool] = _place < place_of(created_at, activity_id)
    return wanted


def _find(rows: Executor, statement: Any) -> Mark | None:
    row = rows.execute(statement.limit(1)).first()
    return None if row is None else Mark(*row)


def lowest(rows: Executor) -> Mark:
    """The row behind which the log begins."""
    return _find(rows, _SELECT.order_by(_marks.c.position)) or _BEGINNING


def _highest(rows: Executor) -> Mark:
    return _find(rows, _SELECT.order_by(_marks.c.position.desc())) or _BEGINNING


def at_or_after(rows: Executor, position: int) -> Mark | None:
    """The first mark that is no older than a row."""
    return _find(rows, _SELECT.where(_marks.c.position >= position).order_by(_marks.c.position))


def count_until(rows: Executor, at: datetime | None) -> int:
    """The number of the last row that is no younger than an instant, None for now."""
    latest, count = _SELECT.order_by(_marks.c.position.desc()), select(func.count()).select_from(_activities)
    if at is not None:
        latest, count = latest.where(_marks.c.created_at <= at), count.where(_activities.c.created_at <= at)
    mark = _find(rows, latest) or lowest(rows)
    return mark.position + int(rows.execute(count.where(_place > mark.place)).scalar_one())


def count_before(rows: Executor, at: datetime | None) -> int:
    """The number of the last row that is older than an instant, None for the beginning."""
    base = lowest(rows)
    return base.position if at is None or at <= base.created_at else count_until(rows, at - MOMENT)


def add_missing(database: Database, now: datetime) -> None:
    """Set the next marks, where there are rows enough. Others may do the same at this moment, and set the same ones."""
    with database.read_rows() as rows:
        found = [_next(rows, _highest(rows), now)]
        while found[-1] is not None and len(found) < MOST_AT_ONCE:
            found.append(_next(rows, found[-1], now))
    marks = [each for each in found if each is not None]
    if marks:
        columns = ("position", "created_at", "activity_id")
        with suppress(IntegrityError), database.write_rows() as rows:
            rows.execute(insert(_marks), [{name: getattr(mark, name) for name in columns} for mark in marks])


def _next(rows: Executor, mark: Mark, now: datetime) -> Mark | None:
    is_behind = (_place > mark.place, _activities.c.created_at < now - SETTLED)
    row = rows.execute(select(*ORDER).where(*is_behind).order_by(*ORDER).limit(1).offset(STEP - 1)).first()
    return None if row is None else Mark(mark.position + STEP, *row)


@run_again
def remove_some(database: Database, before: datetime, *, most: int) -> int:
    """Remove the oldest rows, as far as they are older than `before`, and tell how many. Others may do it too."""
    with database.write_rows() as rows:
        base = _find(rows, _SELECT.order_by(_marks.c.position).with_for_update())
        is_old = _activities.c.created_at < before
        last = rows.execute(select(*ORDER).where(is_old).order_by(*ORDER).limit(most)).all()[-1:]
        if base is None or not last:
            return 0
        end = Mark(0, *last[0])
        count: int = rows.execute(delete(_activities).where(is_not_after(end))).rowcount
        rows.execute(delete(_marks).where(_marks.c.position <= base.position + count))
        values = {"created_at": end.created_at, "activity_id": end.activity_id}
        rows.execute(insert(_marks).values(position=base.position + count, **values))
        return count


@run_again
def check(database: Database) -> bool:
    """Whether the marks are right. Where a row came in front of some, they are removed, to be set anew."""
    with database.write_rows() as rows:
        base, last = lowest(rows), _highest(rows)
        count = rows.execute(select(func.count()).select_from(_activities).where(is_not_after(last))).scalar_one()
        is_right = bool(count == last.position - base.position)
        if not is_right:
            rows.execute(delete(_marks).where(_marks.c.position > base.position))
        return is_right


def forget_from(rows: Executor, created_at: datetime, activity_id: int) -> None:
    """Remove the marks of a row that is taken out, and of all that came after it."""
    rows.execute(delete(_marks).where(_mark_place >= place_of(created_at, activity_id)))
