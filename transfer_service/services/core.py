"""What most services stand on: the settings, the database, the stores, the clock, work off the event loop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from transfer_service.db.database import Database
from transfer_service.services.durability import Durability, present_boot
from transfer_service.services.limits import Space
from transfer_service.storage.archives import GameStore
from transfer_service.storage.attachments import AttachmentStore
from transfer_service.storage.disk import DiskStore
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
    store: DiskStore
    attachments: AttachmentStore
    games: GameStore
    space: Space
    now: Callable[[], datetime]
    durability: Durability
    stale_after: timedelta
    offload: Offload = offload
    begin_offload: BeginOffload = begin_offload


def build_core(settings: Settings, now: Callable[[], datetime], *, boot: str | None = None) -> Core:
    """The core that `settings` describe. `now` is the clock of every service, `boot` the machine's present one."""
    return Core(
        settings=settings,
        database=Database(settings.resolved_database_url, run_blocking=offload),
        store=DiskStore(settings.blob_dir),
        attachments=AttachmentStore(settings.data_dir / "uploads" / "chats"),
        games=GameStore(settings.data_dir / "games"),
        space=Space(max_file_bytes=settings.max_file_bytes, quota_bytes=settings.quota_bytes),
        now=now,
        durability=Durability(
            boot=boot or present_boot(),
            flush=settings.durability != "process",
            flush_chunks=settings.durability == "ack",
        ),
        stale_after=timedelta(hours=settings.stale_upload_hours),
    )
