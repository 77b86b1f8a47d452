"""Every stored byte against its digest.

It may run beside the service: what is deleted or changed meanwhile is no fault. So a fault counts only where the row,
read again afterwards, still says what it said before.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Protocol, TypeAlias

from sqlalchemy import func, select

from transfer_service.errors import BlobMissing, ReadFailed
from transfer_service.models.accounts import Account
from transfer_service.models.chat import Message
from transfer_service.models.files import File, FileState, Folder, ReceivedRange, TrashedFile
from transfer_service.models.games import DownloadState, Game, GameData, RemoteDownload
from transfer_service.models.previews import Preview, PreviewState
from transfer_service.services.core import Core
from transfer_service.services.file_digest import FileDigest, FileHasher
from transfer_service.services.files.rows import WHOLE_NAME
from transfer_service.services.games.job_rows import archive_key
from transfer_service.services.upkeep import shelves
from transfer_service.services.upkeep.orphans import Tally
from transfer_service.storage.blobs import Key
from transfer_service.storage.bodies import BlobReader

BATCH = 200
READ_BYTES = 1024 * 1024
READ_AT_ONCE = 8
"""From a store on other machines, where each answer takes its time."""

_Statement: TypeAlias = Any
"""A select whose first column is the key of its rows: SQLAlchemy types each by its columns."""


class Kind(StrEnum):
    """What stored bytes are to their owner."""

    FILE = "file"
    TRASHED_FILE = "trashed_file"
    UPLOAD = "upload"
    ATTACHMENT = "attachment"
    ARCHIVE = "archive"
    PREVIEW = "preview"


class Problem(StrEnum):
    """What is wrong with them: not there, other bytes or fewer than there were, or not to be read."""

    MISSING = "missing"
    DAMAGED = "damaged"
    UNREADABLE = "unreadable"


Examined: TypeAlias = tuple[Problem | None, int]
"""What is wrong with something, and how many bytes of it were read."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something damaged or missing. `account` is None where it is nobody's any more."""

    kind: Kind
    problem: Problem
    account: str | None
    name: str
    id: str


@dataclass(slots=True)
class Verdict:
    """What was looked at, by kind, and what is wrong."""

    checked: dict[Kind, Tally] = field(default_factory=lambda: {kind: Tally() for kind in Kind})
    faults: list[Fault] = field(default_factory=list)


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

    def batches(self, statement: _Statement, *, size: int) -> Iterator[Sequence[Any]]:
        """The rows of a statement, some at a time."""


def promises(database: Listing) -> Iterator[list[Promise]]:
    """Everything that rows promise, some at a time."""
    for statement, look in _PROMISES:
        for rows in database.batches(statement, size=BATCH):
            yield [look(row) for row in rows]


class Verification:
    """Reads everything that records promise."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._rooms = {
            shelves.BLOBS: core.store,
            shelves.ATTACHMENTS: core.attachments,
            shelves.ARCHIVES: core.games,
            shelves.PREVIEWS: core.previews,
        }
        self._offload = core.offload
        self._is_remote = core.store.is_remote

    def run(self, *, on_fault: Callable[[Fault], object] = lambda _fault: None) -> Verdict:
        """Look at everything; `on_fault` is called with each fault at once."""
        verdict = Verdict()
        for statement, look in _PROMISES:
            for rows in self._database.batches(statement, size=BATCH):
                things = [look(row) for row in rows]
                with self._examining(things) as examined:
                    for thing, found in zip(things, examined, strict=True):
                        fault = self._judge(statement, look, thing, found, verdict)
                        if fault is not None:
                            verdict.faults.append(fault)
                            on_fault(fault)
        return verdict

    @contextmanager
    def _examining(self, things: Sequence["Promise"]) -> Iterator[Iterable["Examined"]]:
        """What is wrong with each, in their order: read one after the other, several at once from other machines."""
        if not self._is_remote:
            yield (self._offload(partial(self._examine, thing)) for thing in things)
            return
        with ThreadPoolExecutor(READ_AT_ONCE) as readers:
            try:
                yield readers.map(self._examine, things)
            finally:
                readers.shutdown(cancel_futures=True)

    def _judge(
        self,
        statement: _Statement,
        look: Callable[[Any], "Promise"],
        thing: "Promise",
        examined: Examined,
        verdict: Verdict,
    ) -> Fault | None:
        """What is wrong with it, if it is still promised; it is counted as checked."""
        problem, length = examined
        if problem is Problem.MISSING and thing.kind in MAY_BE_MISSING:
            return None
        if problem is not None and not self._is_still_promised(statement, look, thing):
            return None
        verdict.checked[thing.kind].add(length)
        return Fault(thing.kind, problem, thing.account, thing.name, str(thing.key)) if problem else None

    def _is_still_promised(self, statement: _Statement, look: Callable[[Any], "Promise"], thing: "Promise") -> bool:
        key = statement.selected_columns[0]
        with self._database.read() as session:
            row = session.execute(statement.where(key == thing.key)).one_or_none()
        return row is not None and look(row) == thing

    def _examine(self, thing: Promise) -> Examined:
        """What is wrong with it, and how many bytes were read. What was damaged on its way here is no fault."""
        found = self._look_at(thing, is_checked=False)
        return self._look_at(thing, is_checked=True) if self._is_remote and found[0] is Problem.DAMAGED else found

    def _look_at(self, thing: Promise, *, is_checked: bool) -> Examined:
        try:
            with closing(self._rooms[thing.room].open_reader(thing.blob_key, is_checked=is_checked)) as body:
                if thing.sha256 is None:
                    return (Problem.DAMAGED if body.size < thing.length else None), 0
                digest, length = _digest_of(body, thing.length)
        except BlobMissing:
            return Problem.MISSING, 0
        except ReadFailed:
            return Problem.UNREADABLE, 0
        is_right = (digest.sha256, length) == (thing.sha256, thing.length) and thing.crc32 in {None, digest.crc32}
        return (None if is_right else Problem.DAMAGED), length


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

_PROMISES: list[tuple[_Statement, Callable[[Any], Promise]]] = [
    (_FILES, _file),
    (_TRASHED_FILES, _trashed_file),
    (_UPLOADS, _upload),
    (_ATTACHMENTS, _attachment),
    (_ARCHIVES, _archive),
    (_PREVIEWS, _preview),
]
"""The rows that promise bytes, each by its key first, and what they promise."""


def _digest_of(body: BlobReader, length: int) -> tuple[FileDigest, int]:
    """The digest of the first `length` bytes, and how many of them there are."""
    hasher = FileHasher()
    position = 0
    while block := body.read(position, min(READ_BYTES, length - position)):
        hasher.update(block)
        position += len(block)
    return hasher.digest(), position
