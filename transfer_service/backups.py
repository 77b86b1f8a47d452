"""Putting a backup and a restore together, for the commands: where everything is, and where it goes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from transfer_service.config import Settings
from transfer_service.db.database import Database
from transfer_service.db.restoring import DatabaseRestore
from transfer_service.errors import BackupRefused
from transfer_service.key_file import Keys, read_keys
from transfer_service.moves import build_landings, rooms_by_name
from transfer_service.services.core import Core
from transfer_service.services.secret_keys import secrets_of
from transfer_service.services.upkeep import shelves
from transfer_service.services.upkeep.backup import KEY, Backup
from transfer_service.services.upkeep.restore import Restore, Source
from transfer_service.storage.backup_folder import BackupFolder
from transfer_service.storage.blobs import BlobStore


def build_backup(core: Core, folder: Path, *, with_bytes: bool) -> Backup:
    """A backup into a folder. Raises BackupRefused where that is no place for one."""
    _refuse_own_places(core.settings, folder)
    return Backup(core, BackupFolder(folder.absolute()), _rooms_of(core), with_bytes=with_bytes)


def build_restore(settings: Settings, source: Source, keep_keys: Callable[[], None]) -> Restore:
    """A restore of a backup; `keep_keys` puts its signing keys in place. Raises BackupRefused."""
    _refuse_own_places(settings, source.folder.root)
    url, folder = settings.resolved_database_url, settings.data_dir
    return Restore(
        source,
        landings=build_landings(settings),
        database=DatabaseRestore(source.generation, source.facts, url, folder),
        journal=folder / f"restore-{source.generation.name}.sqlite3",
        keep_keys=keep_keys,
    )


def choose_keys(settings: Settings, source: Source) -> Keys | None:
    """The signing keys of a backup where they are to be put into the data folder, None where the settings have them.

    Raises BackupRefused where they have others.
    """
    try:
        keys = read_keys(source.generation / KEY)
    except (OSError, ValueError) as error:
        raise BackupRefused(f"{source.generation / KEY} cannot be read: the backup is damaged") from error
    if settings.generated_key is not None:
        return keys
    if keys.signing.encode() in {secret.strip() for secret in secrets_of(settings)}:
        return None
    raise BackupRefused(
        "SECRET_KEY is another one than that of the backup, so no token would count: unset it, or set it to what is in "
        f"the first line of {source.generation / KEY}"
    )


def _refuse_own_places(settings: Settings, folder: Path) -> None:
    """Raises BackupRefused where a folder lies in what it is a backup of, or the other way round."""
    target = folder.resolve()
    for place in (settings.data_dir, settings.blob_dir):
        own = place.resolve()
        if own == target or own in target.parents or target in own.parents:
            raise BackupRefused(f"{folder} and {place} lie in each other: a backup needs a place of its own")


def _rooms_of(core: Core) -> Callable[[Path], AbstractContextManager[Mapping[str, BlobStore]]]:
    """The rooms that a backup reads, by the rows of a small database that it has made."""

    @contextmanager
    def opened(contents: Path) -> Iterator[Mapping[str, BlobStore]]:
        address = core.settings.store_address
        if address is None:
            yield rooms_by_name(core)
            return
        from transfer_service.storage.s3.store import build_rooms  # only where it is used

        database = Database(f"sqlite:///{contents}")
        try:
            rooms = build_rooms(address, database)
            yield {shelves.BLOBS: rooms.files, shelves.ATTACHMENTS: rooms.attachments, shelves.ARCHIVES: rooms.archives}
        finally:
            database.dispose()

    return opened
