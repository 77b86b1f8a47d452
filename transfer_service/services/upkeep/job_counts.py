"""How many jobs wait or run, and what is kept of failed ones, for whoever watches the service."""

from sqlalchemy import ColumnElement, Select, Table, func, literal, literal_column, select

from transfer_service.db.database import Database
from transfer_service.models.games import ACTIVE_STATES, RemoteDownload
from transfer_service.models.previews import Preview
from transfer_service.models.webhooks import WebhookDelivery

MOST = 10_000
"""So many of a kind are counted at most: a queue may have millions, and whoever counts must not keep others waiting."""

_downloads, _previews, _deliveries = RemoteDownload.__table__, Preview.__table__, WebhookDelivery.__table__
_DOWNLOADS = select(_downloads.c.state, func.count()).where(_downloads.c.slot.is_not(None)).group_by(_downloads.c.state)


def _count_of(table: Table, condition: ColumnElement[bool]) -> Select[int]:
    """How many rows there are, by an index that has only these."""
    return select(func.count()).select_from(
        select(literal(1)).select_from(table).where(condition).limit(MOST).subquery()
    )


_PREVIEWS = _count_of(_previews, _previews.c.state == literal_column("'waiting'"))
_WAITING = _count_of(_deliveries, _deliveries.c.failed_at.is_(None))
_FAILED = _count_of(_deliveries, _deliveries.c.failed_at.is_not(None))


class JobCounts:
    """Counts by kind and state; what has ended is not counted, but the deliveries that are kept as failed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self) -> dict[tuple[str, str], int]:
        """The jobs that there are now. Raises StoreUnavailable."""
        counts = {("download", state.value): 0 for state in ACTIVE_STATES}
        with self._database.read_rows() as rows:
            for state, number in rows.execute(_DOWNLOADS):
                counts["download", state.value] = number
            counts["preview", "waiting"] = rows.execute(_PREVIEWS).scalar_one()
            counts["webhook", "waiting"] = rows.execute(_WAITING).scalar_one()
            counts["webhook", "failed"] = rows.execute(_FAILED).scalar_one()
        return counts
