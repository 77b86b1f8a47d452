"""The kinds of stored bytes, each beside the records that name them: blobs, attachments, archives."""

import uuid
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import islice

from sqlalchemy import exists, select

from transfer_service.db.database import Database
from transfer_service.models.chat import Message
from transfer_service.models.files import File, FileState
from transfer_service.models.games import DownloadState, GameData, RemoteDownload
from transfer_service.services.games.archives import ArchiveRemoval
from transfer_service.services.games.job_rows import is_archive_needed
from transfer_service.services.upkeep.orphans import Stored
from transfer_service.storage.archives import GameStore
from transfer_service.storage.attachments import AttachmentStore
from transfer_service.storage.blobs import BlobStore
from transfer_service.storage.quarantine import Quarantine

BATCH = 500
BLOBS, ATTACHMENTS, ARCHIVES = "blobs", "attachments", "archives"
"""The shelves' names."""


class BlobShelf:
    """The blobs, and the rows of files, finished or not."""

    def __init__(self, *, database: Database, store: BlobStore) -> None:
        self._database = database
        self._store = store

    @property
    def quarantine(self) -> Quarantine:
        """That of the blob store."""
        return self._store.quarantine

    def batches(self) -> Iterator[Sequence[Stored]]:
        """Every blob."""
        blobs = self._store.list_blobs()
        while batch := list(islice(blobs, BATCH)):
            yield [Stored(each.blob_id.hex, each.modified_at, each.length, each.stored_bytes) for each in batch]

    def known(self, names: Collection[str]) -> set[str]:
        """Those that are a file's."""
        with self._database.read() as session:
            ids = session.scalars(select(File.id).where(File.id.in_([uuid.UUID(hex=name) for name in names])))
            return {each.hex for each in ids}

    def is_in_use(self, name: str) -> bool:
        """Whether an upload writes it."""
        return self._store.is_in_use(uuid.UUID(hex=name))

    must_be_there = True

    def expected(self) -> Iterator[Sequence[str]]:
        """The blobs of finished files."""
        for batch in self._database.batches(select(File.id).where(File.state == FileState.COMPLETE)):
            yield [file_id.hex for (file_id,) in batch]

    def is_there(self, name: str) -> bool:
        """Whether there is such a blob."""
        return self._store.stored_bytes(uuid.UUID(hex=name)) is not None

    def set_aside(self, name: str, *, now: datetime) -> bool:
        """Move a blob that is no file's. It never becomes one: a row is older, or comes while the blob is in use."""
        return not self.known({name}) and put_aside(self.quarantine, name, now)


class AttachmentShelf:
    """The attachments, and the messages that have one."""

    def __init__(self, *, database: Database, store: AttachmentStore) -> None:
        self._database = database
        self._store = store

    @property
    def quarantine(self) -> Quarantine:
        """That of the attachments."""
        return self._store.quarantine

    def batches(self) -> Iterator[Sequence[Stored]]:
        """Every attachment."""
        attachments = self._store.list_attachments()
        while batch := list(islice(attachments, BATCH)):
            yield [Stored(each.message_id, each.modified_at, each.length, each.stored_bytes) for each in batch]

    def known(self, names: Collection[str]) -> set[str]:
        """Those that are a message's."""
        with self._database.read() as session:
            has_attachment = Message.id.in_(names) & Message.filename.is_not(None)
            return set(session.scalars(select(Message.id).where(has_attachment)))

    def is_in_use(self, name: str) -> bool:
        """Whether it is being received: until its message is posted."""
        return self._store.is_in_use(name)

    must_be_there = True

    def expected(self) -> Iterator[Sequence[str]]:
        """The attachments of messages."""
        for batch in self._database.batches(select(Message.id).where(Message.filename.is_not(None))):
            yield [message_id for (message_id,) in batch]

    def is_there(self, name: str) -> bool:
        """Whether something lies there for the message."""
        return self._store.stored_bytes(name) is not None

    def set_aside(self, name: str, *, now: datetime) -> bool:
        """Move an attachment without a message. Nobody posts one that was not in use a moment ago."""
        return not self.known({name}) and put_aside(self.quarantine, name, now)


class ArchiveShelf:
    """The archives of games, and the remote downloads that need them."""

    def __init__(self, *, database: Database, store: GameStore, removal: ArchiveRemoval) -> None:
        self._database = database
        self._store = store
        self._removal = removal

    @property
    def quarantine(self) -> Quarantine:
        """That of the archives."""
        return self._store.quarantine

    def batches(self) -> Iterator[Sequence[Stored]]:
        """Every archive."""
        files = (each for each in self._store.list_files() if each.archive_of is not None)
        while batch := list(islice(files, BATCH)):
            yield [Stored(f"{each.archive_of}.zip", each.modified_at, each.length, each.stored_bytes) for each in batch]

    def known(self, names: Collection[str]) -> set[str]:
        """Those that a download needs."""
        with self._database.read() as session:
            return {name for name in names if is_archive_needed(session, archive_id(name))}

    def is_in_use(self, name: str) -> bool:  # noqa: ARG002 - what is being fetched has another name
        """Never: an archive is whole from the moment on that it has its name."""
        return False

    must_be_there = False
    """An operator may remove archives by hand: they can be fetched again."""

    def expected(self) -> Iterator[Sequence[str]]:
        """The archives of completed downloads."""
        is_needed = exists().where(
            RemoteDownload.game_data_id == GameData.id, RemoteDownload.state == DownloadState.COMPLETED
        )
        for batch in self._database.batches(select(GameData.id).where(is_needed)):
            yield [f"{number}.zip" for (number,) in batch]

    def is_there(self, name: str) -> bool:
        """Whether there is such an archive."""
        return self._store.has_archive(archive_id(name))

    def set_aside(self, name: str, *, now: datetime) -> bool:
        """Move an archive that no download needs, and forget its members."""
        return self._removal.remove_unneeded(
            archive_id(name), dispose=lambda _game_data_id: put_aside(self.quarantine, name, now)
        )


def archive_id(name: str) -> int:
    """The number in the name of an archive."""
    return int(name.removesuffix(".zip"))


def put_aside(quarantine: Quarantine, name: str, now: datetime) -> bool:
    """Move something to the quarantine. Whether it was still there."""
    try:
        quarantine.put(name, now=now)
    except FileNotFoundError:  # another run was faster
        return False
    return True
