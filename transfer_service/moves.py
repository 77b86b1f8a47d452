"""Putting a move of the store together, for the command: where it comes from, and where it goes to."""

import hashlib
from pathlib import Path

from transfer_service.bootstrap import build_core, build_folders
from transfer_service.config import Settings
from transfer_service.db.move_journal import MoveJournal
from transfer_service.errors import MoveRefused
from transfer_service.services.core import Core, utc_now
from transfer_service.services.upkeep import shelves
from transfer_service.services.upkeep.recovery import Recovery
from transfer_service.services.upkeep.storage_move import StorageMove
from transfer_service.storage.blobs import BlobStore
from transfer_service.storage.landing import Landing, StoreLanding
from transfer_service.wire.store_addresses import StoreAddress


def build_move(settings: Settings, from_url: str, to_url: str) -> StorageMove:
    """A move of the bytes from one store to another; with folders on both sides only files move.

    It may write to the database also in read-only mode. Raises MoveRefused.
    """
    writing = settings.model_copy(update={"read_only": False, "storage_url": from_url})
    going = writing.model_copy(update={"storage_url": to_url})
    if _place_of(writing) == _place_of(going):
        raise MoveRefused("FROM and TO are the same place")
    core = build_core(writing, utc_now)
    landings = build_landings(going)
    if not core.store.is_remote and going.store_address is None:
        landings = {shelves.BLOBS: landings[shelves.BLOBS]}  # the other rooms are in the data folder, here as there
    digest = hashlib.sha256(f"{from_url} {to_url}".encode()).hexdigest()[:16]
    return StorageMove(
        core.database,
        sources={name: room for name, room in rooms_by_name(core).items() if name in landings},
        landings=landings,
        journal=MoveJournal(settings.data_dir / f"storage-move-{digest}.sqlite3"),
        is_in_use=_place_of(going) == _place_of(settings),
        note_flushed=Recovery(core).note_flushed,
    )


def _place_of(settings: Settings) -> StoreAddress | Path:
    return settings.store_address or settings.blob_dir


def rooms_by_name(core: Core) -> dict[str, BlobStore]:
    """The rooms of a core, by the names of their shelves."""
    return {
        shelves.BLOBS: core.store,
        shelves.ATTACHMENTS: core.attachments,
        shelves.ARCHIVES: core.games,
        shelves.PREVIEWS: core.previews,
    }


def build_landings(settings: Settings) -> dict[str, Landing]:
    """The rooms of a place that a move goes to."""
    names = (shelves.BLOBS, shelves.ATTACHMENTS, shelves.ARCHIVES, shelves.PREVIEWS)
    if settings.store_address is None:
        rooms = build_folders(settings)
        return {name: StoreLanding(room) for name, room in zip(names, rooms, strict=True)}
    from transfer_service.storage.s3.landing import build_landings  # only where it is used

    return dict(zip(names, build_landings(settings.store_address), strict=True))
