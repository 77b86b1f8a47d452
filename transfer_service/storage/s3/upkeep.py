"""What keeps an object store in order: a worker that makes one object of each whole blob, and what cleanup does."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select

from transfer_service.models.pieces import StoredPiece
from transfer_service.storage.blobs import BlobStore
from transfer_service.storage.s3.backing import Backing
from transfer_service.storage.s3.compaction import CompactedRoom, Compaction
from transfer_service.storage.s3.leftovers import Known, Leftovers
from transfer_service.storage.s3.store import RemoteStore

_pieces = StoredPiece.__table__
Lengths = Callable[[Collection[str]], Mapping[str, int]]


def compaction_of(rooms: Sequence[BlobStore]) -> Compaction:
    """What the worker does with these rooms of one installation."""
    remote = _remote(rooms)
    return Compaction(remote[0].database, [CompactedRoom(room.backing, room.claims) for room in remote])


def remove_leftovers(rooms: Mapping[BlobStore, Known], *, now: datetime, dry_run: bool) -> Iterator[int]:
    """Remove what is due of what nobody names, or only look; the bytes that each thing frees, as far as they are known.

    Of each room pieces go only where their blobs are known: others may be missed one day, and the quarantine takes them
    with their blob. While somebody keeps what is deleted they stay. Raises StoreUnavailable.
    """
    for room in _remote(list(rooms)):
        for _ in range(room.backing.discards.finish(room.backing.layout.piece_prefix, now=now, dry_run=dry_run)):
            yield 0
        if not room.is_kept():
            yield from Leftovers(room.backing, room.claims).remove(rooms[room], now=now, dry_run=dry_run)


def note_whole(room: BlobStore, lengths: Lengths, *, dry_run: bool) -> Iterator[int]:
    """Tell the worker of whole blobs in pieces of which nobody has told it. Frees nothing.

    `lengths` has those of some keys whose blobs are whole. What has changed meanwhile the worker finds out.
    """
    for remote in _remote([] if dry_run else [room]):
        for keys in remote.backing.rows.batches_of_unnoted(remote.database):
            if whole := lengths(keys):
                with remote.database.write_rows() as rows:
                    for key, length in whole.items():
                        remote.backing.rows.note_scattered(rows, key, length)
    yield from ()


def forget_compacted(rooms: Sequence[BlobStore]) -> None:
    """Forget the pieces of blobs that have become one object since, under rows that are older than the store.

    Raises StoreUnavailable.
    """
    for room in _remote(rooms):
        keys = select(_pieces.c.key).where(_pieces.c.room == room.backing.layout.name).distinct()
        for batch in room.database.batches(keys):
            for row in batch:
                _forget_if_one(room.backing, row.key)


def _forget_if_one(backing: Backing, key: str) -> None:
    with backing.database.read_rows() as rows:
        pieces = backing.rows.find(rows, key)
    if all(not each.span.size or backing.objects.head(each.object) for each in pieces):
        return
    whole = backing.find_whole(key)
    if whole is not None and whole.span.stop >= pieces[-1].span.stop:
        with backing.database.write_rows() as rows:
            backing.rows.remove(rows, key)


def _remote(rooms: Sequence[BlobStore]) -> list[RemoteStore]:
    return [room for room in rooms if isinstance(room, RemoteStore)]
