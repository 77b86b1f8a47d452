"""Blobs that are whole and in pieces become one object each, at their own names, and their pieces go.

It is done under a claim on the whole blob, and may be killed anywhere: until one transaction takes the rows of the
pieces away, they say where the bytes are, and the new object has the same bytes. Readers that meet a piece which has
just gone look again. Who begins ends the multipart uploads of whoever began before: so no object comes late, in place
of a newer one.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import select

from transfer_service.db.database import Database
from transfer_service.errors import BlobMissing, RangeBusy, ServerAway, StoreUnavailable, TransferError
from transfer_service.logs import log_error
from transfer_service.models.pieces import ScatteredBlob
from transfer_service.storage.blobs import WHOLE
from transfer_service.storage.s3.backing import Backing, Fence
from transfer_service.storage.s3.checked import get_checked
from transfer_service.storage.s3.objects import MAX_PARTS, MIN_PART_BYTES, Objects, Part
from transfer_service.storage.s3.outgoing import PIECE_BYTES
from transfer_service.storage.s3.pieces import Piece, is_gapless
from transfer_service.wire.ranges import Span

OBJECT_BYTES = MAX_PARTS * PIECE_BYTES
"""What is longer becomes several objects."""
REST = 1.0
"""How long it rests after each part, in times of what that took: others use the store, too."""
MOST_REST_SECONDS = 1.0
"""Who wants the blob waits for two."""
RETRY_SECONDS = 60.0
"""What is somebody else's, or could not be done, is left alone for so long."""
LOOKED_AT = 50

_scattered = ScatteredBlob.__table__


class Locks(Protocol):
    """Claims of the blobs of one room, over machines."""

    def lock(self, key: str, span: Span, *, wait_seconds: float) -> AbstractContextManager[Fence]:
        """Hold a lock. Raises RangeBusy after `wait_seconds`."""


@dataclass(frozen=True, slots=True)
class CompactedRoom:
    """What is needed of a room."""

    backing: Backing
    locks: Locks


