"""Building the services that keep database and stores in order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from transfer_service.db import schema
from transfer_service.services.files.discards import Discards
from transfer_service.services.games.archives import ArchiveRemoval
from transfer_service.services.upkeep.chat import ChatCleanup
from transfer_service.services.upkeep.cleanup import CleanupService
from transfer_service.services.upkeep.games import GameCleanup
from transfer_service.services.upkeep.installation import Installation, Part, StartGate
from transfer_service.services.upkeep.orphans import Orphans, Shelf
from transfer_service.services.upkeep.shelves import (
    ARCHIVES,
    ATTACHMENTS,
    BLOBS,
    ArchiveShelf,
    AttachmentShelf,
    BlobShelf,
)
from transfer_service.services.upkeep.verification import Verification

if TYPE_CHECKING:
    from transfer_service.bootstrap.files import FileServices
    from transfer_service.services.accounts.sign_ins import SignInService
    from transfer_service.services.core import Core


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The services; `gate` is what a process passes before it changes anything."""

    cleanup: CleanupService
    orphans: Orphans
    installation: Installation
    verification: Verification
    gate: StartGate


def build_upkeep(core: Core, files: FileServices, sign_ins: SignInService) -> Upkeep:
    """The services, each with what it needs."""
    shelves = _build_shelves(core)
    kept_for = timedelta(days=core.settings.quarantine_days)
    orphans = Orphans(shelves=shelves, offload=core.offload, now=core.now, kept_for=kept_for)
    installation = Installation(core, parts=_parts(core, shelves))
    uploads = files.cleanup
    cleanup = CleanupService(
        core,
        installation=installation,
        orphans=orphans,
        sweeps=[
            ("stale_uploads", uploads.remove_stale),
            ("stale_uploads", uploads.remove_expired),
            ("abandoned_conversations", ChatCleanup(core).remove_abandoned_conversations),
            ("unfinished_deletions", Discards(core).finish),
            ("download_parts", GameCleanup(core).remove_leftovers),
            ("spent_sign_ins", sign_ins.remove_spent),
        ],
    )
    return Upkeep(
        cleanup=cleanup,
        orphans=orphans,
        installation=installation,
        verification=Verification(core),
        gate=StartGate([partial(schema.check, core.database), installation.ensure]),
    )


def _build_shelves(core: Core) -> dict[str, Shelf]:
    database = core.database
    return {
        BLOBS: BlobShelf(database=database, store=core.store),
        ATTACHMENTS: AttachmentShelf(database=database, store=core.attachments),
        ARCHIVES: ArchiveShelf(database=database, store=core.games, removal=ArchiveRemoval(core)),
    }


def _parts(core: Core, shelves: dict[str, Shelf]) -> list[Part]:
    return [
        Part("the store of files", core.store.mark, shelves[BLOBS]),
        Part("the folder uploads/chats", core.attachments.mark, shelves[ATTACHMENTS]),
        Part("the folder games", core.games.mark, shelves[ARCHIVES]),
    ]
