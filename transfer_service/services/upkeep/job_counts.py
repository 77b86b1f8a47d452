"""How many jobs wait or run, for whoever watches the service."""

from sqlalchemy import func, literal, select

from transfer_service.db.database import Database
from transfer_service.models.games import ACTIVE_STATES, RemoteDownload
from transfer_service.models.previews import Preview, PreviewState
from transfer_service.models.webhooks import WebhookDelivery

MOST = 10_000
"""So many of a kind are counted at most: a queue may have millions, and whoever counts must not keep others waiting."""

_downloads, _previews, _deliveries = RemoteDownload.__table__, Preview.__table__, WebhookDelivery.__table__
_DOWNLOADS = select(_downloads.c.state, func.count()).where(_downloads.c.slot.is_not(None)).group_by(_downloads.c.state)
_PREVIEWS = select(func.count()).select_from(
    select(literal(1)).select_from(_previews).where(_previews.c.state == PreviewState.WAITING).limit(MOST).subquery()
)
_WEBHOOKS = {
    state: select(func.count()).select_from(select(literal(1)).where(condition).limit(MOST).subquery())
    for state, condition in (
        ("waiting", _deliveries.c.failed_at.is_(None)),
        ("failed", _deliveries.c.failed_at.is_not(None)),
    )
}


class JobCounts:
    """Counts by kind and state; what has ended is not counted, but for events that webhooks were not told."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self) -> dict[tuple[str, str], int]:
        """The jobs there are now. Raises StoreUnavailable."""
        counts = {("download", state.value): 0 for state in ACTIVE_STATES}
        with self._database.read_rows() as rows:
            for state, number in rows.execute(_DOWNLOADS):
                counts["download", state.value] = number
            counts["preview", "waiting"] = rows.execute(_PREVIEWS).scalar_one()
            for state, statement in _WEBHOOKS.items():
                counts["webhook", state] = rows.execute(statement).scalar_one()
        return counts
