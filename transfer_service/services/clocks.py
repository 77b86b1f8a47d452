"""One clock for all instances, where their machines' may differ."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from transfer_service.db.database import Executor
from transfer_service.services.core import utc_now


def shared_now(rows: Executor, now: Callable[[], datetime]) -> datetime:
    """`now` by the clock of the database, which all workers and instances go by: their machines' may differ.

    A database in a file has the machine's.
    """
    dialect = rows.get_bind().dialect if isinstance(rows, Session) else rows.dialect
    if dialect.name == "sqlite":
        return now()
    before = utc_now()
    there: datetime = rows.execute(select(func.clock_timestamp())).scalar_one()
    return now() + (there - min(max(there, before), utc_now()))
