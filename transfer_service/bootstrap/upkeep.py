"""Building the services that keep database and stores in order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from transfer_service.db import schema
from transfer_service.services.files.discards import Discards
from transfer_service.services.games.archive_removal import ArchiveRemoval
from transfer_service.services.upkeep.chat import ChatCleanup
from transfer_service.services.upkeep.cleanup import CleanupService
from transfer_service.services.upkeep.games import GameCleanup
from transfer_service.services.upkeep.installation import Installation, Part
from transfer_service.services.upkeep.orphans import Orphans, Shelf
from transfer_service.services.upkeep.shelves import (
    ARCHIVES,
    ATTACHMENTS,
    BLOBS,
    ArchiveShelf,
    AttachmentShelf,
    BlobShelf,
)
from transfer_service.services.upkeep.start_gate import StartGate
from transfer_service.services.upkeep.verification import Verification
from transfer_service.threads import offload

if TYPE_CHECKING:
    from transfer_service.bootstrap.files import FileServices
    from transfer_service.services.core import Core


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The services; `gate` is what a process passes before it changes anything."""

    cleanup: CleanupService
    orphans: Orphans
    installation: Installation
    verification: Verification
    gate: StartGate


def build_upkeep(core: Core, files: FileServices) -> Upkeep:
    """The services, each with what it needs."""
    shelves = _build_shelves(core)
    kept_for = timedelta(days=core.settings.quarantine_days)
    orphans = Orphans(shelves=shelves, offload=offload, now=core.now, kept_for=kept_for)
    installation = Installation(database=core.database, parts=_parts(core, shelves), offload=offload, now=core.now)
    return Upkeep(
        cleanup=_build_cleanup(core, files, orphans, installation),
        orphans=orphans,
        installation=installation,
        verification=Verification(
            database=core.database,
            store=core.store,
            attachments=core.attachments,
            games=core.games,
            offload=offload,
        ),
        gate=StartGate([partial(schema.check, core.database), installation.ensure]),
    )


def _build_shelves(core: Core) -> dict[str, Shelf]:
    database = core.database
    removal = ArchiveRemoval(database=database, store=core.games, offload=offload)
    return {
        BLOBS: BlobShelf(database=database, store=core.store),
        ATTACHMENTS: AttachmentShelf(database=database, store=core.attachments),
        ARCHIVES: ArchiveShelf(database=database, store=core.games, removal=removal),
    }


def _parts(core: Core, shelves: dict[str, Shelf]) -> list[Part]:
    return [
        Part("the store of files", core.store.mark, shelves[BLOBS]),
        Part("the folder uploads/chats", core.attachments.mark, shelves[ATTACHMENTS]),
        Part("the folder games", core.games.mark, shelves[ARCHIVES]),
    ]


def _build_cleanup(core: Core, files: FileServices, orphans: Orphans, installation: Installation) -> CleanupService:
    database, space, now = core.database, core.space, core.now
    return CleanupService(
        core,
        files=files.files,
        completion=files.completion,
        installation=installation,
        uploads=files.cleanup,
        discards=Discards(database=database, store=core.store, attachments=core.attachments, offload=offload, now=now),
        orphans=orphans,
        chat=ChatCleanup(database=database, store=core.attachments, space=space, offload=offload),
        games=GameCleanup(database=database, store=core.games, offload=offload, now=now),
    )
