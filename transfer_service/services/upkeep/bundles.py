"""Removing bundles whose addresses no longer count."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import repeat

from sqlalchemy import select

from transfer_service.db.database import run_again
from transfer_service.models.bundles import Bundle
from transfer_service.services.core import Core
from transfer_service.services.sharing import bundle_rows


class BundleCleanup:
    """A part of the cleanup."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._now = core.now

    def remove_expired(self, *, dry_run: bool) -> Iterator[int]:
        """Remove the rows whose time is over. They have no bytes of disk."""
        now = self._now()
        for batch in self._database.batches(select(Bundle.id).where(Bundle.expires_at <= now)):
            yield from repeat(0, len(batch) if dry_run else self._remove([row.id for row in batch], now))

    @run_again
    def _remove(self, ids: Sequence[uuid.UUID], now: datetime) -> int:
        with self._database.write_rows() as rows:
            return bundle_rows.remove_expired(rows, ids, now)
