"""Building the services that keep database and stores in order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from transfer_service import schema
from transfer_service.offload import offload
from transfer_service.services.archive_removal import ArchiveRemoval
from transfer_service.services.chat_cleanup import ChatCleanup
from transfer_service.services.cleanup import CleanupService
from transfer_service.services.discards import Discards
from transfer_service.services.game_cleanup import GameCleanup
from transfer_service.services.installation import Installation, Part
from transfer_service.services.orphans import Orphans, Shelf
from transfer_service.services.shelves import (
    ARCHIVES,
    ATTACHMENTS,
    BLOBS,
    ArchiveShelf,
    AttachmentShelf,
    BlobShelf,
)
from transfer_service.services.start_gate import StartGate
from transfer_service.services.verification import Verification

if TYPE_CHECKING:
    from transfer_service.file_wiring import FileServices
    from transfer_service.ground import Ground


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The services; `gate` is what a process passes before it changes anything."""

    cleanup: CleanupService
    orphans: Orphans
    installation: Installation
    verification: Verification
    gate: StartGate


def build_upkeep(ground: Ground, files: FileServices) -> Upkeep:
    """The services, each with what it needs."""
    shelves = _build_shelves(ground)
    kept_for = timedelta(days=ground.settings.quarantine_days)
    orphans = Orphans(shelves=shelves, offload=offload, now=ground.now, kept_for=kept_for)
    installation = Installation(
        database=ground.database, parts=_parts(ground, shelves), offload=offload, now=ground.now
    )
    return Upkeep(
        cleanup=_build_cleanup(ground, files, orphans, installation),
        orphans=orphans,
        installation=installation,
        verification=Verification(
            database=ground.database,
            store=ground.store,
            attachments=ground.attachments,
            games=ground.games,
            offload=offload,
        ),
        gate=StartGate([partial(schema.check, ground.database), installation.ensure]),
    )


def _build_shelves(ground: Ground) -> dict[str, Shelf]:
    database = ground.database
    removal = ArchiveRemoval(database=database, store=ground.games, offload=offload)
    return {
        BLOBS: BlobShelf(database=database, store=ground.store),
        ATTACHMENTS: AttachmentShelf(database=database, store=ground.attachments),
        ARCHIVES: ArchiveShelf(database=database, store=ground.games, removal=removal),
    }


def _parts(ground: Ground, shelves: dict[str, Shelf]) -> list[Part]:
    return [
        Part("the store of files", ground.store.mark, shelves[BLOBS]),
        Part("the folder uploads/chats", ground.attachments.mark, shelves[ATTACHMENTS]),
        Part("the folder games", ground.games.mark, shelves[ARCHIVES]),
    ]


def _build_cleanup(ground: Ground, files: FileServices, orphans: Orphans, installation: Installation) -> CleanupService:
    database, space, now = ground.database, ground.space, ground.now
    return CleanupService(
        database=database,
        store=ground.store,
        files=files.files,
        completion=files.completion,
        space=space,
        installation=installation,
        uploads=files.cleanup,
        discards=Discards(
            database=database, store=ground.store, attachments=ground.attachments, offload=offload, now=now
        ),
        orphans=orphans,
        chat=ChatCleanup(database=database, store=ground.attachments, space=space, offload=offload),
        games=GameCleanup(database=database, store=ground.games, offload=offload, now=now),
        offload=offload,
        now=now,
        stale_after=ground.stale_after,
    )
