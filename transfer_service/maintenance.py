"""What keeps an installation in order: its shelves, and what a cleanup does to them. `bootstrap` hands them out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from transfer_service.services.files.discards import Discards
from transfer_service.services.games.archives import ArchiveRemoval
from transfer_service.services.previews.removal import PreviewRemoval
from transfer_service.services.sharing.sharing import Sharing
from transfer_service.services.upkeep import shelves
from transfer_service.services.upkeep.bundles import BundleCleanup
from transfer_service.services.upkeep.chat import ChatCleanup
from transfer_service.services.upkeep.games import GameCleanup
from transfer_service.services.upkeep.installation import Part
from transfer_service.services.upkeep.shelves import ArchiveShelf, AttachmentShelf, FileShelf, PreviewShelf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transfer_service.services.accounts.sign_ins import SignInService
    from transfer_service.services.core import Core
    from transfer_service.services.files.trash import Trash
    from transfer_service.services.upkeep.cleanup import Sweep
    from transfer_service.services.upkeep.orphans import Shelf
    from transfer_service.services.upkeep.uploads import UploadCleanup
    from transfer_service.storage.blobs import BlobStore
    from transfer_service.storage.s3.leftovers import Known


def build_shelves(core: Core) -> dict[str, Shelf]:
    """The places of bytes and the records of what belongs there, by name."""
    database = core.database
    return {
        shelves.BLOBS: FileShelf(database=database, store=core.store),
        shelves.ATTACHMENTS: AttachmentShelf(database=database, store=core.attachments),
        shelves.ARCHIVES: ArchiveShelf(database=database, store=core.games, removal=ArchiveRemoval(core)),
        shelves.PREVIEWS: PreviewShelf(database=database, store=core.previews),
    }


def list_parts(by_name: dict[str, Shelf]) -> list[Part]:
    """What an installation is made of beside its database, for who compares the two."""
    return [
        Part("the store of files", by_name[shelves.BLOBS]),
        Part("the folder uploads/chats", by_name[shelves.ATTACHMENTS]),
        Part("the folder games", by_name[shelves.ARCHIVES]),
        Part("the folder previews", by_name[shelves.PREVIEWS]),
    ]


def list_sweeps(
    core: Core, uploads: UploadCleanup, trash: Trash, sign_ins: SignInService, sharing: Sharing
) -> list[tuple[str, Sweep]]:
    """What a cleanup does, in its order."""
    return [
        ("stale_uploads", uploads.remove_stale),
        ("stale_uploads", uploads.remove_expired),
        ("expired_trash", trash.remove_expired),
        ("abandoned_conversations", ChatCleanup(core).remove_abandoned_conversations),
        ("unfinished_deletions", Discards(core).finish),
        ("unfinished_deletions", PreviewRemoval(core).remove_gone),
        ("unfinished_deletions", partial(_remove_deleted, core)),
        ("download_parts", GameCleanup(core).remove_leftovers),
        ("expired_bundles", BundleCleanup(core).remove_expired),
        ("expired_bundles", sharing.exports.remove_expired),
        ("spent_sign_ins", sign_ins.remove_spent),
        ("ended_links", sharing.links.remove_ended),
    ]


def _remove_deleted(core: Core, *, dry_run: bool) -> Iterator[int]:
    """Remove what a backup that was killed has kept of what was deleted meanwhile."""
    for room in (core.store, core.attachments, core.games, core.previews):
        if freed := room.deleted.remove(dry_run=dry_run):
            yield freed


def settle_older_rows(core: Core) -> None:
    """Let rows that are older than the store they belong to, such as those of a backup without bytes, fit it again."""
    if core.store.is_remote:
        from transfer_service.storage.s3.upkeep import forget_compacted

        forget_compacted([core.store, core.attachments, core.games, core.previews])


def list_object_sweeps(core: Core, by_name: dict[str, Shelf]) -> list[tuple[str, Sweep]]:
    """What a cleanup does besides where an object store has the bytes: nothing is nobody's or in pieces for ever."""
    if not core.store.is_remote:
        return []
    from transfer_service.storage.s3.upkeep import note_whole, remove_leftovers

    # An archive can be fetched again, a preview made: nobody will miss pieces of one.
    known: dict[BlobStore, Known] = {
        core.store: by_name[shelves.BLOBS].known,
        core.attachments: by_name[shelves.ATTACHMENTS].known,
        core.games: lambda keys: {*keys},
        core.previews: lambda keys: {*keys},
    }
    return [
        ("unfinished_deletions", lambda *, dry_run: remove_leftovers(known, now=core.now(), dry_run=dry_run)),
        ("unfinished_deletions", partial(note_whole, core.store, partial(shelves.find_lengths, core.database))),
    ]