class Compaction:
    """Makes one object of each blob that is whole and in pieces, one blob after the other."""

    def __init__(
        self,
        database: Database,
        rooms: Sequence[CompactedRoom],
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        object_bytes: int = OBJECT_BYTES,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._database = database
        self._rooms = {room.backing.rows.room: room for room in rooms}
        self._sleep = sleep
        self._monotonic = monotonic
        self._object_bytes = object_bytes
        self._retry_seconds = retry_seconds
        self._refused: dict[tuple[str, str], float] = {}

    def work(self) -> int:
        """Go once through what waits. How many blobs are one object now."""
        return sum(self._try(*found) for found in list(self._find_waiting()))

    def _find_waiting(self) -> Iterator[tuple[str, str, int]]:
        """The blobs that have waited longest, without those that have just failed or are somebody else's."""
        now = self._monotonic()
        self._refused = {found: until for found, until in self._refused.items() if until > now}
        statement = select(_scattered.c.room, _scattered.c.key, _scattered.c.length).order_by(_scattered.c.since)
        with self._database.read() as session:
            found = session.execute(statement.limit(LOOKED_AT + len(self._refused))).all()
        for room, key, length in found:
            if (room, key) not in self._refused and room in self._rooms:
                yield room, key, length

    def _try(self, room: str, key: str, length: int) -> bool:
        """Whether the blob is one object now."""
        try:
            return self._compact(self._rooms[room], key, length)
        except RangeBusy:  # another worker is at it, or it is written to again
            pass
        except BlobMissing:  # deleted meanwhile
            pass
        except ServerAway:  # for all of them: each is tried again as soon as it is back
            return False
        except TransferError as error:
            log_error(error)
        self._refused[room, key] = self._monotonic() + self._retry_seconds
        return False

    def _compact(self, room: CompactedRoom, key: str, length: int) -> bool:
        backing = room.backing
        with room.locks.lock(key, WHOLE, wait_seconds=0) as fence:
            with self._database.read_rows() as rows:
                pieces = backing.rows.find(rows, key)
            spans = [
                Span(start, min(start + self._object_bytes, length)) for start in range(0, length, self._object_bytes)
            ]
            are_objects = len(spans) > 1 and [each.span for each in pieces] == spans
            if are_objects or not length or not is_gapless(pieces, Span(0, length)):
                self._forget(backing, key, length, fence)
                return False
            made = self._make(backing, key, pieces, spans, fence)
            freed = self._replace(backing, key, fence, pieces, made)
        backing.discards.remove(freed)
        return True

    def _forget(self, backing: Backing, key: str, length: int, fence: Fence) -> None:
        """There is nothing to be done, or it is not whole any more: who makes it whole again will say so."""
        with self._database.write_rows() as rows:
            fence.check(rows)
            backing.rows.forget_length(rows, key, length)

    def _make(
        self, backing: Backing, key: str, pieces: Sequence[Piece], spans: Sequence[Span], fence: Fence
    ) -> list[Piece]:
        """The objects that hold all bytes. One alone is at the blob's own name, and several at names of their own."""
        if len(spans) == 1:
            own_name = backing.layout.own_name(key)
            for uploads in backing.objects.multiparts(own_name):
                for upload in uploads:
                    if upload.name == own_name:
                        backing.objects.abort(own_name, upload.upload_id)
            made = [Piece(spans[0], own_name)]
        else:
            made = [Piece(span, backing.layout.new_piece_name(key)) for span in spans]
        try:
            for each in made:
                self._store(backing, each, pieces, fence)
        except BaseException:
            if len(made) > 1:
                with suppress(TransferError):
                    backing.discards.note([each.object for each in made])
            raise
        return made

    def _store(self, backing: Backing, target: Piece, pieces: Sequence[Piece], fence: Fence) -> None:
        """Make one object of what the pieces have of its span, in parts of one size but for the last."""
        objects, size = backing.objects, backing.piece_bytes
        upload_id = objects.begin_multipart(target.object)
        try:
            parts = []
            for number, start in enumerate(range(target.span.start, target.span.stop, size), 1):
                _let_go_if_wanted(fence)
                began = self._monotonic()
                span = Span(start, min(start + size, target.span.stop))
                parts.append(_store_part(objects, target.object, upload_id, number, _of(pieces, span)))
                self._sleep(min((self._monotonic() - began) * REST, MOST_REST_SECONDS))
            _let_go_if_wanted(fence)
            objects.complete(target.object, upload_id, parts)
        except BaseException:
            with suppress(TransferError):
                objects.abort(target.object, upload_id)
            raise
        facts = objects.head(target.object)
        if facts is None or facts.size != target.span.size:
            raise StoreUnavailable("A store has made an object of parts that is not as long as they are")

    def _replace(
        self, backing: Backing, key: str, fence: Fence, pieces: Sequence[Piece], made: Sequence[Piece]
    ) -> set[str]:
        """Let the new objects be the blob, if it is still what they were made of. What is nobody's now."""
        with self._database.write_rows(durable=True) as rows:
            fence.check(rows)
            found = backing.rows.find(rows, key)
            if found == pieces:
                freed = backing.rows.put_in_place(rows, key, made if len(made) > 1 else [])
                backing.rows.forget_scattered(rows, key)
                return freed
        if not found and not backing.layout.room.publishes:
            backing.objects.delete([each.object for each in made])
        raise BlobMissing  # or another archive: its rows say what counts, whatever is at its own name


def _let_go_if_wanted(fence: Fence) -> None:
    """Raises RangeBusy where somebody writes to the blob again, or has deleted it."""
    if fence.is_wanted():
        raise RangeBusy


def _of(pieces: Sequence[Piece], span: Span) -> list[Piece]:
    return [part for each in pieces if (part := each.within(span))]


def _store_part(objects: Objects, name: str, upload_id: str, number: int, sources: Sequence[Piece]) -> Part:
    """A part of what the sources have: copied within the store where one has all of it, and that is large enough.

    What is read is checked: what went wrong on the way would be there for ever.
    """
    first = sources[0]
    if len(sources) == 1 and first.span.size > MIN_PART_BYTES:
        span = Span(first.offset, first.offset + first.span.size)
        return objects.copy_part(name, upload_id, number, first.object, span)
    blocks = []
    for source in sources:
        data = get_checked(objects, source)
        if len(data) != source.span.size:
            raise BlobMissing
        blocks.append(data)
    return objects.put_part(name, upload_id, number, blocks)
