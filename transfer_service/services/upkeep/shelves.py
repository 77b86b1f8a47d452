"""The rooms of the store, each beside the records that name what is in it: files, attachments, archives."""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from sqlalchemy import exists, select, union_all

from transfer_service.db.database import Database
from transfer_service.models.chat import Message
from transfer_service.models.files import File, FileState, TrashedFile
from transfer_service.models.games import DownloadState, GameData, RemoteDownload
from transfer_service.models.previews import Preview, PreviewState
from transfer_service.services.games.archives import ArchiveRemoval
from transfer_service.services.games.job_rows import archive_id, archive_key, is_archive, is_archive_needed
from transfer_service.storage.blobs import BlobFacts, BlobStore

BLOBS, ATTACHMENTS, ARCHIVES, PREVIEWS = "blobs", "attachments", "archives", "previews"
"""The shelves' names."""


class _OwnedShelf(ABC):
    """A room whose blobs belong to records and are nobody else's."""

    must_be_there = True

    def __init__(self, *, database: Database, store: BlobStore) -> None:
        self._database = database
        self.store = store
        self.batches = store.batches

    @abstractmethod
    def known(self, keys: Collection[str]) -> set[str]:
        """Those that have records."""

    def set_aside(self, key: str, *, now: datetime) -> bool:
        """Move a blob without a record. It never gets one: a record is older, or comes while the blob is in use."""
        return not self.known({key}) and self.store.quarantine.put(key, now=now)


class FileShelf(_OwnedShelf):
    """The files, finished or not or in the trash, and their rows."""

    def known(self, keys: Collection[str]) -> set[str]:
        """Those that are a file's, also of one in the trash."""
        with self._database.read() as session:
            blob_ids = [uuid.UUID(hex=key) for key in keys]
            # One statement: between two, one could go from one table to the other.
            ids = union_all(*(select(table.id).where(table.id.in_(blob_ids)) for table in (File, TrashedFile)))
            return {each.hex for each in session.scalars(ids)}

    def expected(self) -> Iterator[Sequence[str]]:
        """The blobs of finished files."""
        for finished in (select(File.id).where(File.state == FileState.COMPLETE), select(TrashedFile.id)):
            for batch in self._database.batches(finished):
                yield [file_id.hex for (file_id,) in batch]


def find_lengths(database: Database, keys: Collection[str]) -> dict[str, int]:
    """How long those files are, of some keys in the store, that are finished."""
    is_finished = File.id.in_([uuid.UUID(hex=key) for key in keys]) & (File.state == FileState.COMPLETE)
    with database.read() as session:
        found = session.execute(select(File.id, File.received_bytes).where(is_finished)).all()
    return {row.id.hex: row.received_bytes for row in found}


class AttachmentShelf(_OwnedShelf):
    """The attachments, and the messages that have one."""

    def known(self, keys: Collection[str]) -> set[str]:
        """Those that are a message's."""
        with self._database.read() as session:
            has_attachment = Message.id.in_(keys) & Message.filename.is_not(None)
            return set(session.scalars(select(Message.id).where(has_attachment)))

    def expected(self) -> Iterator[Sequence[str]]:
        """The attachments of messages."""
        for batch in self._database.batches(select(Message.id).where(Message.filename.is_not(None))):
            yield [message_id for (message_id,) in batch]


class PreviewShelf(_OwnedShelf):
    """The previews, and their rows: one without bytes is made again."""

    must_be_there = False

    def known(self, keys: Collection[str]) -> set[str]:
        """Those that have a row, also one that a worker is about to remove."""
        with self._database.read() as session:
            return set(session.scalars(select(Preview.subject).where(Preview.subject.in_(keys))))

    def expected(self) -> Iterator[Sequence[str]]:
        """Those that are made."""
        for batch in self._database.batches(select(Preview.subject).where(Preview.state == PreviewState.READY)):
            yield [subject for (subject,) in batch]


class ArchiveShelf:
    """The archives of games, and the remote downloads that need them. An archive is whole as soon as it has its key."""

    must_be_there = False
    """An operator may remove archives by hand: they can be fetched again."""

    def __init__(self, *, database: Database, store: BlobStore, removal: ArchiveRemoval) -> None:
        self._database = database
        self.store = store
        self._removal = removal

    def batches(self) -> Iterator[Sequence[BlobFacts]]:
        """Every archive."""
        for batch in self.store.batches():
            if archives := [each for each in batch if is_archive(each.key)]:
                yield archives

    def known(self, keys: Collection[str]) -> set[str]:
        """Those that a download needs."""
        with self._database.read() as session:
            return {key for key in keys if is_archive_needed(session, archive_id(key))}

    def expected(self) -> Iterator[Sequence[str]]:
        """The archives of completed downloads."""
        is_needed = exists().where(
            RemoteDownload.game_data_id == GameData.id,
            RemoteDownload.state == DownloadState.COMPLETED,
            RemoteDownload.removed_at.is_(None),
        )
        for batch in self._database.batches(select(GameData.id).where(is_needed)):
            yield [archive_key(number) for (number,) in batch]

    def set_aside(self, key: str, *, now: datetime) -> bool:
        """Move an archive that no download needs, and forget its members."""
        return self._removal.remove_unneeded(archive_id(key), dispose=lambda: self.store.quarantine.put(key, now=now))
