"""Rooms of blobs in an object store (the BlobStore of `blobs`)."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Self

from transfer_service.db.database import Database, Executor
from transfer_service.errors import BlobMissing, ServerAway, StorageFull, StoreUnavailable
from transfer_service.storage.blobs import WHOLE, AnyKey, BlobFacts, Key
from transfer_service.storage.lease_keeper import Leases
from transfer_service.storage.leases import LeaseClaims
from transfer_service.storage.rooms import ARCHIVES, ATTACHMENTS, FILES, PREVIEWS, Room
from transfer_service.storage.s3 import listing
from transfer_service.storage.s3.adoption import Adoption
from transfer_service.storage.s3.backing import Backing
from transfer_service.storage.s3.deleted import PLACE, Keepers, RemoteDeleted
from transfer_service.storage.s3.discards import Discards
from transfer_service.storage.s3.layout import RoomLayout
from transfer_service.storage.s3.objects import ObjectFacts, Objects
from transfer_service.storage.s3.pieces import PieceRows
from transfer_service.storage.s3.quarantine import RemoteQuarantine
from transfer_service.storage.s3.reader import RemoteReader, find_pieces, open_reader
from transfer_service.storage.s3.writer import PieceWriter, writing
from transfer_service.wire.ranges import Span
from transfer_service.wire.store_addresses import StoreAddress

SIGNED_SECONDS = 300
_MOST_MARK_BYTES = 100


class RemoteMark:
    """The mark of one room (the Mark of `room_upkeep`): an object that the first one makes."""

    def __init__(self, objects: Objects, layout: RoomLayout) -> None:
        self._objects = objects
        self._name = layout.mark_name

    def read(self) -> str | None:
        """What the room says it belongs to, None where it says nothing. Raises StoreUnavailable."""
        try:
            return self._objects.get(self._name, 0, _MOST_MARK_BYTES).decode(errors="replace").strip()
        except BlobMissing:
            return None

    def write(self, value: str) -> None:
        """Mark the room, whatever mark it had. Raises StorageFull, StoreUnavailable.

        Of two that find it without a mark at the same moment one has it, and the other one is told to look again.
        """
        data = [f"{value}\n".encode()]
        if self.read() is not None:
            self._objects.put(self._name, data)
        elif not self._objects.put(self._name, data, only_new=True) and self.read() != value:
            raise StoreUnavailable


class RemoteObject:
    """An object that others can get by a signed address (the RemoteBytes of `blobs`)."""

    def __init__(self, objects: Objects, facts: ObjectFacts) -> None:
        self._objects = objects
        self._name = facts.name
        self.etag = facts.etag
        self.modified_at = facts.modified_at.replace(microsecond=0)

    def sign(self, headers: Mapping[str, str]) -> str:
        """An address by which anybody gets it for some minutes, with these headers: that counts when they begin."""
        return self._objects.signed_url(self._name, seconds=SIGNED_SECONDS, headers=headers)


class RemoteStore:
    """One room."""

    is_remote = True

    def __init__(self, backing: Backing, claims: LeaseClaims, keepers: Keepers) -> None:
        self._backing = backing
        self._keepers = keepers
        self._objects = backing.objects
        self._layout = backing.layout
        self.database = backing.database
        self.claims = claims
        self.quarantine = RemoteQuarantine(backing, keepers.is_any)
        self.deleted = RemoteDeleted(keepers, backing.objects, backing.discards, backing.layout)
        self.mark = RemoteMark(backing.objects, backing.layout)

    def is_kept(self) -> bool:
        """Whether somebody keeps what is deleted."""
        return self._keepers.is_any()

    @property
    def backing(self) -> Backing:
        """What those stand on that keep the room in order."""
        return self._backing

    @contextmanager
    def open_writer(self, key: Key, span: Span, *, create: bool, wait_seconds: float) -> Iterator[PieceWriter]:
        """Lock a span of a blob, with `create` of a new one too. Raises BlobMissing, RangeBusy after `wait_seconds`."""
        self._layout.key_of(key)
        with (
            self.claims.lock(key, span, wait_seconds=wait_seconds) as lock,
            writing(self._backing, key, lock, create=create) as writer,
        ):
            yield writer

    def open_new(self, key: Key) -> AbstractContextManager[PieceWriter]:
        """Make a blob under a key that nobody else knows yet."""
        return writing(self._backing, key, self.claims.new(WHOLE), create=True, is_new=True)

    @contextmanager
    def take_over(self, key: Key, span: Span, *, create: bool, wait_seconds: float) -> Iterator[PieceWriter]:
        """Like `open_writer`, as the last one who came. Raises like it, and Superseded when somebody comes after."""
        self._layout.key_of(key)
        with (
            self.claims.take_over(key, span, wait_seconds=wait_seconds) as lock,
            writing(self._backing, key, lock, create=create) as writer,
        ):
            yield writer

    @contextmanager
    def adopt(
        self,
        key: Key,
        source: Self,
        source_key: Key,
        length: int,
        *,
        may_grow: bool,  # noqa: ARG002 - what is shared never changes here, whatever comes behind it
    ) -> Iterator[Callable[[Executor], None]]:
        """Share the pieces of a whole blob of another room, or let the store copy what is one object."""
        name, source_name = self._layout.key_of(key), source._layout.key_of(source_key)
        with self.claims.lock(key, WHOLE, wait_seconds=0) as fence:
            yield Adoption(self._backing, name, fence, length).take(source._backing, source_name)

    def open_reader(self, key: Key, *, is_checked: bool = False) -> RemoteReader:
        """The blob, for the caller to close. Raises BlobMissing, StoreUnavailable."""
        return open_reader(self._backing, self._layout.key_of(key), is_checked=is_checked)

    def find_location(self, _key: Key, _length: int) -> None:
        """Nothing is on this machine."""

    def find_remote(self, key: Key, length: int) -> RemoteObject | None:
        """The blob where it is one object of that length."""
        if self._backing.find_end(self._layout.key_of(key)) is not None:
            return None
        facts = self._objects.head(self._layout.own_name(key))
        return RemoteObject(self._objects, facts) if facts and facts.size == length else None

    def record_whole(self, rows: Executor, key: Key, length: int) -> None:
        """Tell the worker that a blob is whole, if it is in pieces."""
        name = self._layout.key_of(key)
        if self._backing.rows.find_end(rows, name) is not None:
            self._backing.rows.note_scattered(rows, name, length)

    def stored_bytes(self, key: Key) -> int | None:
        """The space that a blob or a group takes, None if there is none. Raises StoreUnavailable."""
        pieces = [piece for each in listing.keys_of(self._backing, key) for piece in find_pieces(self._backing, each)]
        if pieces:
            return sum(piece.span.size for piece in pieces)
        sizes = [facts.size for facts in listing.own_objects_of(self._backing, key)]
        return sum(sizes) if sizes else None

    def find_lacking(self, keys: Sequence[AnyKey]) -> list[AnyKey]:
        """Those of some blobs of which bytes, or all, are not there. Raises StoreUnavailable."""
        return listing.find_lacking(self._backing, keys)

    def size(self, key: Key) -> int:
        """Where the blob ends. Raises BlobMissing, StoreUnavailable."""
        length = self._backing.find_length(self._layout.key_of(key))
        if length is None:
            raise BlobMissing
        return length

    def sync(self, key: Key) -> None:
        """Everything that counts survives power loss. Raises BlobMissing, StoreUnavailable."""
        self.size(key)

    def sync_all(self) -> None:
        """Everything that counts survives power loss."""

    def delete(self, key: Key) -> int:
        """Remove a blob or a group and tell the bytes that this freed, 0 if there was none. Readers find them gone.

        Whoever is killed on the way leaves rows, by which it can be done again.
        """
        freed = self.stored_bytes(key)
        self.claims.end_all(key)
        if not self._layout.is_group(key):
            self.deleted.take([self._layout.own_name(key)])
        elif names := [facts.name for facts in listing.own_objects_of(self._backing, key)]:
            self.deleted.take(names)
        self._delete_pieces(listing.keys_of(self._backing, key))
        # Nobody can let them count any more: their claims have ended.
        left = [facts.name for facts in listing.unnamed_pieces(self._backing, self._layout.piece_prefix_of(key))]
        if left:
            self.deleted.take(left)
        return freed or 0

    def _delete_pieces(self, keys: Sequence[str]) -> None:
        if keys:
            with self.database.write_rows() as rows:
                names = set().union(*(self._backing.rows.remove(rows, key) for key in keys))
            self._backing.discards.remove(names)

    def batches(self) -> Iterator[Sequence[BlobFacts]]:
        """Every blob, or every group, in no order, some hundreds at a time."""
        return listing.batches(self._backing)

    def check(self) -> None:
        """Prove that the store can be written. Raises StoreUnavailable."""
        try:
            self._objects.put(self._layout.probe_name, [uuid.uuid4().bytes])
        except ServerAway as error:
            raise ServerAway("The store cannot be written") from error
        except (StorageFull, StoreUnavailable) as error:
            raise StoreUnavailable("The store cannot be written") from error


@dataclass(frozen=True, slots=True)
class RemoteRooms:
    """All rooms of one installation. Nothing is opened or started before the first use of one."""

    files: RemoteStore
    attachments: RemoteStore
    archives: RemoteStore
    previews: RemoteStore
    leases: Leases


def build_rooms(address: StoreAddress, database: Database) -> RemoteRooms:
    """The rooms below an address, with their rows and claims in the database."""
    objects, leases = Objects(address), Leases(database)
    keepers = Keepers(LeaseClaims(leases, PLACE), database)
    discards = Discards(database, objects, keepers.is_any)

    def build(room: Room) -> RemoteStore:
        layout = RoomLayout(address.prefix, room)
        rows = PieceRows(layout.name, layout.own_name)
        claims = LeaseClaims(leases, layout.name)
        return RemoteStore(Backing(objects, database, layout, rows, discards), claims, keepers)

    return RemoteRooms(build(FILES), build(ATTACHMENTS), build(ARCHIVES), build(PREVIEWS), leases)
