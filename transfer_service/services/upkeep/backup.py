"""A backup of an installation while it runs: `flask --app wsgi backup`.

What is deleted from now on is kept, then the database is copied as it is at one moment, then the bytes that this copy
names are: bytes that count are never changed, and a record goes before its bytes do, so all of them are there. Of an
unfinished upload these are the ranges that the copy has. Previews are left out, they are made again.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import select

from transfer_service.db.backup_contents import BackupContents, Listed
from transfer_service.db.snapshots import FILE_NAMES, identify, taking
from transfer_service.errors import BackupRefused, BlobMissing, ReadFailed
from transfer_service.key_file import Keys, read_keys, write_keys
from transfer_service.models.files import File, FileState, ReceivedRange
from transfer_service.models.pieces import StoredPiece
from transfer_service.services.core import Core
from transfer_service.services.secret_keys import secrets_of
from transfer_service.services.upkeep.orphans import Tally
from transfer_service.services.upkeep.promises import MAY_BE_MISSING, Kind, Promise, promises
from transfer_service.services.upkeep.verification import Problem
from transfer_service.storage.backup_folder import BackupFolder
from transfer_service.storage.blobs import BlobStore
from transfer_service.storage.bodies import BlobReader
from transfer_service.version import VERSION

BLOCK_BYTES = 1024 * 1024
AT_ONCE = 4
FACTS, KEY = "backup.json", "secret_key"
Place: TypeAlias = tuple[str, str]
"""A blob's room and key."""
_pieces, _ranges, _files = StoredPiece.__table__, ReceivedRange.__table__, File.__table__
_PIECES = select(_pieces).order_by(_pieces.c.room, _pieces.c.key, _pieces.c.start)
_SPANS = (
    select(_ranges.c.file_id, _ranges.c.start, _ranges.c.stop)
    .join(_files, _files.c.id == _ranges.c.file_id)
    .where(_files.c.state == FileState.RECEIVING)
)


@dataclass(slots=True)
class Held:
    """What a backup holds: by kind how many blobs and bytes, what of that is `new` in it, and what is wrong."""

    kinds: dict[str, tuple[int, int]] = field(default_factory=dict)
    new: Tally = field(default_factory=Tally)
    database_bytes: int = 0
    faults: list[Listed] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Copied:
    """What became of one blob: by which SHA-256 it is in the backup, what is wrong with it where it comes from."""

    stored: str | None = None
    problem: str | None = None
    new_bytes: int | None = None


