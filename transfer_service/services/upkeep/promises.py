"""What records promise of stored bytes: their room and key, their length and digest."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from sqlalchemy import func, select

from transfer_service.models.accounts import Account
from transfer_service.models.chat import Message
from transfer_service.models.files import File, FileState, Folder, ReceivedRange, TrashedFile
from transfer_service.models.games import DownloadState, Game, GameData, RemoteDownload
from transfer_service.models.previews import Preview, PreviewState
from transfer_service.services.files.rows import WHOLE_NAME
from transfer_service.services.games.job_rows import archive_key
from transfer_service.services.upkeep import shelves
from transfer_service.storage.blobs import Key

BATCH = 200

Statement: TypeAlias = Any
"""A select whose first column is the key of its rows: SQLAlchemy types each by its columns."""


class Kind(StrEnum):
    """What stored bytes are to their owner."""

    FILE = "file"
    TRASHED_FILE = "trashed_file"
    UPLOAD = "upload"
    ATTACHMENT = "attachment"
    ARCHIVE = "archive"
    PREVIEW = "preview"


@dataclass(frozen=True, slots=True)
class Promise:
    """Stored bytes that a row promises: `length` of them, with that `sha256` where it is known, and that `crc32`.

    Of an unfinished upload `version` is another one whenever it has come to more, or begins anew.
    """

    kind: Kind
    key: Any
    account: str | None
    name: str
    length: int
    sha256: str | None
    crc32: int | None = None
    version: str | None = None

    @property
    def room(self) -> str:
        """The room that the bytes are in, by its shelf's name."""
        return _ROOMS.get(self.kind, shelves.BLOBS)

    @property
    def blob_key(self) -> Key:
        """What they are found by there."""
        if self.kind is Kind.ATTACHMENT:
            return f"{self.key}/{self.name}"
        return archive_key(self.key) if self.kind is Kind.ARCHIVE else self.key


_ROOMS = {Kind.ATTACHMENT: shelves.ATTACHMENTS, Kind.ARCHIVE: shelves.ARCHIVES, Kind.PREVIEW: shelves.PREVIEWS}
MAY_BE_MISSING = frozenset({Kind.ARCHIVE, Kind.PREVIEW})
"""Archives may be removed by hand, and are fetched again; previews are made again."""


class Listing(Protocol):
    """A database, or what it was at one moment."""

    def batches(self, statement: Statement, *, size: int) -> Iterator[Sequence[Any]]:
        """The rows of a statement, some at a time."""


def _file(row: Any) -> Promise:
    return Promise(Kind.FILE, row.id, row.account, row.name, row.length or 0, row.sha256, row.crc32)


def _trashed_file(row: Any) -> Promise:
    return Promise(Kind.TRASHED_FILE, row.id, row.account, row.name, row.length, row.sha256, row.crc32)


def _upload(row: Any) -> Promise:
    version = f"{row.received_bytes} {row.stop} {row.updated_at.isoformat()}"
    return Promise(Kind.UPLOAD, row.id, row.account, row.name, row.stop, None, version=version)


def _attachment(row: Any) -> Promise:
    return Promise(Kind.ATTACHMENT, row.id, row.account, row.filename, row.length or 0, row.sha256)


def _archive(row: Any) -> Promise:
    return Promise(Kind.ARCHIVE, row.game_data_id, None, row.title, row.total_bytes, row.sha256)


def _preview(row: Any) -> Promise:
    length = (row.length_160 or 0) + (row.length_480 or 0) + (row.length_1280 or 0)
    return Promise(Kind.PREVIEW, row.subject, None, row.subject, length, row.sha256)


_FILES = (
    select(File.id, WHOLE_NAME.label("name"), File.length, File.sha256, File.crc32, Account.name.label("account"))
    .join(Account, Account.id == File.account_id)
    .outerjoin(Folder, Folder.id == File.folder_id)
    .where(File.state == FileState.COMPLETE)
)
_TRASHED_FILES = select(
    TrashedFile.id,
    TrashedFile.name,
    TrashedFile.length,
    TrashedFile.sha256,
    TrashedFile.crc32,
    Account.name.label("account"),
).join(Account, Account.id == TrashedFile.account_id)
_UPLOADS = (
    select(
        File.id,
        WHOLE_NAME.label("name"),
        func.max(ReceivedRange.stop).label("stop"),
        File.received_bytes,
        File.updated_at,
        Account.name.label("account"),
    )
    .join(Account, Account.id == File.account_id)
    .outerjoin(Folder, Folder.id == File.folder_id)
    .join(ReceivedRange, ReceivedRange.file_id == File.id)
    .where(File.state == FileState.RECEIVING)
    .group_by(File.id, WHOLE_NAME, File.received_bytes, File.updated_at, Account.name)
)
_ATTACHMENTS = (
    select(Message.id, Message.filename, Message.length, Message.sha256, Account.name.label("account"))
    .outerjoin(Account, Account.id == Message.sender_id)
    .where(Message.filename.is_not(None))
)
_newest = (
    select(func.max(RemoteDownload.id))
    .where(RemoteDownload.state == DownloadState.COMPLETED, RemoteDownload.removed_at.is_(None))
    .group_by(RemoteDownload.game_data_id)
)
_ARCHIVES = (
    select(RemoteDownload.game_data_id, RemoteDownload.total_bytes, RemoteDownload.sha256, Game.title)
    .join(GameData, GameData.id == RemoteDownload.game_data_id)
    .join(Game, Game.id == GameData.game_id)
    .where(RemoteDownload.id.in_(_newest))
)
_PREVIEWS = select(Preview.subject, Preview.length_160, Preview.length_480, Preview.length_1280, Preview.sha256).where(
    Preview.state == PreviewState.READY
)

PROMISES: list[tuple[Statement, Callable[[Any], Promise]]] = [
    (_FILES, _file),
    (_TRASHED_FILES, _trashed_file),
    (_UPLOADS, _upload),
    (_ATTACHMENTS, _attachment),
    (_ARCHIVES, _archive),
    (_PREVIEWS, _preview),
]
"""The rows that promise bytes, each by its key first, and what they promise."""


def promises(database: Listing) -> Iterator[list[Promise]]:
    """Everything that rows promise, some at a time."""
    for statement, look in PROMISES:
        for rows in database.batches(statement, size=BATCH):
            yield [look(row) for row in rows]
