"""What most services stand on: the settings, the database, the stores, the clock, work off the event loop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from transfer_service.db.database import Database
from transfer_service.services.durability import Durability
from transfer_service.services.limits import Space
from transfer_service.storage.blobs import BlobStore
from transfer_service.threads import BeginOffload, Offload, begin_offload, offload

if TYPE_CHECKING:
    from collections.abc import Callable

    from config import Settings


def utc_now() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Core:
    """One installation, to be handed to whatever is built on it."""

    settings: Settings
    database: Database
    store: BlobStore
    attachments: BlobStore
    games: BlobStore
    space: Space
    now: Callable[[], datetime]
    durability: Durability
    stale_after: timedelta
    offload: Offload = offload
    begin_offload: BeginOffload = begin_offload