class Backup:
    """One call. `rooms_of` gives the rooms to read by the rows in a small database of that path.

    Where bytes are in an object store these are the rows of the moment, whatever becomes of its pieces meanwhile.
    """

    def __init__(
        self,
        core: Core,
        folder: BackupFolder,
        rooms_of: Callable[[Path], AbstractContextManager[Mapping[str, BlobStore]]],
        *,
        with_bytes: bool,
    ) -> None:
        self._core = core
        self._folder = folder
        self._rooms_of = rooms_of
        self._with_bytes = with_bytes
        self._held = Held()

    def run(self, tell: Callable[[Held], object] = lambda _held: None) -> Held:
        """Make it, and `tell` how far it is now and then. Raises BackupRefused, StoreUnavailable, ReadOnly."""
        with self._folder.writing():
            generation = self._folder.begin()
            with closing(BackupContents(generation, writing=True)) as contents:
                with ExitStack() as stack:
                    checks = [stack.enter_context(room.deleted.keep()) for room in self._kept_rooms()]
                    facts = self._take_database(generation, contents)
                    if self._with_bytes:
                        self._copy(contents, tell)
                    for check in checks:
                        check()
                self._held.kinds, self._held.faults = contents.tally(), contents.faults()
            self._write_facts(generation, facts)
            self._folder.publish(generation)
            with closing(BackupContents(generation)) as contents:
                self._folder.prune(lambda names: contents.named(names))
        return self._held

    def _kept_rooms(self) -> list[BlobStore]:
        """Where something may be deleted that is still to be copied."""
        if self._core.settings.read_only or not self._with_bytes:
            return []
        return [self._core.store, self._core.attachments, self._core.games]

    def _take_database(self, generation: Path, contents: BackupContents) -> dict[str, object]:
        with taking(self._core.database.url, generation) as snapshot:
            schema, installation = identify(snapshot)
            self._refuse_another(installation)
            for batch in promises(snapshot):
                contents.add(_listed(each) for each in batch if each.kind is not Kind.PREVIEW)
            for rows in snapshot.batches(_SPANS):
                contents.add_spans((row.file_id.hex, row.start, row.stop) for row in rows)
            for rows in snapshot.batches(_PIECES):
                contents.add_pieces([tuple(row) for row in rows])
            snapshot.finish()
        copy = generation / FILE_NAMES[snapshot.kind]
        self._held.database_bytes = copy.stat().st_size
        return {
            "installation": installation,
            "schema": schema,
            "database": snapshot.kind,
            "sha256": _digest_of(copy),
        }

    def _refuse_another(self, installation: str) -> None:
        current = self._folder.current()
        if current is not None and read_facts(current)["installation"] != installation:
            raise BackupRefused(f"{self._folder.root} has the backup of another installation")

    def _copy(self, contents: BackupContents, tell: Callable[[Held], object]) -> None:
        with ExitStack() as stack:
            rooms = stack.enter_context(self._rooms_of(contents.path))
            pool = stack.enter_context(ThreadPoolExecutor(AT_ONCE))
            current = self._folder.current()
            before = stack.enter_context(closing(BackupContents(current))) if current else None
            for batch in contents.batches():
                copy = partial(self._copy_one, rooms, contents, _known(before, batch))
                results = list(pool.map(copy, batch))
                for new_bytes in (each.new_bytes for each in results if each.new_bytes is not None):
                    self._held.new.add(new_bytes)
                contents.settle(
                    (found.stored, found.problem, each.room, each.key)
                    for each, found in zip(batch, results, strict=True)
                )
                self._folder.settle()
                tell(self._held)

    def _copy_one(
        self, rooms: Mapping[str, BlobStore], contents: BackupContents, before: dict[Place, Listed], listed: Listed
    ) -> "Copied":
        known = before.get((listed.room, listed.key))
        expected = listed.sha256 or (known.stored if known and _is_same(known, listed) else None)
        if expected and self._folder.has(expected, listed.length):
            return Copied(expected)
        try:
            with closing(_open(rooms[listed.room], listed.key)) as reader:
                whole = [(0, min(reader.size, listed.length))]
                spans = contents.spans_of(listed.key) if listed.kind == Kind.UPLOAD else whole
                stored, length = self._folder.add(_blocks(reader, spans))
        except BlobMissing:
            return Copied(problem=None if listed.kind in MAY_BE_MISSING else Problem.MISSING)
        except ReadFailed:
            return Copied(problem=Problem.UNREADABLE)
        is_right = length == listed.length and listed.sha256 in {None, stored}
        # An archive may have been fetched once more meanwhile: then its record is not what it was.
        return Copied(stored, None if is_right or listed.kind in MAY_BE_MISSING else Problem.DAMAGED, length)

    def _write_facts(self, generation: Path, facts: dict[str, object]) -> None:
        settings, held = self._core.settings, self._held
        if settings.generated_key is not None:
            keys = read_keys(settings.generated_key)
        else:
            signing, *previous = (secret.decode() for secret in secrets_of(settings))
            keys = Keys(signing, previous=tuple(previous))
        write_keys(generation / KEY, keys)
        facts |= {
            "made_at": self._core.now().isoformat(),
            "service": VERSION,
            "boot": self._core.durability.boot,
            "with_bytes": self._with_bytes,
            "contents": {kind: {"count": count, "bytes": size} for kind, (count, size) in held.kinds.items()},
            "faults": len(held.faults),
        }
        _write_private(generation / FACTS, json.dumps(facts, indent=1))


def read_facts(generation: Path) -> dict[str, Any]:
    """What a generation says of itself. Raises BackupRefused."""
    try:
        facts: dict[str, Any] = json.loads((generation / FACTS).read_text())
    except (OSError, ValueError) as error:
        raise BackupRefused(f"{generation / FACTS} cannot be read: the backup is damaged") from error
    return facts


def _listed(promise: Promise) -> Listed:
    key = promise.blob_key
    return Listed(
        promise.room,
        key if isinstance(key, str) else key.hex,
        promise.kind,
        promise.account,
        promise.name,
        promise.length,
        promise.sha256,
        promise.version,
    )


def _known(before: BackupContents | None, batch: list[Listed]) -> dict[Place, Listed]:
    """What the backup before has of some blobs of which nobody knows the digest."""
    unknown = [each for each in batch if each.sha256 is None]
    found: dict[Place, Listed] = {}
    if before is None:
        return found
    for room in {each.room for each in unknown}:
        here = before.find(room, [each.key for each in unknown if each.room == room])
        found |= {(room, key): listed for key, listed in here.items()}
    return found


def _is_same(known: Listed, listed: Listed) -> bool:
    """Whether a blob without a known digest has not changed since it was copied."""
    facts = (known.room, known.kind, known.length, known.version, known.problem)
    return facts == (listed.room, listed.kind, listed.length, listed.version, None)


def _open(room: BlobStore, key: str) -> BlobReader:
    """A blob, also where it has been deleted since. Raises BlobMissing, ReadFailed."""
    try:
        return room.open_reader(key, is_checked=True)
    except BlobMissing:
        return room.deleted.open_reader(key)


def _blocks(reader: BlobReader, spans: list[tuple[int, int]]) -> Iterator[bytes]:
    """The bytes of some spans, and zeros between them. Raises ReadFailed where they end before."""
    position = 0
    for start, stop in spans:
        while position < start:
            size = min(BLOCK_BYTES, start - position)
            yield bytes(size)
            position += size
        while position < stop:
            block = reader.read(position, min(BLOCK_BYTES, stop - position))
            if not block:
                raise ReadFailed
            yield block
            position += len(block)


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(f"{text}\n")
